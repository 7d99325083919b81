import fc from 'fast-check'

/** A message as far as its order matters. */
export interface Wish {
  readonly priority: number
  readonly key: string | undefined
}

export const wish: fc.Arbitrary<Wish> = fc.record({
  priority: fc.oneof(fc.constantFrom(4, 4, 0, 9), fc.integer({ min: 0, max: 9 })),
  key: fc.constantFrom('a', 'b', 'c', undefined),
})

export interface Waiting {
  readonly seq: number
  readonly key: string | undefined
  readonly lane: number
}

/** What the order of deliveries to one recipient must be, found the slow way. */
export class LaneModel {
  #waiting: readonly Waiting[] = []

  /** The lane in which the message waits. */
  add(seq: number, { priority, key }: Wish): number {
    const older = this.#waiting.filter((one) => key !== undefined && one.key === key)
    const lane = Math.min(priority, ...older.map((one) => one.lane))
    this.#waiting = [...this.#waiting, { seq, key, lane }]
    return lane
  }

  remove(seq: number): void {
    this.#waiting = this.#waiting.filter((one) => one.seq !== seq)
  }

  /** What was removed comes back: of all lanes in which its key keeps its order, into the one nearest to its own. */
  restore({ seq, key, lane }: Waiting): void {
    const others = this.#waiting.filter((one) => key !== undefined && one.key === key)
    const fits = (lane: number) => others.every((one) => (one.seq < seq ? one.lane >= lane : one.lane <= lane))
    const lanes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter(fits)
    lanes.sort((one, other) => Math.abs(one - lane) - Math.abs(other - lane))
    this.#waiting = [...this.#waiting, { seq, key, lane: lanes[0] as number }]
  }

  /** What waits, in the order in which it is to go. */
  get order(): readonly Waiting[] {
    return [...this.#waiting].sort((one, other) => other.lane - one.lane || one.seq - other.seq)
  }
}
