import type { Death, DeliveryChanges, Retry, Settlement } from './store.ts'

/** What became of deliveries since the last group, and whom to tell when it is on disk. */
export class Changes implements DeliveryChanges {
  readonly settlements: Settlement[] = []
  readonly retries: Retry[] = []
  readonly deaths: Death[] = []
  readonly committed: (() => void)[] = []

  get size(): number {
    return this.settlements.length + this.retries.length + this.deaths.length
  }

  /** Whether anybody waits for them. */
  get areUrgent(): boolean {
    return this.retries.length > 0 || this.deaths.length > 0
  }

  join({ settlements, retries, deaths, committed }: Changes): void {
    for (const one of settlements) this.settlements.push(one)
    for (const one of retries) this.retries.push(one)
    for (const one of deaths) this.deaths.push(one)
    for (const one of committed) this.committed.push(one)
  }
}
