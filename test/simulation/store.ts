import {
  type Batch,
  type DeadLetterFilter,
  type DeadLetterId,
  type DeadLetterPage,
  type ExecutionClaim,
  type ExecutionEnding,
  type LanePlaces,
  type PendingLimit,
  type PurgeLimits,
  type RecipientKey,
  type RecipientRecord,
  type ReplayEnding,
  type ReplayId,
  type ReplayOrder,
  type ScheduledMessage,
  type Spaces,
  type Store,
  type StoreContext,
  slipstreamError,
} from '../../core/index.ts'
import type { Disk } from './disk.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** How the disk below a store behaves. */
export interface DiskConditions {
  /** Usual time of a sync, in milliseconds. */
  readonly syncMs: number
  /** Chance that a write fails: half of these are on disk all the same. */
  readonly writeFailure: number
  readonly readFailure: number
}

interface Job {
  readonly label: string
  /** Makes it durable. */
  apply(): Promise<() => void>
  fail(error: Error): void
}

/**
 * A store over a disk that takes its time. What is not synced when the instance crashes is lost, but for what the disk
 * had taken and had not said so. A failure says nothing about what is on disk.
 */
export class SimulatedStore implements Store {
  readonly name = 'simulated'
  readonly #world: World
  readonly #random: Random
  readonly #disk: Disk
  readonly #conditions: () => DiskConditions
  readonly #jobs: Job[] = []
  #busy = false
  #gone = false

  constructor(world: World, disk: Disk, conditions: () => DiskConditions) {
    this.#world = world
    this.#random = world.random.fork()
    this.#disk = disk
    this.#conditions = conditions
  }

  open(context: StoreContext) {
    return this.#disk.open(context)
  }

  write(batch: Batch) {
    const { entries, settlements, retries, deaths } = batch
    const label = `write ${entries.length}+${settlements.length}+${retries.length}+${deaths.length}`
    return this.#enqueue(label, () => this.#disk.write(batch))
  }

  pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit) {
    return this.#read(`of ${recipient}`, () => this.#disk.store.pending(recipient, after, limit))
  }

  recall(recipient: RecipientKey, seqs: readonly number[]) {
    return this.#read(`${seqs.length} of ${recipient}`, () => this.#disk.store.recall(recipient, seqs))
  }

  scheduled(dueBy: number, limit: PendingLimit, after?: ScheduledMessage) {
    return this.#read('what is due', () => this.#disk.store.scheduled(dueBy, limit, after))
  }

  saveRecipient(record: RecipientRecord) {
    return this.#enqueue(`save ${record.name}`, () => this.#disk.saveRecipient(record))
  }

  noteSeen(recipients: readonly RecipientKey[], at: number) {
    return this.#enqueue(`note ${recipients} seen`, () => this.#disk.store.noteSeen(recipients, at))
  }

  async renameRecipient(from: string, to: string) {
    const renamed = await this.#enqueue(`rename ${from} ${to}`, () => this.#disk.renameRecipient(from, to))
    this.#disk.united(to, renamed.key)
    return renamed
  }

  forgetRecipient(key: RecipientKey) {
    return this.#enqueue(`forget ${key}`, () => this.#disk.forgetRecipient(key))
  }

  forgetBacklog(key: RecipientKey) {
    return this.#enqueue(`forget backlog ${key}`, () => this.#disk.forgetBacklog(key))
  }

  collapse(key: RecipientKey, spaces: Spaces, limit: number) {
    return this.#enqueue(`collapse ${key}`, () => this.#disk.store.collapse(key, spaces, limit))
  }

  weigh(key: RecipientKey, after: number, limit: number) {
    return this.#enqueue(`weigh ${key}`, () => this.#disk.store.weigh(key, after, limit))
  }

  shed(limit: number) {
    return this.#enqueue(`shed ${limit}`, () => this.#disk.store.shed(limit))
  }

  deadLetters(filter: DeadLetterFilter, page: DeadLetterPage) {
    return this.#enqueue('dead letters', () => this.#disk.store.deadLetters(filter, page))
  }

  deadLetterText(id: DeadLetterId) {
    return this.#enqueue(`text of dead letter ${id}`, () => this.#disk.store.deadLetterText(id))
  }

  createReplay(order: ReplayOrder) {
    return this.#enqueue(`create replay by ${order.by}`, () => this.#disk.store.createReplay(order))
  }

  replaySelection(replay: ReplayId, limit: number) {
    return this.#enqueue(`selection of replay ${replay}`, () => this.#disk.store.replaySelection(replay, limit))
  }

  reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]) {
    return this.#enqueue(`revive ${ids.length}`, () => this.#disk.reviveDeadLetters(replay, ids))
  }

  endReplay(replay: ReplayId, ending: ReplayEnding) {
    return this.#enqueue(`end replay ${replay}`, () => this.#disk.store.endReplay(replay, ending))
  }

  replays() {
    return this.#enqueue('replays', () => this.#disk.store.replays())
  }

  replayJob(replay: ReplayId) {
    return this.#enqueue(`replay ${replay}`, () => this.#disk.store.replayJob(replay))
  }

  discardDeadLetters(ids: readonly DeadLetterId[]) {
    return this.#enqueue(`discard ${ids.length}`, () => this.#disk.store.discardDeadLetters(ids))
  }

  claimExecutions(claims: readonly ExecutionClaim[]) {
    return this.#enqueue(`claim ${claims.length}`, () => this.#disk.store.claimExecutions(claims))
  }

  finishExecution(messageId: string, ending: ExecutionEnding) {
    return this.#enqueue(`finish ${messageId}`, () => this.#disk.store.finishExecution(messageId, ending))
  }

  interruptExecutions(ending: ExecutionEnding) {
    return this.#enqueue('interrupt', () => this.#disk.store.interruptExecutions(ending))
  }

  execution(messageId: string) {
    return this.#enqueue(`execution ${messageId}`, () => this.#disk.store.execution(messageId))
  }

  forgetExecutions(finishedBefore: number, limit: number) {
    return this.#enqueue('forget executions', () => this.#disk.store.forgetExecutions(finishedBefore, limit))
  }

  purge(limits: PurgeLimits) {
    return this.#enqueue('purge', () => this.#disk.store.purge(limits))
  }

  ledger() {
    return this.#disk.store.ledger()
  }

  statistics() {
    return this.#disk.store.statistics()
  }

  async close() {
    if (this.#gone) return
    this.#gone = true
    await this.#disk.close()
  }

  /** The process is gone. Of what was under way, the disk may have taken the beginning. */
  async crash(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    const taken = this.#random.chance(0.3) ? this.#random.integer(0, this.#jobs.length) : 0
    for (const job of this.#jobs.slice(0, taken)) {
      this.#world.note(`${this.#disk.host} disk had taken ${job.label}`)
      await job.apply()
    }
    await this.#disk.close()
  }

  /** Reads what is durable, either when it is asked or when it answers. */
  #read<Result>(label: string, read: () => Promise<Result>): Promise<Result> {
    const early = this.#random.chance(0.5) ? read() : undefined
    return new Promise((resolve, reject) => {
      this.#later(this.#random.heavyTail(1), `reads ${label}`, () => {
        if (this.#random.chance(this.#conditions().readFailure)) reject(slipstreamError('SLP_STORE_FAILED', ['EIO']))
        else resolve(early ?? read())
      })
    })
  }

  #enqueue<Result>(label: string, run: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const apply = async () => {
        try {
          const result = await run()
          return () => resolve(result)
        } catch (error) {
          return () => reject(error)
        }
      }
      this.#jobs.push({ label, apply, fail: reject })
      this.#next()
    })
  }

  #next(): void {
    const job = this.#jobs[0]
    if (!job || this.#busy) return
    this.#busy = true
    this.#later(this.#random.heavyTail(this.#conditions().syncMs), `syncs ${job.label}`, () => void this.#sync(job))
  }

  async #sync(job: Job): Promise<void> {
    const fails = this.#random.chance(this.#conditions().writeFailure)
    const answer = fails && this.#random.chance(0.5) ? () => {} : await job.apply()
    this.#jobs.shift()
    this.#later(this.#random.heavyTail(0.2), fails ? `fails ${job.label}` : `has ${job.label}`, () => {
      this.#busy = false
      if (fails) job.fail(slipstreamError('SLP_STORE_FAILED', ['EIO']))
      else answer()
      this.#next()
    })
  }

  #later(milliseconds: number, label: string, run: () => void): void {
    this.#world.after(milliseconds, `${this.#disk.host} disk ${label}`, () => {
      if (!this.#gone) run()
    })
  }
}
