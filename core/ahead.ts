import type { PendingDelivery } from './store.ts'

/** Deliveries that may wait for their stamps to come due. Each costs its place and its time only. */
const MAX_AHEAD = 100_000

interface Waiting {
  readonly seq: number
  /** When to look at it again, in milliseconds since the epoch. */
  readonly at: number
}

/**
 * Deliveries to this instance whose stamps lie ahead of time: known by their places in the store until they are due, or
 * until they expire. They hold up nobody.
 */
export class Ahead {
  /** The next one first. */
  readonly #waiting: Waiting[] = []

  get size(): number {
    return this.#waiting.length
  }

  get isFull(): boolean {
    return this.#waiting.length >= MAX_AHEAD
  }

  /** When the next one is to be looked at, in milliseconds since the epoch. */
  get nextAt(): number | undefined {
    return this.#waiting[0]?.at
  }

  add({ seq, message }: PendingDelivery, dueAt: number): void {
    const at = Math.min(dueAt, message.expiresAt ?? dueAt)
    this.#waiting.splice(this.#placeOf(at), 0, { seq, at })
  }

  /** Takes the places of those whose time has come, `limit` at most. */
  takeDue(now: number, limit: number): readonly number[] {
    const count = Math.min(this.#placeOf(now), limit)
    return this.#waiting.splice(0, count).map(({ seq }) => seq)
  }

  /** Behind all of that time. */
  #placeOf(at: number): number {
    let [low, high] = [0, this.#waiting.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#waiting[middle] as Waiting).at <= at) low = middle + 1
      else high = middle
    }
    return low
  }
}
