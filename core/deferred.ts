import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'

interface Waiting {
  readonly delivery: PendingDelivery
  /** When it is due by the clock that only grows. */
  readonly at: number
}

/**
 * Deliveries of one recipient that failed and wait for their time, the next one first. They are few: each has failed, and
 * is on disk with its time, so that a restart finds it again. How long they wait is measured by the clock that only grows:
 * setting the wall clock makes nothing wait longer.
 */
export class Deferred {
  readonly #runtime: Runtime
  readonly #waiting: Waiting[] = []

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  get size(): number {
    return this.#waiting.length
  }

  /** When the next one is due, in milliseconds of the clock that only grows. */
  get nextAt(): number | undefined {
    return this.#waiting[0]?.at
  }

  add(delivery: PendingDelivery): void {
    const at = this.#runtime.monotonic() + delivery.dueAt - this.#runtime.now()
    let place = this.#waiting.length
    while (place > 0 && (this.#waiting[place - 1] as Waiting).at > at) place--
    this.#waiting.splice(place, 0, { delivery, at })
  }

  /** The recipient has spoken of a message after all. Undefined when that message does not wait here. */
  take(messageId: string): PendingDelivery | undefined {
    const place = this.#waiting.findIndex(({ delivery }) => delivery.message.messageId === messageId)
    return place < 0 ? undefined : this.#waiting.splice(place, 1)[0]?.delivery
  }

  /** Takes all that are due. They wait for nothing more. */
  takeDue(): readonly PendingDelivery[] {
    const now = this.#runtime.monotonic()
    let count = 0
    while (count < this.#waiting.length && (this.#waiting[count] as Waiting).at <= now) count++
    return this.#waiting.splice(0, count).map(({ delivery }) => ({ ...delivery, dueAt: 0 }))
  }

  clear(): void {
    this.#waiting.length = 0
  }
}
