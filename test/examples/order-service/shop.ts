import { setTimeout as pause } from 'node:timers/promises'
import { type Client, connect, type Message } from 'slipstream/client'
import type { SlipstreamDeduplicator } from 'slipstream/dedup'
import { Ledger } from './ledger.ts'

/** Customers who order at once, and how long each of them thinks before the next order. */
const CUSTOMERS = 8
const THINKING_MS = 20

/**
 * The application in Europe: places orders, and takes note of what was shipped. It stands before two instances of one cluster
 * group. It publishes through one of them, and through the other when that one is gone; it hears from both.
 */
export class Shop {
  /** Orders that an instance has on disk: from now on they must not be lost. */
  readonly placed = new Ledger()
  readonly shipped = new Ledger()
  readonly #checkout: Client
  readonly #desks: readonly Client[]
  readonly #dedup: SlipstreamDeduplicator
  /** How often a message came that had been handled before. */
  repetitions = 0

  constructor(urls: readonly string[], dedup: SlipstreamDeduplicator) {
    this.#dedup = dedup
    // It has a name, so that its own messages never come back, and nothing is kept for it.
    this.#checkout = connect(urls, { name: 'checkout', durable: false })
    this.#desks = urls.map((url) => connect(url, { name: 'shop', tags: ['europe'] }))
    for (const desk of this.#desks) desk.subscribe({ types: ['order.shipped'] }, (message) => this.#receive(message))
  }

  /** Places these orders. Resolves when an instance has each of them on disk. */
  async place(orderIds: readonly string[]): Promise<void> {
    const waiting = [...orderIds]
    const order = async () => {
      for (let orderId = waiting.shift(); orderId !== undefined; orderId = waiting.shift()) {
        await this.#place(orderId)
        await pause(THINKING_MS)
      }
    }
    await Promise.all(Array.from({ length: CUSTOMERS }, order))
  }

  /** What the state says of an order: the same in both regions. */
  async statusOf(orderId: string): Promise<unknown> {
    const [desk] = this.#desks
    return (await desk?.get(`order:${orderId}`, { consistency: 'local' }))?.value
  }

  async close(): Promise<void> {
    await Promise.all([this.#checkout, ...this.#desks].map((client) => client.drain()))
    await this.#dedup.close()
  }

  /** The id of the message is that of the order: however often it is published, and through whom, it is one order. */
  async #place(orderId: string): Promise<void> {
    const order = { orderId, item: 'umbrella', quantity: 1 }
    await this.#checkout.publish('order.placed', order, { messageId: `placed-${orderId}`, tags: ['america'] })
    this.placed.note(orderId)
  }

  async #receive(message: Message<'order.shipped'>): Promise<void> {
    const outcome = await this.#dedup.once(message, () => this.shipped.note(message.body.orderId))
    if (outcome === 'duplicate') this.repetitions++
    // The other desk is at it. What is refused comes again.
    if (outcome === 'busy') throw new Error('the message is being handled')
  }
}
