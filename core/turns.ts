import { MAX_PRIORITY } from './protocol/fields.ts'
import type { PendingDelivery } from './store.ts'

/** Greater than any place in a store. */
const BEYOND = 2 ** 49

/** The place of a delivery in the store, by its lane first: what goes first has the smaller one. */
export function turnOf({ lane, seq }: PendingDelivery): number {
  return (MAX_PRIORITY - lane) * BEYOND + seq
}

export function placeOf(turn: number): number {
  return turn % BEYOND
}

/** Turns of deliveries, each once, ascending. Cheap where they come in that order, which they nearly always do. */
export class Turns {
  readonly #turns: number[] = []

  get size(): number {
    return this.#turns.length
  }

  /** Whether it was not there yet. */
  add(turn: number): boolean {
    const at = this.#from(turn)
    if (this.#turns[at] === turn) return false
    this.#turns.splice(at, 0, turn)
    return true
  }

  /** Whether it was there. */
  remove(turn: number): boolean {
    const at = this.#from(turn)
    if (this.#turns[at] !== turn) return false
    this.#turns.splice(at, 1)
    return true
  }

  /** The next one behind that; behind the last comes the first. */
  behind(turn: number): number | undefined {
    return this.#turns[this.#from(turn + 1)] ?? this.#turns[0]
  }

  /** Takes that many, the first ones. */
  take(count: number): readonly number[] {
    return this.#turns.splice(0, count)
  }

  clear(): void {
    this.#turns.length = 0
  }

  /** Where the first one stands that is not before this. */
  #from(turn: number): number {
    const last = this.#turns.at(-1)
    if (last === undefined || last < turn) return this.#turns.length
    let [low, high] = [0, this.#turns.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#turns[middle] as number) < turn) low = middle + 1
      else high = middle
    }
    return low
  }
}
