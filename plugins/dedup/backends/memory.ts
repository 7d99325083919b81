import {
  type DedupBackend,
  type DedupContext,
  type DedupVerdict,
  Recent,
  slipstreamError,
} from '../../../core/index.ts'

const DEFAULT_MAX_ENTRIES = 100_000

export interface MemoryOptions {
  /** Messages that are remembered or claimed, at most; some 200 bytes each. Default 100,000. */
  readonly maxEntries?: number
}

/**
 * Remembers in this process alone, until it ends: for tests, and where handling a message again does no harm. When it is
 * full, what was confirmed first is forgotten before its time; when all of it is claimed, `claim` rejects with
 * `SLP_DEDUP_FULL`.
 */
export function memory({ maxEntries = DEFAULT_MAX_ENTRIES }: MemoryOptions = {}): DedupBackend {
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw slipstreamError('SLP_DEDUP_OPTIONS', [`maxEntries is ${maxEntries}, and must be a whole number from 1 on`])
  }
  return new MemoryDedup(maxEntries)
}

interface Claim {
  readonly token: number
  /** When its lease is over, by the monotonic clock. */
  readonly until: number
}

class MemoryDedup implements DedupBackend {
  readonly name = 'memory'
  readonly #maxEntries: number
  readonly #claims: Recent<Claim>
  /** Tokens under which it was confirmed. */
  readonly #confirmed: Recent<number>
  #context: DedupContext | undefined
  #lastToken = 0

  constructor(maxEntries: number) {
    const now = () => this.#opened().runtime.monotonic()
    this.#maxEntries = maxEntries
    this.#claims = new Recent(maxEntries, now)
    this.#confirmed = new Recent(maxEntries, now)
  }

  async open(context: DedupContext): Promise<void> {
    this.#context = context
  }

  async claim(key: string): Promise<DedupVerdict> {
    if (this.#confirmed.get(key) !== undefined) return { status: 'duplicate' }
    const now = this.#opened().runtime.monotonic()
    const held = this.#claims.get(key)
    if (held && now < held.until) return { status: 'busy', forMs: held.until - now }
    this.#makeRoom(now)
    const token = this.#nextToken()
    this.#hold(key, token)
    return { status: 'claimed', token }
  }

  async extend(key: string, token: number): Promise<boolean> {
    if (!this.#isHeld(key, token)) return false
    this.#hold(key, token)
    return true
  }

  async confirm(key: string, token: number): Promise<boolean> {
    if (!this.#isHeld(key, token)) return this.#confirmed.get(key) === token
    this.#claims.delete(key)
    this.#confirmed.set(key, token, this.#opened().ttlMs)
    return true
  }

  async release(key: string, token: number): Promise<void> {
    if (this.#isHeld(key, token)) this.#claims.delete(key)
  }

  async find(key: string): Promise<'claimed' | 'confirmed' | undefined> {
    if (this.#confirmed.get(key) !== undefined) return 'confirmed'
    const held = this.#claims.get(key)
    return held && this.#opened().runtime.monotonic() < held.until ? 'claimed' : undefined
  }

  async close(): Promise<void> {}

  /** What is over goes first: only a very late confirmation would miss it. */
  #makeRoom(now: number): void {
    while (this.#claims.size + this.#confirmed.size >= this.#maxEntries) {
      const { oldest } = this.#claims
      if (oldest && oldest.until <= now) this.#claims.dropOldest()
      else if (!this.#confirmed.dropOldest()) throw slipstreamError('SLP_DEDUP_FULL', [this.#maxEntries])
    }
  }

  #isHeld(key: string, token: number): boolean {
    return this.#claims.get(key)?.token === token
  }

  #hold(key: string, token: number): void {
    const { runtime, leaseMs, ttlMs } = this.#opened()
    this.#claims.set(key, { token, until: runtime.monotonic() + leaseMs }, leaseMs + ttlMs)
  }

  /** By the wall clock, so that it is greater than those from before a restart. */
  #nextToken(): number {
    this.#lastToken = Math.max(this.#lastToken + 1, Math.floor(this.#opened().runtime.now() * 1_000))
    return this.#lastToken
  }

  #opened(): DedupContext {
    if (!this.#context) throw slipstreamError('SLP_DEDUP_FAILED', ['the backend is not open'])
    return this.#context
  }
}
