import { Ahead } from './ahead.ts'
import type { Backlog } from './backlog.ts'
import { Deferred } from './deferred.ts'
import type { HybridClock } from './hybrid-clock.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'
import { Wake } from './wake.ts'

/** Failed deliveries that wait for their next attempt at most. */
const MAX_DEFERRED = 1_000
/** Read at once when their stamps have come due. */
const RECALL_AT_ONCE = 256
/** The longest sleep while something is ahead of time, in milliseconds: the wall clock may be set meanwhile. */
const LOOK_EVERY_MS = 10_000

export interface LaterContext {
  readonly runtime: Runtime
  readonly clock: HybridClock
  readonly backlog: Backlog
  /** Something is in the backlog again. */
  goOn(): void
  /** The store could not be read: try `again` later. */
  unreadable(error: unknown, again: () => void): void
}

/** Deliveries to this instance that wait for their time: failed ones for their next attempt, others for their stamp. */
export class Later {
  readonly #context: LaterContext
  readonly #deferred: Deferred
  readonly #ahead = new Ahead()
  readonly #wake: Wake

  constructor(context: LaterContext) {
    this.#context = context
    this.#deferred = new Deferred(context.runtime)
    this.#wake = new Wake(context.runtime, () => this.#look())
  }

  get size(): number {
    return this.#deferred.size + this.#ahead.size
  }

  /** Whether another failed delivery may wait. */
  get hasRoom(): boolean {
    return this.#deferred.size < MAX_DEFERRED
  }

  /** Whether another delivery may wait for its stamp. */
  get hasRoomAhead(): boolean {
    return !this.#ahead.isFull
  }

  /** A delivery that failed waits for its next attempt. */
  defer(delivery: PendingDelivery): void {
    this.#deferred.add(delivery)
  }

  /** A delivery waits for its stamp to come due. */
  holdBack(delivery: PendingDelivery, until: number): void {
    this.#ahead.add(delivery, until)
  }

  /** Sets the alarm for whatever comes next. */
  arm(): void {
    const { runtime } = this.#context
    const { nextAt } = this.#ahead
    if (this.#deferred.nextAt !== undefined) this.#wake.at(this.#deferred.nextAt)
    if (nextAt !== undefined) this.#wake.at(runtime.monotonic() + Math.min(nextAt - runtime.now(), LOOK_EVERY_MS))
  }

  close(): void {
    this.#wake.cancel()
  }

  #look(): void {
    const { runtime, backlog, goOn } = this.#context
    backlog.giveBack(this.#deferred.takeDue())
    const due = this.#ahead.takeDue(runtime.now(), RECALL_AT_ONCE)
    if (due.length > 0) void this.#recall(due)
    goOn()
  }

  /** Reads anew what has come due. From now on the clock follows these stamps. */
  async #recall(places: readonly number[]): Promise<void> {
    const { backlog, clock, goOn, unreadable } = this.#context
    try {
      const deliveries = await backlog.recall(places)
      for (const { message } of deliveries) if (message.version !== undefined) clock.observe(message.version)
      backlog.giveBack(deliveries)
      // Those that are no longer pending.
      for (let gone = places.length - deliveries.length; gone > 0; gone--) backlog.settled()
      goOn()
    } catch (error) {
      unreadable(error, () => void this.#recall(places))
    }
  }
}
