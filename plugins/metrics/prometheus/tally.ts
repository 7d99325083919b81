import type { Sample } from './series.ts'

const OTHER = 'other'

/** Counts by the values of one label, a closed set that is known on first use. Any other value counts as `other`. */
export class Tally {
  readonly #values: () => readonly string[]
  #counts: Map<string, number> | undefined

  constructor(values: () => readonly string[]) {
    this.#values = values
  }

  add(value: string, amount = 1): void {
    const counts = this.#all()
    const key = counts.has(value) ? value : OTHER
    counts.set(key, (counts.get(key) ?? 0) + amount)
  }

  /** One sample for each value, with these labels beside. */
  samples(label: string, labels: Readonly<Record<string, string>> = {}): readonly Sample[] {
    return [...this.#all()].map(([value, count]) => ({ labels: { [label]: value, ...labels }, value: count }))
  }

  #all(): Map<string, number> {
    this.#counts ??= new Map([...this.#values(), OTHER].map((value) => [value, 0]))
    return this.#counts
  }
}
