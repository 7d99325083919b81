import {
  backoff,
  type DedupBackend,
  type DedupVerdict,
  isId,
  messageKey,
  problemOf,
  type Runtime,
  SlipstreamError,
  slipstreamError,
  systemRuntime,
} from '../../core/index.ts'
import { Lease } from './lease.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
/**
 * Longer than the bus repeats a message unless it is configured otherwise: 7 days for somebody absent, 30 days as a dead
 * letter, and after a replay 7 days again.
 */
export const DEFAULT_TTL_MS = 45 * DAY_MS
const DEFAULT_LEASE_MS = 30_000
const MIN_LEASE_MS = 100
const MAX_LEASE_MS = 60 * 60 * 1_000
const MAX_TTL_MS = 400 * DAY_MS
const MAX_WAIT_MS = 60 * 60 * 1_000
/** What did not succeed is tried again after so long at first, and after so long at most, in milliseconds. */
const AGAIN_MS = 50
const AGAIN_AT_MOST_MS = 1_000
/** These may pass: a backend that is away, and one that is full of claims. */
const PASSING: ReadonlySet<string> = new Set(['SLP_DEDUP_FAILED', 'SLP_DEDUP_FULL'])

export interface DeduplicatorOptions {
  /**
   * Where it is kept what was handled: `memory()`, `redis()`, `sqlite()`, or a `DedupBackend` of your own. It is opened and closed
   * by this deduplicator, and by no other.
   */
  readonly backend: DedupBackend
  /** For how long a handled message is known again, in milliseconds: longer than it can be repeated. Default 45 days. */
  readonly ttlMs?: number
  /** After how long a message is free again whose process died, in milliseconds. Default 30,000; 100 to an hour. */
  readonly leaseMs?: number
  /** Time and chance, for tests. */
  readonly runtime?: Runtime
}

/** What is needed of a message: a parsed frame, or a `Message` of the bus. */
export interface Identified {
  readonly messageId: string
  /** Without one it is of the group `singleton`. */
  readonly clusterGroupId?: string | undefined
}

/**
 * Handles a message.
 *
 * @param signal is aborted when the lease is lost, so that somebody else may be at it
 * @param token greater than that of every earlier claim of the message: for what else is written, as a fencing token
 */
export type Handler = (signal: AbortSignal, token: number) => unknown

export interface OnceOptions {
  /**
   * How long to wait while somebody else is at it, or while the backend cannot be asked, before `once` says so, in milliseconds.
   * Default 0; an hour at most.
   */
  readonly waitMs?: number
}

/** `duplicate`: it was handled before. `busy`: somebody is at it; do not acknowledge it, it comes again. */
export type Outcome = 'processed' | 'duplicate' | 'busy'

/**
 * Recognises what a receiver has handled before, by id and cluster group: the same message comes by several instances of a
 * group, and again when an acknowledgement was lost. A message is claimed, handled, and confirmed, so that a crash in between
 * loses nothing, and repeats only what was not confirmed.
 *
 * Errors: `SLP_DEDUP_MESSAGE` for a message without a proper id; `SLP_DEDUP_FAILED` when the backend cannot be asked, and
 * `SLP_DEDUP_FULL` when it has no room: such a message must not be acknowledged; `SLP_DEDUP_LOST` when somebody else has
 * claimed the message meanwhile.
 */
export class SlipstreamDeduplicator {
  readonly #backend: DedupBackend
  readonly #runtime: Runtime
  readonly #leaseMs: number
  readonly #ttlMs: number
  readonly #running = new Set<Promise<unknown>>()
  #opening: Promise<void> | undefined
  #isClosed = false
  #closing: Promise<void> | undefined

  /** Throws `SLP_DEDUP_OPTIONS`. Opens nothing yet. */
  constructor(options: DeduplicatorOptions) {
    const { backend, ttlMs = DEFAULT_TTL_MS, leaseMs = DEFAULT_LEASE_MS, runtime = systemRuntime } = options
    assertBetween('leaseMs', leaseMs, MIN_LEASE_MS, MAX_LEASE_MS)
    assertBetween('ttlMs', ttlMs, leaseMs, MAX_TTL_MS)
    this.#backend = backend
    this.#ttlMs = ttlMs
    this.#leaseMs = leaseMs
    this.#runtime = runtime
  }

  /** Opens the backend now, so that what is wrong with it is known at the start. Else the first message opens it. */
  async open(): Promise<void> {
    if (this.#isClosed) throw slipstreamError('SLP_DEDUP_FAILED', ['it is closed'])
    const context = { runtime: this.#runtime, leaseMs: this.#leaseMs, ttlMs: this.#ttlMs }
    this.#opening ??= this.#backend.open(context).catch((error: unknown) => {
      this.#opening = undefined
      throw coded(error)
    })
    return this.#opening
  }

  /**
   * Handles a message unless it was handled before, or is being handled somewhere. Resolves to `processed` when the handler
   * has succeeded and that is remembered. What the handler throws is thrown, and the message can be repeated at once.
   *
   * The lease is renewed while the handler runs. `SLP_DEDUP_LOST` says that the handler has succeeded, but that somebody else
   * has claimed the message as well: this process stood still, or could not reach the backend, for longer than the lease.
   */
  once(message: Identified, handle: Handler, { waitMs = 0 }: OnceOptions = {}): Promise<Outcome> {
    const run = this.#once(message, handle, waitMs)
    const end = () => this.#running.delete(run)
    this.#running.add(run)
    run.then(end, end)
    return run
  }

