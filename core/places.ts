/** Places of deliveries in the store, each once, ascending. Cheap where they come in that order, which they nearly always do. */
export class Places {
  readonly #places: number[] = []

  get size(): number {
    return this.#places.length
  }

  /** Whether it was not there yet. */
  add(place: number): boolean {
    const at = this.#from(place)
    if (this.#places[at] === place) return false
    this.#places.splice(at, 0, place)
    return true
  }

  /** Whether it was there. */
  remove(place: number): boolean {
    const at = this.#from(place)
    if (this.#places[at] !== place) return false
    this.#places.splice(at, 1)
    return true
  }

  /** The next place behind that one; behind the last comes the first. */
  behind(place: number): number | undefined {
    return this.#places[this.#from(place + 1)] ?? this.#places[0]
  }

  /** Takes that many, the first ones. */
  take(count: number): readonly number[] {
    return this.#places.splice(0, count)
  }

  clear(): void {
    this.#places.length = 0
  }

  /** Where the first place stands that is not before this one. */
  #from(place: number): number {
    const last = this.#places.at(-1)
    if (last === undefined || last < place) return this.#places.length
    let [low, high] = [0, this.#places.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#places[middle] as number) < place) low = middle + 1
      else high = middle
    }
    return low
  }
}
