import type { Death, DeliveryChanges, Retry, Settlement } from './store.ts'

/** What became of deliveries since the last group, and whom to tell when it is on disk. */
export class Changes implements DeliveryChanges {
  readonly settlements: Settlement[] = []
  readonly retries: Retry[] = []
  readonly deaths: Death[] = []
  readonly committed: (() => void)[] = []
  /** Whether the store was given some of them before, and could not say what came of it. */
  wereTried = false

  get size(): number {
    return this.settlements.length + this.retries.length + this.deaths.length
  }

  /** Whether anybody waits for them. */
  get areUrgent(): boolean {
    return this.retries.length > 0 || this.deaths.length > 0
  }

  /** Takes over what is to be written again. */
  join({ settlements, retries, deaths, committed, size }: Changes): void {
    if (size > 0) this.wereTried = true
    for (const one of settlements) this.settlements.push(one)
    for (const one of retries) this.retries.push(one)
    for (const one of deaths) this.deaths.push(one)
    for (const one of committed) this.committed.push(one)
  }
}
