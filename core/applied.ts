import type { Backlog } from './backlog.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'

interface Waiting {
  readonly upTo: number
  readonly timer: Timer
  readonly resolve: (applied: boolean) => void
}

/** Those who wait until what came by a certain moment is applied, or put aside. */
export class Applied {
  readonly #runtime: Runtime
  readonly #backlog: Backlog
  readonly #taken: ReadonlySet<PendingDelivery>
  readonly #waiting = new Set<Waiting>()
  /** The greatest place that was offered; infinite while there are only those that a restart has found. */
  #lastOffered: number

  /** `taken`: what was taken from the backlog and is neither applied nor put aside. */
  constructor(runtime: Runtime, backlog: Backlog, taken: ReadonlySet<PendingDelivery>) {
    this.#runtime = runtime
    this.#backlog = backlog
    this.#taken = taken
    this.#lastOffered = backlog.pending > 0 ? Number.POSITIVE_INFINITY : 0
  }

  offered({ seq }: PendingDelivery): void {
    this.#lastOffered = seq
  }

  /** Resolves to whether all that was offered by now is past within that time: of that ordering key, or of all. */
  within(key: string | undefined, withinMs: number): Promise<boolean> {
    const upTo = this.#lastOffered
    if (this.#isPast(upTo) || (key !== undefined && !this.#isOpen(key))) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = this.#runtime.after(withinMs, () => this.#end(waiting, false))
      const waiting: Waiting = { upTo, timer, resolve }
      this.#waiting.add(waiting)
    })
  }

  /** Tells those whose place is past. */
  look(): void {
    for (const waiting of this.#waiting) if (this.#isPast(waiting.upTo)) this.#end(waiting, true)
  }

  close(): void {
    for (const waiting of this.#waiting) this.#end(waiting, false)
  }

  /** Whether everything up to that place is applied or put aside. */
  #isPast(place: number): boolean {
    for (const { seq } of this.#taken) if (seq <= place) return false
    return this.#backlog.isPast(place)
  }

  /** Whether something of that ordering key may wait to be applied. */
  #isOpen(key: string): boolean {
    for (const { message } of this.#taken) if (message.orderingKey === key) return true
    return this.#backlog.mayHold(key)
  }

  #end(waiting: Waiting, applied: boolean): void {
    waiting.timer.cancel()
    this.#waiting.delete(waiting)
    waiting.resolve(applied)
  }
}
