import { Arrivals } from './arrivals.ts'
import { Changes } from './changes.ts'
import type { Arrival } from './events.ts'
import type { Link } from './links.ts'
import type { Window } from './protocol/limits.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { Death, DeliveryChanges, Retry, Settlement } from './store.ts'

/** Settlements wait so long for messages to share their disk sync with, unless so many have come together. */
const SETTLE_WITHIN_MS = 5
const SETTLE_TOGETHER = 512
/** How long changes wait before they are written again, after the store could not take them, in milliseconds. */
const WRITE_AGAIN_MS = 1_000
/** Changes that are not on disk. Beyond that nobody is sent anything new, so that there is nothing new to write down. */
const MAX_UNWRITTEN = 10_000

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
  readonly #arrivals: Arrivals
  readonly #tasks: (() => Promise<void>)[] = []
  #changes = new Changes()
  /** What the store could not take. */
  #unwritten = new Changes()
  /** How many changes are not on disk, those included that are being written. */
  #behind = 0
  #scheduled = false
  #settleSoon: Timer | undefined
  #again: Timer | undefined
  #whenIdle: (() => void)[] = []
  #whenCaughtUp: () => void = () => {}

  constructor(runtime: Runtime, commit: Commit) {
    this.#runtime = runtime
    this.#commit = commit
    this.#arrivals = new Arrivals(runtime)
  }

  /** Whether so many changes are not on disk that nothing more may be delivered. */
  get isBehind(): boolean {
    return this.#behind >= MAX_UNWRITTEN
  }

  /** Calls back whenever deliveries may go on. */
  whenCaughtUp(goOn: () => void): void {
    this.#whenCaughtUp = goOn
  }

  /** Throws `BUSY` when there is no room for another message of that link. */
  assertRoom(sender: Link): void {
    this.#arrivals.assertRoom(sender)
  }

  /** What each of so many links may have under way to here. */
  shareOf(links: number): Window {
    return this.#arrivals.shareOf(links)
  }

  add(arrival: Arrival): void {
    this.#arrivals.add(arrival)
    this.#schedule()
  }

  settle(settlement: Settlement): void {
    const { settlements } = this.#changes
    settlements.push(settlement)
    this.#behind++
    if (settlements.length >= SETTLE_TOGETHER) this.#schedule()
    else this.#settleSoon ??= this.#runtime.after(SETTLE_WITHIN_MS, () => this.#settleNow())
  }

  /** Counts a failure; `committed` is called when it is on disk. */
  retry(retry: Retry, committed: () => void): void {
    this.#changes.retries.push(retry)
    this.#changes.committed.push(committed)
    this.#behind++
    this.#schedule()
  }

  /** Gives a delivery up; `committed` is called when it is a dead letter on disk. */
  bury(death: Death, committed: () => void): void {
    this.#changes.deaths.push(death)
    this.#changes.committed.push(committed)
    this.#behind++
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

  /**
   * Whether some of what became of deliveries may be on disk or not. It is written again, and must be as true then: until
   * that is done, nothing that is dead may begin to live again.
   */
  get isDoubtful(): boolean {
    return this.#unwritten.size > 0 || this.#changes.wereTried
  }

  /** Commits what waits. Resolves when nothing waits or is under way. */
  idle(): Promise<void> {
    if (this.#changes.size > 0) this.#schedule()
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
    if (await this.#write(this.#arrivals.take(), changes)) this.#written(changes)
    else this.#writeAgain(changes)
    this.#arrivals.taken()
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
    if (result === 'failed' && arrivals.length > 0 && changes.size > 0) result = await this.#commit([], changes)
    return result === 'written'
  }

  /** While a transaction ran, more may have come, and the time of what was settled meanwhile. */
  get #isMoreDue(): boolean {
    if (this.#tasks.length > 0 || !this.#arrivals.isEmpty || this.#changes.areUrgent) return true
    return this.#changes.size > 0 && (this.#whenIdle.length > 0 || !this.#settleSoon)
  }

  #written({ size, committed }: Changes): void {
    const wasBehind = this.isBehind
    this.#behind -= size
    for (const tell of committed) tell()
    if (wasBehind && !this.isBehind) this.#whenCaughtUp()
  }

  /** What became of deliveries stays true, and writing it twice changes nothing. Arrivals are their senders' to repeat. */
  #writeAgain(changes: Changes): void {
    this.#unwritten.join(changes)
    if (this.#unwritten.size === 0) return
    this.#again ??= this.#runtime.after(WRITE_AGAIN_MS, () => {
      this.#again = undefined
      this.#changes.join(this.#unwritten)
      this.#unwritten = new Changes()
      this.#schedule()
    })
  }
}
