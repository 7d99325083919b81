import { problemOf } from './errors.ts'
import { CloseCode, type Connection, type PeerSettings } from './link.ts'
import type { Joined } from './links.ts'
import type { Log } from './log.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'

const MAX_DELAY_MS = 60_000
/** A link that lasted this long was a good one: the next attempts start quickly again. */
const STABLE_AFTER_MS = 30_000
/** Nor is it a good one as long as this many first delays: on a peer that never answers, the outbox hangs up after two. */
const STABLE_AFTER_DELAYS = 3

export interface DialerContext {
  readonly runtime: Runtime
  readonly log: Log
  readonly firstDelayMs: number
  readonly quickAttempts: number
  dial(signal: AbortSignal): Promise<Connection>
  /** Puts the connection to use; `ended` is called when it is gone. */
  join(connection: Connection, ended: () => void): Promise<Joined>
  /** Whether the peer is linked, by whichever connection. */
  linked(): boolean
}

/** How it stands with dialling a peer. */
export interface LinkCircuit {
  /**
   * - `closed`: linked for good, or within the quick attempts
   * - `open`: those were in vain; nothing goes out until the next probe
   * - `half-open`: the probe is under way, or has brought a link that has yet to last
   */
  readonly state: 'closed' | 'open' | 'half-open'
  /** Attempts in vain since the last link that lasted. */
  readonly attempts: number
  /** When the next attempt goes out, in milliseconds since the epoch; undefined while none is due. */
  readonly nextAttemptAt: number | undefined
}

/**
 * Keeps one configured peer linked, for ever: dials, and dials again after a delay that doubles up to a minute, half of it
 * by chance so that the instances of a mesh do not come back all at once. After some quick attempts the circuit is open
 * and only a probe a minute goes out. It never gives up.
 */
export class Dialer {
  readonly peer: PeerSettings
  readonly #context: DialerContext
  readonly #abort = new AbortController()
  #attempts = 0
  #open = false
  #timer: Timer | undefined
  /** When the next attempt goes out, by the clock that only grows. */
  #nextAt: number | undefined
  /** Since when the connection is there that was dialled last. */
  #linkedAt: number | undefined
  #waiting = true

  constructor(peer: PeerSettings, context: DialerContext) {
    this.peer = peer
    this.#context = context
  }

  get circuit(): LinkCircuit {
    const { runtime } = this.#context
    const nextAttemptAt = this.#nextAt === undefined ? undefined : runtime.now() + this.#nextAt - runtime.monotonic()
    if (this.#isLinkedForGood) return { state: 'closed', attempts: 0, nextAttemptAt }
    const state = !this.#open ? 'closed' : nextAttemptAt === undefined ? 'half-open' : 'open'
    return { state, attempts: this.#attempts, nextAttemptAt }
  }

  start(): void {
    void this.#attempt()
  }

  stop(): void {
    this.#abort.abort()
    this.#timer?.cancel()
  }

  /** Some link is gone: perhaps the one that this dialer stood by for. */
  wake(): void {
    if (this.#waiting) this.#later()
  }

  async #attempt(): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#nextAt = undefined
    if (this.#context.linked()) {
      this.#waiting = true
      this.#proved()
      return
    }
    this.#waiting = false
    const { runtime, log } = this.#context
    let connection: Connection | undefined
    try {
      connection = await this.#context.dial(this.#abort.signal)
      this.#linkedAt = runtime.monotonic()
      const joined = await this.#context.join(connection, () => this.#ended())
      if (joined === 'standing by') log.debug('standing by', { peer: this.peer.url })
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        log.debug('dial failed', { peer: this.peer.url, attempt: this.#attempts + 1, reason: problemOf(error) })
      }
      // One that had opened is dialled again when it is gone.
      if (connection) connection.close(CloseCode.TRY_AGAIN_LATER, 'cannot be served now')
      else this.#later()
    }
  }

  #ended(): void {
    if (this.#hasLasted) this.#proved()
    this.#linkedAt = undefined
    this.#later()
  }

  #proved(): void {
    this.#attempts = 0
    this.#open = false
  }

  get #hasLasted(): boolean {
    const { runtime, firstDelayMs } = this.#context
    const stableAfterMs = Math.max(STABLE_AFTER_MS, STABLE_AFTER_DELAYS * firstDelayMs)
    return this.#linkedAt !== undefined && runtime.monotonic() - this.#linkedAt >= stableAfterMs
  }

  /** A link that the peer has dialled need not prove itself: it says nothing of whether the peer can be dialled. */
  get #isLinkedForGood(): boolean {
    return this.#linkedAt === undefined ? this.#context.linked() : this.#hasLasted
  }

  #later(): void {
    if (this.#abort.signal.aborted) return
    const { runtime, quickAttempts } = this.#context
    this.#waiting = false
    this.#open = this.#attempts >= quickAttempts
    const delay = this.#delay()
    this.#timer?.cancel()
    this.#timer = runtime.after(delay, () => void this.#attempt())
    this.#nextAt = runtime.monotonic() + delay
    this.#attempts++
  }

  /** Equal jitter: half of the delay for certain, half by chance. */
  #delay(): number {
    const { firstDelayMs, runtime } = this.#context
    const full = this.#open ? MAX_DELAY_MS : Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** this.#attempts)
    return full / 2 + (full / 2) * runtime.random()
  }
}
