import type { PendingDelivery } from './store.ts'

/** What all lanes of a backlog hold together. */
export interface Held {
  messages: number
  /** Length of their texts. */
  characters: number
}

/** What waits for one recipient in one lane, oldest first: its next deliveries in memory, all others in the store. */
export class PriorityLane {
  readonly #held: Held
  #ready: PendingDelivery[] = []
  /** Place of the next delivery in `#ready`: cheaper than shifting an array. */
  #next = 0
  /** The greatest place in the store that was held so far. */
  #last = 0
  #lastTaken = 0
  #behind: boolean
  /** Whether something came while the store was read. */
  #missed = false

  constructor(held: Held, behind: boolean) {
    this.#held = held
    this.#behind = behind
  }

  /** How many deliveries are held. */
  get size(): number {
    return this.#ready.length - this.#next
  }

  /** The place in the store up to which deliveries are held, or were. */
  get last(): number {
    return this.#last
  }

  /** Whether the store holds deliveries behind `last`, as far as is known. */
  get behind(): boolean {
    return this.#behind
  }

  /** Whether it must be gone through before a lower lane. */
  get waits(): boolean {
    return this.#behind || this.size > 0
  }

  /** Whether all deliveries up to that place have been taken. */
  isPast(seq: number): boolean {
    const next = this.#ready[this.#next]
    return !(next && next.seq <= seq) && (!this.#behind || this.#last >= seq)
  }

  /** Whether a delivery of that ordering key may not have been taken yet. */
  mayHold(key: string): boolean {
    return this.#behind || this.#ready.some(({ message }, place) => place >= this.#next && message.orderingKey === key)
  }

  /** Holds a delivery that is behind all that were held so far. */
  append(delivery: PendingDelivery): void {
    this.#hold(delivery)
    this.#last = delivery.seq
  }

  take(): PendingDelivery | undefined {
    const delivery = this.#ready[this.#next]
    if (!delivery) return undefined
    this.#count(delivery, -1)
    if (delivery.seq > this.#lastTaken) this.#lastTaken = delivery.seq
    if (++this.#next === this.#ready.length) {
      this.#ready = []
      this.#next = 0
    }
    return delivery
  }

  /** Holds deliveries again, in their old order. */
  putBack(deliveries: readonly PendingDelivery[]): void {
    this.#ready = this.#ready.slice(this.#next)
    this.#next = 0
    for (const delivery of deliveries) this.#hold(delivery)
    this.#ready.sort((one, other) => one.seq - other.seq)
  }

  /** Holds no longer what can be read anew: what was never taken. Returns how many deliveries that were. */
  release(): number {
    const held = this.#ready.slice(this.#next)
    const released = held.filter(({ seq }) => seq > this.#lastTaken)
    if (released.length === 0) return 0
    for (const delivery of released) this.#count(delivery, -1)
    this.#ready = held.filter(({ seq }) => seq <= this.#lastTaken)
    this.#next = 0
    this.#last = this.#lastTaken
    this.#behind = true
    return released.length
  }

  /** The store holds, or may hold, something that is not held here. */
  miss(): void {
    this.#behind = true
    this.#missed = true
  }

  /** The store is read from now on. */
  reading(): void {
    this.#missed = false
  }

  /** The store has been read: to the end of this lane, or not. */
  read(toTheEnd: boolean): void {
    this.#behind = !toTheEnd || this.#missed
  }

  #hold(delivery: PendingDelivery): void {
    this.#ready.push(delivery)
    this.#count(delivery, 1)
  }

  #count({ message }: PendingDelivery, sign: 1 | -1): void {
    this.#held.messages += sign
    this.#held.characters += sign * message.text.length
  }
}
