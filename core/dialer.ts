import { problemOf } from './errors.ts'
import { CloseCode, type Connection, type PeerSettings } from './link.ts'
import type { Joined } from './links.ts'
import type { Log } from './log.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'

const MAX_DELAY_MS = 60_000
/** A link that lasted this long was a good one: the next attempts start quickly again. */
const STABLE_AFTER_MS = 30_000

export interface DialerContext {
  readonly runtime: Runtime
  readonly log: Log
  readonly firstDelayMs: number
  readonly quickAttempts: number
  dial(signal: AbortSignal): Promise<Connection>
  /** Puts the connection to use; `ended` is called when it is gone. */
  join(connection: Connection, ended: () => void): Promise<Joined>
  /** Whether the peer is linked by another connection. */
  linked(): boolean
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
  #timer: Timer | undefined
  #waiting = true

  constructor(peer: PeerSettings, context: DialerContext) {
    this.peer = peer
    this.#context = context
  }

  /** Attempts since the last link that lasted. */
  get attempts(): number {
    return this.#attempts
  }

  /** Whether only a probe a minute goes out. */
  get circuitOpen(): boolean {
    return this.#attempts >= this.#context.quickAttempts
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
    if (this.#context.linked()) {
      this.#waiting = true
      this.#attempts = 0
      return
    }
    this.#waiting = false
    const { runtime, log } = this.#context
    let connection: Connection | undefined
    try {
      connection = await this.#context.dial(this.#abort.signal)
      const linkedAt = runtime.monotonic()
      const joined = await this.#context.join(connection, () => this.#ended(linkedAt))
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

  #ended(linkedAt: number): void {
    if (this.#context.runtime.monotonic() - linkedAt >= STABLE_AFTER_MS) this.#attempts = 0
    this.#later()
  }

  #later(): void {
    if (this.#abort.signal.aborted) return
    this.#waiting = false
    this.#timer?.cancel()
    this.#timer = this.#context.runtime.after(this.#delay(), () => void this.#attempt())
    this.#attempts++
  }

  /** Equal jitter: half of the delay for certain, half by chance. */
  #delay(): number {
    const { firstDelayMs, runtime } = this.#context
    const full = this.circuitOpen ? MAX_DELAY_MS : Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** this.#attempts)
    return full / 2 + (full / 2) * runtime.random()
  }
}
