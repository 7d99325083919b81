import {
  type Attempts,
  DEFAULT_PRIORITY,
  type LanePlaces,
  MAX_PRIORITY,
  type ReplayId,
  type Retry,
} from '../../../core/index.ts'

export const NO_ATTEMPTS: Attempts = Object.freeze({ sends: 0, nacks: 0, timeouts: 0, disconnects: 0 })

export interface Waiting {
  readonly lane: number
  readonly attempts: Attempts
  readonly dueAt: number
  /** The job that revived it. */
  readonly replay?: ReplayId
}

/** How the ordering key of a message is found by its place. */
export type KeyOf = (seq: number) => string | undefined

/** The deliveries that wait for one recipient. */
export class Queue {
  readonly #keyOf: KeyOf
  /** By place, ascending. */
  #waiting = new Map<number, Waiting>()
  #lastPlace = 0
  /** Every lane in which something waits, and others in which something did, the highest first. */
  #lanes: readonly number[] = []

  constructor(keyOf: KeyOf) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#waiting.size
  }

  get places(): Iterable<number> {
    return this.#waiting.keys()
  }

  get(seq: number): Waiting | undefined {
    return this.#waiting.get(seq)
  }

  /** Adds what does not wait yet, in the lane nearest to the wanted one in which its key keeps its order. */
  add(seq: number, wanted: number, replay?: ReplayId): Waiting {
    const lane = this.#laneFor(seq, wanted)
    const waiting = { lane, attempts: NO_ATTEMPTS, dueAt: 0, ...(replay !== undefined && { replay }) }
    this.#waiting.set(seq, waiting)
    if (seq < this.#lastPlace) this.#sort()
    this.#lastPlace = Math.max(this.#lastPlace, seq)
    if (!this.#lanes.includes(waiting.lane))
      this.#lanes = [...this.#lanes, waiting.lane].sort((one, other) => other - one)
    return waiting
  }

  note({ seq, attempts, dueAt }: Retry): void {
    const waiting = this.#waiting.get(seq)
    if (waiting) this.#waiting.set(seq, { ...waiting, attempts, dueAt })
  }

  /** What waited, and waits no longer. */
  remove(seq: number): Waiting | undefined {
    const waiting = this.#waiting.get(seq)
    this.#waiting.delete(seq)
    if (this.#waiting.size === 0) this.#lanes = []
    return waiting
  }

  /** What waits behind these places, in the order in which it is to go. */
  *behind(after: LanePlaces): Generator<readonly [number, Waiting]> {
    for (const lane of this.#lanes) {
      const place = after[lane] ?? 0
      for (const one of this.#waiting) if (one[0] > place && one[1].lane === lane) yield one
    }
  }

  /** Takes over what waits in another queue. Where something waited in both, their priorities are lost. */
  unite(other: Queue): void {
    const isLevel = this.size > 0 && other.size > 0
    this.#waiting = new Map([...other.#waiting, ...this.#waiting])
    this.#lanes = [...new Set([...other.#lanes, ...this.#lanes])].sort((one, other) => other - one)
    this.#lastPlace = Math.max(other.#lastPlace, this.#lastPlace)
    if (isLevel) this.#level()
    this.#sort()
  }

  #laneFor(seq: number, wanted: number): number {
    const key = this.#keyOf(seq)
    const isAlone = this.#lanes.every((lane) => lane === wanted)
    if (key === undefined || isAlone) return wanted
    let [least, greatest] = [0, MAX_PRIORITY]
    for (const [other, { lane }] of this.#waiting) {
      if (this.#keyOf(other) !== key) continue
      if (other < seq) greatest = Math.min(greatest, lane)
      else least = Math.max(least, lane)
    }
    return Math.max(least, Math.min(greatest, wanted))
  }

  #level(): void {
    for (const [seq, waiting] of this.#waiting) this.#waiting.set(seq, { ...waiting, lane: DEFAULT_PRIORITY })
    this.#lanes = [DEFAULT_PRIORITY]
  }

  #sort(): void {
    this.#waiting = new Map([...this.#waiting].sort(([one], [other]) => one - other))
  }
}
