import type { Arrival } from './events.ts'
import type { Link } from './links.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { Settlement } from './store.ts'

/** In one transaction at most: beyond that, the links would wait for the disk longer than a heartbeat likes. */
const TURN_MESSAGES = 1_024
const TURN_BYTES = 1024 * 1024
/** Waiting for their transaction at most. Whoever sends more is not read from until the queue is shorter. */
const MAX_QUEUED_MESSAGES = 4_096
const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** Settlements wait so long for messages to share their disk sync with, unless so many have come together. */
const SETTLE_WITHIN_MS = 5
const SETTLE_TOGETHER = 512

/**
 * Natural group commit: what comes in while a transaction runs is the next one. When nothing else is going on, a group is
 * one message and waits for nobody; under load, hundreds share one disk sync. Only settlements may wait a moment: one that
 * a crash forgets costs no more than a repetition.
 */
export class GroupCommit {
  readonly #runtime: Runtime
  readonly #commit: (arrivals: readonly Arrival[], settlements: readonly Settlement[]) => Promise<void>
  readonly #paused = new Set<Link>()
  readonly #tasks: (() => Promise<void>)[] = []
  #arrivals: Arrival[] = []
  #settlements: Settlement[] = []
  #bytes = 0
  #scheduled = false
  #settleSoon: Timer | undefined
  #whenIdle: (() => void)[] = []

  /** `commit` takes a group all the way; it must not reject. */
  constructor(
    runtime: Runtime,
    commit: (arrivals: readonly Arrival[], settlements: readonly Settlement[]) => Promise<void>,
  ) {
    this.#runtime = runtime
    this.#commit = commit
  }

  add(arrival: Arrival): void {
    this.#arrivals.push(arrival)
    this.#bytes += arrival.received.bytes
    if (this.#arrivals.length >= MAX_QUEUED_MESSAGES || this.#bytes >= MAX_QUEUED_BYTES) {
      this.#pause(arrival.received.sender)
    }
    this.#schedule()
  }

  settle(settlement: Settlement): void {
    this.#settlements.push(settlement)
    if (this.#settlements.length >= SETTLE_TOGETHER) this.#schedule()
    else this.#settleSoon ??= this.#runtime.after(SETTLE_WITHIN_MS, () => this.#settleNow())
  }

  /**
   * Runs something that changes whom deliveries are for, while no group is under way: what a group was stored for and whom
   * it is forwarded to must be the same.
   */
  between<Result>(task: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(() => task().then(resolve, reject))
      this.#schedule()
    })
  }

  /** Commits what waits. Resolves when nothing waits or is under way. */
  idle(): Promise<void> {
    if (this.#settlements.length > 0) this.#schedule()
    if (!this.#scheduled) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  #settleNow(): void {
    this.#settleSoon = undefined
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#runtime.defer(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    for (const task of this.#tasks.splice(0)) await task()
    const settlements = this.#settlements
    this.#settlements = []
    this.#settleSoon?.cancel()
    this.#settleSoon = undefined
    await this.#commit(this.#takeArrivals(), settlements)
    this.#resume()
    this.#scheduled = false
    // While a transaction ran, the time of what was settled meanwhile may have come.
    const isDue = this.#settlements.length > 0 && (this.#whenIdle.length > 0 || !this.#settleSoon)
    if (this.#tasks.length > 0 || this.#arrivals.length > 0 || isDue) return this.#schedule()
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  #takeArrivals(): readonly Arrival[] {
    let count = 0
    let bytes = 0
    while (count < this.#arrivals.length && count < TURN_MESSAGES && bytes < TURN_BYTES) {
      bytes += (this.#arrivals[count++] as Arrival).received.bytes
    }
    this.#bytes -= bytes
    return this.#arrivals.splice(0, count)
  }

  #pause(link: Link): void {
    if (this.#paused.has(link)) return
    this.#paused.add(link)
    link.connection.pause()
  }

  #resume(): void {
    if (this.#arrivals.length >= MAX_QUEUED_MESSAGES / 2 || this.#bytes >= MAX_QUEUED_BYTES / 2) return
    for (const link of this.#paused) link.connection.resume()
    this.#paused.clear()
  }
}
