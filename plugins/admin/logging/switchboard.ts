import type { Runtime, Timer } from '../../../core/index.ts'
import { type LogSwitches, turned } from './switches.ts'

/** What is written as long as nobody turns anything, and what is written now: a turn that is forgotten ends by itself. */
export class Switchboard {
  readonly #runtime: Runtime
  readonly #changed: (switches: LogSwitches, revertsAt: number | undefined) => void
  #lasting: LogSwitches
  #switches: LogSwitches
  #revert: { readonly timer: Timer; readonly at: number } | undefined

  /** `changed` is told of each turn, and when what was turned for a while is as it was. */
  constructor(
    lasting: LogSwitches,
    runtime: Runtime,
    changed: (switches: LogSwitches, revertsAt: number | undefined) => void,
  ) {
    this.#lasting = lasting
    this.#switches = lasting
    this.#runtime = runtime
    this.#changed = changed
  }

  get switches(): LogSwitches {
    return this.#switches
  }

  /** When all that is turned for a while reverts, in milliseconds since the epoch. */
  get revertsAt(): number | undefined {
    return this.#revert?.at
  }

  /**
   * Turns some of the switches, until a restart if `forMs` is 0. The time of the latest turn counts for all that are turned for
   * a while. False, and nothing is done, when the turns contradict each other.
   */
  turn(turns: Partial<LogSwitches>, forMs: number): boolean {
    const next = turned(this.#switches, turns)
    if (!next) return false
    this.#switches = next
    if (forMs > 0) this.#revertIn(forMs)
    else this.#lasting = turned(this.#lasting, turns) ?? next
    this.#changed(next, this.revertsAt)
    return true
  }

  /** Leaves no timer behind. */
  close(): void {
    this.#revert?.timer.cancel()
  }

  #revertIn(milliseconds: number): void {
    this.#revert?.timer.cancel()
    const timer = this.#runtime.after(milliseconds, () => {
      this.#revert = undefined
      this.#switches = this.#lasting
      this.#changed(this.#switches, undefined)
    })
    this.#revert = { timer, at: this.#runtime.now() + milliseconds }
  }
}
