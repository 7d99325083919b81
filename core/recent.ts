/** Entries past their time that go with each new one: more go than come, and none waits long. */
const EXPIRED_AT_ONCE = 2

/** For those who forget by number alone. */
const NO_TIME = () => 0

/**
 * A map that forgets: beyond its capacity the oldest entry goes, and one that was given a life is gone after it. What is set
 * again is the newest.
 */
export class Recent<Value> {
  readonly #capacity: number
  readonly #now: () => number
  readonly #entries = new Map<string, { readonly value: Value; readonly until: number }>()
  /** One for all time: a new one would walk over every place that became empty since the map last grew. */
  readonly #order = this.#entries.keys()
  /** The oldest key, if it was looked at. */
  #oldest: string | undefined

  /**
   * @param capacity entries at most
   * @param now a clock, in the unit in which lives are given
   */
  constructor(capacity: number, now: () => number = NO_TIME) {
    this.#capacity = Math.max(1, capacity)
    this.#now = now
  }

  /** Entries that it holds. A few of them may be past their time. */
  get size(): number {
    return this.#entries.size
  }

  /** What was set before everything else that is still held, past its time or not. */
  get oldest(): Value | undefined {
    const key = this.#oldestKey()
    return key === undefined ? undefined : this.#entries.get(key)?.value
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    return entry && this.#now() < entry.until ? entry.value : undefined
  }

  /** @param life how long it is remembered at most */
  set(key: string, value: Value, life = Number.POSITIVE_INFINITY): void {
    this.delete(key)
    for (let count = 0; count < EXPIRED_AT_ONCE && this.#isOldestExpired(); count++) this.dropOldest()
    if (this.#entries.size >= this.#capacity) this.dropOldest()
    this.#entries.set(key, { value, until: this.#now() + life })
  }

  delete(key: string): void {
    if (key === this.#oldest) this.#oldest = undefined
    this.#entries.delete(key)
  }

  /** Returns whether there was one. */
  dropOldest(): boolean {
    const key = this.#oldestKey()
    if (key !== undefined) this.delete(key)
    return key !== undefined
  }

  #isOldestExpired(): boolean {
    const key = this.#oldestKey()
    return key !== undefined && this.get(key) === undefined
  }

  #oldestKey(): string | undefined {
    // An empty map would end the iterator, and for ever.
    if (this.#entries.size > 0) this.#oldest ??= this.#order.next().value
    return this.#oldest
  }
}
