import { type Client, connect, type Message } from 'slipstream/client'
import type { SlipstreamDeduplicator } from 'slipstream/dedup'
import { Ledger } from './ledger.ts'

/**
 * The application in America: ships what was ordered, each order once, and says so. What it says bears ids that follow from the
 * order, so that saying it again is saying it once.
 */
export class Warehouse {
  readonly shipped = new Ledger()
  /** How often a message came that had been handled before. */
  repetitions = 0
  readonly #client: Client
  readonly #dedup: SlipstreamDeduplicator

  constructor(url: string, dedup: SlipstreamDeduplicator) {
    this.#dedup = dedup
    this.#client = connect(url, { name: 'warehouse', tags: ['america'] })
    this.#client.subscribe({ types: ['order.placed'] }, (message) => this.#receive(message))
  }

  async close(): Promise<void> {
    await this.#client.drain()
    await this.#dedup.close()
  }

  async #receive(message: Message<'order.placed'>): Promise<void> {
    const outcome = await this.#dedup.once(message, () => this.#ship(message.body.orderId))
    if (outcome === 'duplicate') this.repetitions++
    if (outcome === 'busy') throw new Error('the message is being handled')
  }

  async #ship(orderId: string): Promise<void> {
    const parcel = `parcel-${orderId}`
    const client = this.#client
    await Promise.all([
      client.publish('order.shipped', { orderId, parcel }, { messageId: `shipped-${orderId}`, tags: ['europe'] }),
      client.set(`order:${orderId}`, { shippedAs: parcel }, { messageId: `state-${orderId}` }),
    ])
    this.shipped.note(orderId)
  }
}
