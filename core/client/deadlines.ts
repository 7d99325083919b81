import type { Runtime, Timer } from '../runtime/runtime.ts'

/** A timer takes no more, in milliseconds: it would ring at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Something that is given up at a time. */
export interface Expiring {
  /** By the clock that only grows, in milliseconds; infinity: never. */
  readonly deadline: number
}

/** One timer for many deadlines: it rings at the earliest of them, or a little before somebody needs it. */
export class Deadlines {
  readonly #runtime: Runtime
  readonly #look: (now: number) => number
  #timer: Timer | undefined
  #due = Number.POSITIVE_INFINITY

  /** `look` gives up what is over by `now`, and returns the earliest deadline that is left. */
  constructor(runtime: Runtime, look: (now: number) => number) {
    this.#runtime = runtime
    this.#look = look
  }

  /** Sees to it that somebody looks at that time. */
  by(deadline: number): void {
    if (deadline >= this.#due) return
    this.#timer?.cancel()
    this.#due = deadline
    const waitMs = Math.min(Math.max(0, deadline - this.#runtime.monotonic()), LONGEST_TIMER_MS)
    this.#timer = this.#runtime.after(waitMs, () => {
      this.#due = Number.POSITIVE_INFINITY
      this.by(this.#look(this.#runtime.monotonic()))
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#due = Number.NEGATIVE_INFINITY
  }
}
