/**
 * A map that forgets. It keeps the latest entries in two halves and drops the older half when the newer one is full:
 * between half of its capacity and all of it is remembered, and forgetting costs nothing per entry.
 */
export class Recent<Value> {
  readonly #half: number
  #newer = new Map<string, Value>()
  #older = new Map<string, Value>()

  constructor(capacity: number) {
    this.#half = Math.max(1, Math.ceil(capacity / 2))
  }

  get(key: string): Value | undefined {
    return this.#newer.get(key) ?? this.#older.get(key)
  }

  set(key: string, value: Value): void {
    if (this.#newer.size >= this.#half) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(key, value)
  }
}
