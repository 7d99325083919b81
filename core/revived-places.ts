/**
 * Where deliveries of one recipient wait again that were dead, by their places in the store. However many are revived,
 * each costs its place only until its turn comes.
 */
export class RevivedPlaces {
  /** Ascending, each once. */
  #places: number[] = []

  get size(): number {
    return this.#places.length
  }

  /** The first ones, so many at most. */
  first(count: number): readonly number[] {
    return this.#places.slice(0, count)
  }

  /** Takes note of places, ascending. */
  add(places: readonly number[]): void {
    const [first] = places
    const last = this.#places.at(-1)
    if (first === undefined) return
    // Nearly always: a replay goes from the oldest to the newest.
    if (last === undefined || first > last) this.#places.push(...places)
    else this.#places = [...new Set([...this.#places, ...places])].sort((one, other) => one - other)
  }

  /** Forgets those that were read otherwise. Returns how many. */
  remove(read: readonly { readonly seq: number }[]): number {
    if (this.#places.length === 0) return 0
    const before = this.#places.length
    const seqs = new Set(read.map(({ seq }) => seq))
    this.#places = this.#places.filter((place) => !seqs.has(place))
    return before - this.#places.length
  }

  /** Forgets the first ones. */
  drop(count: number): void {
    this.#places = this.#places.slice(count)
  }
}
