import { Fifo } from './fifo.ts'

/** A message that waits for its ACK, as far as its order matters. */
export interface Ordered {
  /** Its place among all that this client publishes. */
  readonly place: number
  readonly orderingKey: string | undefined
  /** It is acknowledged, refused or withdrawn. */
  readonly isSettled: boolean
}

interface Line<Item> {
  /** Whose ACK the others wait for. */
  owner: Item
  readonly waiting: Fifo<Item>
}

/** Of each ordering key one message is under way, and the others wait for it in line. */
export class KeyOrder<Item extends Ordered> {
  readonly #lines = new Map<string, Line<Item>>()

  /** Whether it may be sent. If not it waits, and `done` returns it when its turn has come. */
  admits(item: Item): boolean {
    const { orderingKey } = item
    if (orderingKey === undefined) return true
    const line = this.#lines.get(orderingKey)
    if (!line) this.#lines.set(orderingKey, { owner: item, waiting: new Fifo() })
    else if (line.owner !== item) line.waiting.push(item)
    return line === undefined || line.owner === item
  }

  /** It is no longer under way. Returns the next of its key. */
  done(item: Item): Item | undefined {
    const { orderingKey } = item
    const line = orderingKey === undefined ? undefined : this.#lines.get(orderingKey)
    if (orderingKey === undefined || line?.owner !== item) return undefined
    let next = line.waiting.shift()
    while (next?.isSettled) next = line.waiting.shift()
    if (next) line.owner = next
    else this.#lines.delete(orderingKey)
    return next
  }

  clear(): void {
    this.#lines.clear()
  }
}
