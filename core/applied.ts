import type { Runtime, Timer } from './runtime/runtime.ts'

interface Waiting {
  readonly upTo: number
  readonly timer: Timer
  readonly resolve: (applied: boolean) => void
}

/** Those who wait until everything up to a place in the store is applied, or put aside. */
export class Applied {
  readonly #runtime: Runtime
  readonly #waiting = new Set<Waiting>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Resolves to true when that place is past, to false when it is not within that time. */
  upTo(place: number, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#runtime.after(withinMs, () => this.#end(waiting, false))
      const waiting: Waiting = { upTo: place, timer, resolve }
      this.#waiting.add(waiting)
    })
  }

  /** Tells those whose place is past. */
  look(isPast: (place: number) => boolean): void {
    for (const waiting of this.#waiting) if (isPast(waiting.upTo)) this.#end(waiting, true)
  }

  close(): void {
    for (const waiting of this.#waiting) this.#end(waiting, false)
  }

  #end(waiting: Waiting, applied: boolean): void {
    waiting.timer.cancel()
    this.#waiting.delete(waiting)
    waiting.resolve(applied)
  }
}
