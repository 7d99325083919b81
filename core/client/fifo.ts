/** A queue that is taken from at its front without moving the rest. */
export class Fifo<Item> {
  #items: Item[]
  #head = 0

  constructor(items: Iterable<Item> = []) {
    this.#items = [...items]
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    // Taken items are let go of in large pieces.
    if (++this.#head > 1_024 && this.#head * 2 > this.#items.length) this.#rest()
    return item
  }

  /** Puts items in front of all others, in their order. */
  putFirst(items: readonly Item[]): void {
    if (items.length > 0) this.#items = [...items, ...this.#items.slice(this.#head)]
    if (items.length > 0) this.#head = 0
  }

  /** Takes out everything. */
  clear(): Item[] {
    const items = this.#items.slice(this.#head)
    this.#items = []
    this.#head = 0
    return items
  }

  #rest(): void {
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
