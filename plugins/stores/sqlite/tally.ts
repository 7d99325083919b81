import type { RecipientKey } from '../../../core/index.ts'

/** What is counted of a recipient (§6 of the protocol): the first is the sum of the others. */
export interface Sums {
  targeted: number
  acked: number
  pending: number
  dead: number
  collapsed: number
  forgotten: number
}

/** What can become of a delivery that waits. */
export type Outcome = 'acked' | 'dead' | 'collapsed' | 'forgotten'

export const NO_SUMS: Readonly<Sums> = Object.freeze({
  targeted: 0,
  acked: 0,
  pending: 0,
  dead: 0,
  collapsed: 0,
  forgotten: 0,
})

/** What one transaction changes about the counts. Each step keeps `targeted` equal to the sum of the others. */
export class Tally {
  messages = 0
  deadLetters = 0
  /** Deliveries that are given up because their message was altered on disk. */
  altered = 0
  scheduled = 0
  readonly #changes = new Map<RecipientKey, Sums>()

  /** The changes, by recipient. */
  get changes(): ReadonlyMap<RecipientKey, Readonly<Sums>> {
    return this.#changes
  }

  /** A delivery came into being. */
  target(recipient: RecipientKey): void {
    const sums = this.#of(recipient)
    sums.targeted++
    sums.pending++
  }

  /** So many deliveries wait no longer. A negative number: they wait again. */
  leave(recipient: RecipientKey, outcome: Outcome, count: number): void {
    const sums = this.#of(recipient)
    sums.pending -= count
    sums[outcome] += count
  }

  /** All that was counted under one key counts under another one from now on. */
  move(from: RecipientKey, to: RecipientKey, counted: Readonly<Sums>): void {
    const [source, target] = [this.#of(from), this.#of(to)]
    for (const name of Object.keys(NO_SUMS) as (keyof Sums)[]) {
      source[name] -= counted[name]
      target[name] += counted[name]
    }
  }

  #of(recipient: RecipientKey): Sums {
    const known = this.#changes.get(recipient)
    if (known) return known
    const sums = { ...NO_SUMS }
    this.#changes.set(recipient, sums)
    return sums
  }
}