  /** Whether the message was handled, as far as is known. Changes nothing: whoever wants to handle it must claim it. */
  async isDuplicate(message: Identified): Promise<boolean> {
    const key = keyOf(message)
    return (await this.#use((backend) => backend.find(key))) === 'confirmed'
  }

  /** The first of the steps of `once`, for those who take them one by one: takes a message for `leaseMs`. */
  async claim(message: Identified): Promise<DedupVerdict> {
    const key = keyOf(message)
    if (this.#closing) throw slipstreamError('SLP_DEDUP_FAILED', ['it is closed'])
    return this.#use((backend) => backend.claim(key))
  }

  /** Begins the lease of a claim anew. Rejects with `SLP_DEDUP_LOST` when somebody else has claimed the message. */
  async extend(message: Identified, token: number): Promise<void> {
    const key = keyOf(message)
    if (!(await this.#use((backend) => backend.extend(key, token)))) throw lost(message)
  }

  /** Remembers that a message was handled. Rejects with `SLP_DEDUP_LOST` when somebody else has claimed it. */
  async confirm(message: Identified, token: number): Promise<void> {
    const key = keyOf(message)
    if (!(await this.#use((backend) => backend.confirm(key, token)))) throw lost(message)
  }

  /** Gives a message back that was not handled, so that it can be claimed at once. */
  async release(message: Identified, token: number): Promise<void> {
    const key = keyOf(message)
    await this.#use((backend) => backend.release(key, token))
  }

  /** Takes nothing new, waits for the handlers that run, and closes the backend. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #once(message: Identified, handle: Handler, waitMs: number): Promise<Outcome> {
    assertBetween('waitMs', waitMs, 0, MAX_WAIT_MS)
    const { verdict, since } = await this.#claimedWithin(message, waitMs)
    if (verdict.status !== 'claimed') return verdict.status
    const { token } = verdict
    const lease = new Lease({
      ...{ runtime: this.#runtime, leaseMs: this.#leaseMs, since },
      extend: () => this.extend(message, token),
      lost: () => lost(message),
    })
    try {
      await this.#handled(message, token, () => handle(lease.signal, token))
      await this.#confirmed(message, token, lease)
    } finally {
      lease.end()
    }
    return 'processed'
  }

  async #claimedWithin(message: Identified, waitMs: number) {
    const runtime = this.#runtime
    const end = runtime.monotonic() + waitMs
    const isLast = () => this.#closing !== undefined || runtime.monotonic() >= end
    for (let tries = 1; ; tries++) {
      const since = runtime.monotonic()
      try {
        const verdict = await this.claim(message)
        if (verdict.status !== 'busy' || isLast()) return { verdict, since }
      } catch (error) {
        if (!PASSING.has((error as SlipstreamError).code) || isLast()) throw error
      }
      await this.#pause(tries, end - runtime.monotonic())
    }
  }

  async #handled(message: Identified, token: number, handle: () => unknown): Promise<void> {
    try {
      await handle()
    } catch (error) {
      // What cannot be given back now is free when its lease is over.
      await this.release(message, token).catch(() => {})
      throw error
    }
  }

  /** It is done: what keeps that from being remembered may pass as long as the lease lasts. */
  async #confirmed(message: Identified, token: number, { signal }: Lease): Promise<void> {
    for (let failures = 1; ; failures++) {
      try {
        return await this.confirm(message, token)
      } catch (error) {
        if (signal.aborted || (error as SlipstreamError).code === 'SLP_DEDUP_LOST') throw error
        await this.#pause(failures)
      }
    }
  }

  #pause(tries: number, atMostMs = AGAIN_AT_MOST_MS): Promise<void> {
    const delay = Math.min(backoff(tries, AGAIN_MS, this.#runtime.random()), AGAIN_AT_MOST_MS, atMostMs)
    return new Promise((resolve) => void this.#runtime.after(delay, resolve))
  }

  async #use<Result>(work: (backend: DedupBackend) => Promise<Result>): Promise<Result> {
    await this.open()
    try {
      return await work(this.#backend)
    } catch (error) {
      throw coded(error)
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running)
    this.#isClosed = true
    await this.#opening?.catch(() => {})
    await this.#backend.close()
  }
}

function assertBetween(option: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw slipstreamError('SLP_DEDUP_OPTIONS', [
    `${option} is ${value}, and must be a whole number from ${min} to ${max}`,
  ])
}

/** A message that comes without an id must not be taken for another one without an id. */
function keyOf(message: Identified): string {
  const { messageId, clusterGroupId } = message
  if (!isId(messageId)) throw slipstreamError('SLP_DEDUP_MESSAGE', ['messageId'])
  if (clusterGroupId !== undefined && !isId(clusterGroupId))
    throw slipstreamError('SLP_DEDUP_MESSAGE', ['clusterGroupId'])
  return messageKey(message)
}

function lost({ messageId }: Identified): SlipstreamError {
  return slipstreamError('SLP_DEDUP_LOST', [messageId])
}

function coded(error: unknown): SlipstreamError {
  if (error instanceof SlipstreamError) return error
  return slipstreamError('SLP_DEDUP_FAILED', [problemOf(error)], { cause: error })
}
