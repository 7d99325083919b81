import { HybridClock } from '../hybrid-clock.ts'
import type { Runtime } from '../runtime/runtime.ts'

/**
 * The clock that stamps what is published: hybrid, and shown the time of the instance, because the clock of a browser may be
 * off by more than the mesh allows (60 s: such a write would wait until it is due, §6 of the protocol).
 */
export class ClientClock {
  readonly #runtime: Pick<Runtime, 'now'>
  readonly #hybrid: HybridClock
  /** How far the instance's clock is ahead of this machine's, in milliseconds. */
  #skew = 0
  #reading = 0
  #isSet: boolean

  /** @param trusted whether this machine's clock may be believed before any instance has told the time */
  constructor(runtime: Pick<Runtime, 'now'>, who: string, trusted: boolean) {
    this.#runtime = runtime
    this.#isSet = trusted
    this.#hybrid = new HybridClock({ now: () => this.#reading }, who)
  }

  /** Whether it may stamp: an instance has told the time, or none will. */
  get isSet(): boolean {
    return this.#isSet
  }

  /** What time it is at the instance, in milliseconds since the epoch. */
  told(time: number): void {
    this.#skew = time - this.#runtime.now()
    this.#isSet = true
  }

  /** No instance tells the time: this machine's counts. */
  trust(): void {
    this.#isSet = true
  }

  /** A stamp behind all before it, for what was published then by this machine's clock. */
  stamp(at: number): string {
    this.#reading = at + this.#skew
    return this.#hybrid.stamp()
  }

  /** Stamps go on behind that one, unless it is ahead by more than 60 s. */
  observe(stamp: string): void {
    this.#reading = this.#runtime.now() + this.#skew
    this.#hybrid.observe(stamp)
  }
}
