import type { Backlog } from './backlog.ts'
import { KeyOrder } from './key-order.ts'
import type { PendingDelivery } from './store.ts'

export interface StrictKeysContext {
  /** Whether at most one delivery of this message's ordering key may be under way. */
  isStrict(delivery: PendingDelivery): boolean
  /** Something was read that may go. */
  pump(): void
  /** The store could not be read: try `again` later. */
  unreadable(error: unknown, again: () => void): void
}

/** The keys of one recipient that are busy, over its backlog: what waits behind a key is read again when its turn comes. */
export class StrictKeys {
  readonly #backlog: Backlog
  readonly #context: StrictKeysContext
  readonly #order = new KeyOrder()

  constructor(backlog: Backlog, context: StrictKeysContext) {
    this.#backlog = backlog
    this.#context = context
  }

  /** Whether the delivery may go as far as its key is concerned. If not, it waits for that key. */
  admits(delivery: PendingDelivery): boolean {
    const { orderingKey } = delivery.message
    if (orderingKey === undefined || !this.#context.isStrict(delivery)) return true
    return this.#order.admit(orderingKey, delivery)
  }

  /** Whether the delivery would have to wait for another one. Unlike `admits`, this changes nothing. */
  isBusyFor({ seq, message }: PendingDelivery): boolean {
    return message.orderingKey !== undefined && this.#order.isBusyFor(message.orderingKey, seq)
  }

  /** Whether the delivery would have to wait, and too many do so already. */
  isOneTooMany(delivery: PendingDelivery): boolean {
    const { orderingKey } = delivery.message
    return orderingKey !== undefined && this.#order.isFullFor(orderingKey, delivery)
  }

  /** The delivery is no longer pending: what waits behind it for its key may go. */
  done({ seq, message }: PendingDelivery): void {
    if (message.orderingKey !== undefined) this.#release(message.orderingKey, seq)
  }

  /** A delivery that could not be read anew is no longer pending. */
  gone(seq: number): void {
    const key = this.#order.keyHeldBy(seq)
    if (key !== undefined) this.#release(key, seq)
  }

  clear(): void {
    this.#order.clear()
  }

  #release(key: string, seq: number): void {
    const next = this.#order.release(key, seq)
    if (next !== undefined) void this.#recall(key, next)
  }

  /** Reads the delivery that is next for its key, and goes on with it. */
  async #recall(key: string, seq: number): Promise<void> {
    try {
      const [delivery] = await this.#backlog.recall([seq])
      if (!this.#order.isHeldBy(key, seq)) return
      if (delivery) {
        this.#backlog.giveBack([delivery])
      } else {
        this.#backlog.settled()
        this.#release(key, seq)
      }
      this.#context.pump()
    } catch (error) {
      this.#context.unreadable(error, () => void this.#recall(key, seq))
    }
  }
}
