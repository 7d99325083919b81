import type { PendingDelivery } from './store.ts'

/**
 * Deliveries of one recipient that failed and wait for their time, the next one first. They are few: each has failed, and
 * is on disk with its time, so that a restart finds it again.
 */
export class Deferred {
  readonly #waiting: PendingDelivery[] = []

  get size(): number {
    return this.#waiting.length
  }

  /** When the next one is due, in milliseconds since the epoch. */
  get nextDueAt(): number | undefined {
    return this.#waiting[0]?.dueAt
  }

  add(delivery: PendingDelivery): void {
    let place = this.#waiting.length
    while (place > 0 && (this.#waiting[place - 1] as PendingDelivery).dueAt > delivery.dueAt) place--
    this.#waiting.splice(place, 0, delivery)
  }

  /** The recipient has spoken of a message after all. Undefined when that message does not wait here. */
  take(messageId: string): PendingDelivery | undefined {
    const place = this.#waiting.findIndex(({ message }) => message.messageId === messageId)
    return place < 0 ? undefined : this.#waiting.splice(place, 1)[0]
  }

  /** Takes all that are due. */
  takeDue(now: number): readonly PendingDelivery[] {
    let count = 0
    while (count < this.#waiting.length && (this.#waiting[count] as PendingDelivery).dueAt <= now) count++
    return this.#waiting.splice(0, count)
  }

  clear(): void {
    this.#waiting.length = 0
  }
}
