import type { Arrival } from './events.ts'
import type { Link } from './links.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { Death, DeliveryChanges, Retry, Settlement } from './store.ts'

/** In one transaction at most: beyond that, the links would wait for the disk longer than a heartbeat likes. */
const TURN_MESSAGES = 1_024
const TURN_BYTES = 1024 * 1024
/** Waiting for their transaction at most. Whoever sends more is not read from until the queue is shorter. */
const MAX_QUEUED_MESSAGES = 4_096
const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** Settlements wait so long for messages to share their disk sync with, unless so many have come together. */
const SETTLE_WITHIN_MS = 5
const SETTLE_TOGETHER = 512
/** How long changes wait before they are written again, after the store could not take them, in milliseconds. */
const WRITE_AGAIN_MS = 1_000

/**
 * What became of a group: it is on disk; or the store failed in a way that may pass, such as a full disk; or in another way.
 * Of the latter two it is not known whether the group is on disk.
 */
export type CommitResult = 'written' | 'failed' | 'broken'

/** Takes a group all the way. Never rejects. */
export type Commit = (arrivals: readonly Arrival[], changes: DeliveryChanges) => Promise<CommitResult>

/**
 * Natural group commit: what comes in while a transaction runs is the next one. When nothing else is going on, a group is
 * one message and waits for nobody; under load, hundreds share one disk sync. Only settlements may wait a moment: one that
 * a crash forgets costs no more than a repetition.
 */
export class GroupCommit {
  readonly #runtime: Runtime
  readonly #commit: Commit
  readonly #paused = new Set<Link>()
  readonly #tasks: (() => Promise<void>)[] = []
  #arrivals: Arrival[] = []
  #changes = new Changes()
  #bytes = 0
  #scheduled = false
  #settleSoon: Timer | undefined
  #again: Timer | undefined
  #unwritten = new Changes()
  #whenIdle: (() => void)[] = []

  constructor(runtime: Runtime, commit: Commit) {
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
    const { settlements } = this.#changes
    settlements.push(settlement)
    if (settlements.length >= SETTLE_TOGETHER) this.#schedule()
    else this.#settleSoon ??= this.#runtime.after(SETTLE_WITHIN_MS, () => this.#settleNow())
  }

  /** Counts a failure; `committed` is called when it is on disk. */
  retry(retry: Retry, committed: () => void): void {
    this.#changes.retries.push(retry)
    this.#changes.committed.push(committed)
    this.#schedule()
  }

  /** Gives a delivery up; `committed` is called when it is a dead letter on disk. */
  bury(death: Death, committed: () => void): void {
    this.#changes.deaths.push(death)
    this.#changes.committed.push(committed)
    this.#schedule()
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
    if (!this.#changes.isEmpty) this.#schedule()
    if (!this.#scheduled) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** Forgets what could not be written: it is found pending again after the next start. */
  close(): void {
    this.#again?.cancel()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#runtime.defer(() => void this.#turn())
  }

  #settleNow(): void {
    this.#settleSoon = undefined
    this.#schedule()
  }

  async #turn(): Promise<void> {
    for (const task of this.#tasks.splice(0)) await task()
    const changes = this.#changes
    this.#changes = new Changes()
    this.#settleSoon?.cancel()
    this.#settleSoon = undefined
    if (await this.#write(this.#takeArrivals(), changes)) for (const committed of changes.committed) committed()
    else this.#writeAgain(changes)
    this.#resume()
    this.#scheduled = false
    if (this.#isMoreDue) return this.#schedule()
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /**
   * Resolves to whether the changes are on disk. Where the disk is too full for messages, what became of deliveries is tried
   * once more by itself: it may need no room, and it gives room back.
   */
  async #write(arrivals: readonly Arrival[], changes: Changes): Promise<boolean> {
    let result = await this.#commit(arrivals, changes)
    if (result === 'failed' && arrivals.length > 0 && !changes.isEmpty) result = await this.#commit([], changes)
    return result === 'written'
  }

  /** While a transaction ran, more may have come, and the time of what was settled meanwhile. */
  get #isMoreDue(): boolean {
    if (this.#tasks.length > 0 || this.#arrivals.length > 0 || this.#changes.areUrgent) return true
    return !this.#changes.isEmpty && (this.#whenIdle.length > 0 || !this.#settleSoon)
  }

  /** What became of deliveries stays true, and writing it twice changes nothing. Arrivals are their senders' to repeat. */
  #writeAgain(changes: Changes): void {
    this.#unwritten.join(changes)
    if (this.#unwritten.isEmpty) return
    this.#again ??= this.#runtime.after(WRITE_AGAIN_MS, () => {
      this.#again = undefined
      this.#changes.join(this.#unwritten)
      this.#unwritten = new Changes()
      this.#schedule()
    })
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

/** What became of deliveries since the last group, and whom to tell when it is on disk. */
class Changes implements DeliveryChanges {
  readonly settlements: Settlement[] = []
  readonly retries: Retry[] = []
  readonly deaths: Death[] = []
  readonly committed: (() => void)[] = []

  get isEmpty(): boolean {
    return this.settlements.length === 0 && this.retries.length === 0 && this.deaths.length === 0
  }

  /** Whether anybody waits for them. */
  get areUrgent(): boolean {
    return this.retries.length > 0 || this.deaths.length > 0
  }

  join({ settlements, retries, deaths, committed }: Changes): void {
    this.settlements.push(...settlements)
    this.retries.push(...retries)
    this.deaths.push(...deaths)
    this.committed.push(...committed)
  }
}
