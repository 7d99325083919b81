import type { Deferred } from './deferred.ts'
import type { Flight, InFlight } from './in-flight.ts'
import type { Runtime } from './runtime/runtime.ts'
import { Wake } from './wake.ts'

export interface WatchdogContext {
  readonly runtime: Runtime
  /** How long the recipient may go without a word, in milliseconds. */
  readonly retryDelayMs: number
  readonly inFlight: InFlight
  readonly deferred: Deferred
  /** Since when the recipient can be heard, by the clock that only grows; undefined while nobody listens to it. */
  listeningSince(): number | undefined
  /** These timed out, and are in flight no more: the recipient has long acknowledged what was sent later. */
  timedOut(flights: readonly Flight[]): void
  /** Not a word of the recipient, though something is in flight to it. */
  silent(): void
  /** Not a word again, though all was sent once more. */
  hangUp(): void
  /** Some time that was waited for has come. */
  goOn(): void
}

/**
 * Watches over time for one recipient that is linked: when it has been silent for too long, when something was overtaken too
 * long ago, when a deferred delivery is due, and when the pause is over that the recipient asked for.
 */
export class Watchdog {
  readonly #context: WatchdogContext
  readonly #wake: Wake
  /** When the recipient last said anything, or was first sent something, by the clock that only grows. */
  #progressAt = 0
  /** Whether what is in flight was sent once more already, because the recipient said nothing at all. */
  #silent = false
  /** The recipient asked to be left alone until then, in milliseconds of the clock that only grows. */
  #busyUntil = 0
  #hungUp = false

  constructor(context: WatchdogContext) {
    this.#context = context
    this.#wake = new Wake(context.runtime, () => this.#look())
  }

  /** Whether the recipient wants to be left alone. */
  get isBusy(): boolean {
    return this.#busyUntil > this.#context.runtime.monotonic()
  }

  /** Whether this side has given up the link, because the recipient stayed silent. */
  get hungUp(): boolean {
    return this.#hungUp
  }

  /** There is a new link, and nothing to hold against it. */
  linked(): void {
    this.#silent = false
    this.#hungUp = false
    this.#busyUntil = 0
  }

  /** There is no link: nothing times out. */
  rest(): void {
    this.#wake.cancel()
  }

  /** Something is sent: if nothing was in flight, the recipient's time to answer begins now. */
  sending(): void {
    if (this.#context.inFlight.size === 0) this.#progressAt = this.#context.runtime.monotonic()
  }

  /** The recipient asks to be left alone for so long. */
  pause(milliseconds: number): void {
    this.#busyUntil = this.#context.runtime.monotonic() + milliseconds
  }

  /** The recipient has spoken. If it asked to be left alone, nobody expects a word of it before that is over. */
  progressed(): void {
    this.#progressAt = Math.max(this.#context.runtime.monotonic(), this.#busyUntil)
    this.#silent = false
  }

  /** Sets the alarm for whatever comes next: silence, an overtaken delivery, a deferred one, the end of a pause. */
  arm(): void {
    const { runtime, retryDelayMs, inFlight, deferred } = this.#context
    const now = runtime.monotonic()
    if (this.isBusy) {
      this.#wake.at(this.#busyUntil)
      return
    }
    const heardSince = this.#context.listeningSince() ?? now
    if (inFlight.size > 0) this.#wake.at(Math.max(this.#progressAt, heardSince) + retryDelayMs)
    const overtaken = inFlight.firstOvertakenAt
    if (overtaken !== undefined) this.#wake.at(Math.max(overtaken, heardSince) + retryDelayMs)
    if (deferred.nextAt !== undefined) this.#wake.at(deferred.nextAt)
  }

  /** The alarm rang: whatever has come to its time. */
  #look(): void {
    if (!this.isBusy && !this.#hungUp) this.#judge()
    this.#context.goOn()
  }

  /** What is in flight has not been acknowledged in time, some of it or all of it. */
  #judge(): void {
    const { runtime, retryDelayMs, inFlight } = this.#context
    const now = runtime.monotonic()
    // While nobody listened, what it has said waits to be read.
    const heardSince = this.#context.listeningSince() ?? now
    if (now - heardSince < retryDelayMs) return
    const late = inFlight.overtakenBefore(now - retryDelayMs)
    if (late.length > 0) {
      for (const { delivery } of late) inFlight.take(delivery.message.messageId)
      this.#context.timedOut(late)
    } else if (inFlight.size > 0 && now - this.#progressAt >= retryDelayMs) {
      this.#onSilence(now)
    }
  }

  /**
   * Not a word for as long as the retry delay: what is in flight goes once more. Not a word again: the link is dead, or the
   * recipient is; a new link finds out. Neither is the fault of a message.
   */
  #onSilence(now: number): void {
    this.#progressAt = now
    if (this.#silent) {
      this.#hungUp = true
      this.#context.hangUp()
    } else {
      this.#silent = true
      this.#context.silent()
    }
  }
}
