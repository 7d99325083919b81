import type { Runtime, Timer } from './runtime/runtime.ts'

/** One alarm for many times: it rings at the earliest that was asked for, and has to be set anew then. */
export class Wake {
  readonly #runtime: Runtime
  readonly #ring: () => void
  #timer: Timer | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(runtime: Runtime, ring: () => void) {
    this.#runtime = runtime
    this.#ring = ring
  }

  /** Rings at that time of the clock that only grows, in milliseconds, unless it rings earlier already. */
  at(time: number): void {
    if (time >= this.#at) return
    this.#timer?.cancel()
    this.#at = time
    this.#timer = this.#runtime.after(Math.max(0, time - this.#runtime.monotonic()), () => {
      this.#at = Number.POSITIVE_INFINITY
      this.#ring()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#at = Number.POSITIVE_INFINITY
  }
}
