import type {
  Batch,
  DeadLetterFilter,
  DeadLetterId,
  DeadLetterPage,
  ExecutionClaim,
  ExecutionEnding,
  LanePlaces,
  PendingLimit,
  PurgeLimits,
  RecipientKey,
  RecipientRecord,
  ReplayEnding,
  ReplayId,
  ReplayOrder,
  ScheduledMessage,
  Spaces,
  Store,
  StoreContext,
} from '../../core/index.ts'
import { Device, type DiskConditions } from './device.ts'
import type { Disk } from './disk.ts'
import type { World } from './world.ts'

/** The store of one life of an instance, over a disk that outlives it. */
export class SimulatedStore implements Store {
  readonly name = 'simulated'
  readonly #disk: Disk
  readonly #device: Device

  constructor(world: World, disk: Disk, conditions: () => DiskConditions) {
    this.#disk = disk
    this.#device = new Device(world, `${disk.host} disk`, conditions)
  }

  open(context: StoreContext) {
    return this.#disk.open(context)
  }

  write(batch: Batch) {
    const { entries, settlements, retries, deaths } = batch
    const label = `write ${entries.length}+${settlements.length}+${retries.length}+${deaths.length}`
    return this.#device.write(label, () => this.#disk.write(batch))
  }

  pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit) {
    return this.#device.read(`of ${recipient}`, () => this.#disk.store.pending(recipient, after, limit))
  }

  recall(recipient: RecipientKey, seqs: readonly number[]) {
    return this.#device.read(`${seqs.length} of ${recipient}`, () => this.#disk.store.recall(recipient, seqs))
  }

  scheduled(dueBy: number, limit: PendingLimit, after?: ScheduledMessage) {
    return this.#device.read('what is due', () => this.#disk.store.scheduled(dueBy, limit, after))
  }

  saveRecipient(record: RecipientRecord) {
    return this.#device.write(`save ${record.name}`, () => this.#disk.saveRecipient(record))
  }

  noteSeen(recipients: readonly RecipientKey[], at: number) {
    return this.#device.write(`note ${recipients} seen`, () => this.#disk.store.noteSeen(recipients, at))
  }

  async renameRecipient(from: string, to: string) {
    const renamed = await this.#device.write(`rename ${from} ${to}`, () => this.#disk.renameRecipient(from, to))
    this.#disk.united(to, renamed.key)
    return renamed
  }

  forgetRecipient(key: RecipientKey) {
    return this.#device.write(`forget ${key}`, () => this.#disk.forgetRecipient(key))
  }

  forgetBacklog(key: RecipientKey) {
    return this.#device.write(`forget backlog ${key}`, () => this.#disk.forgetBacklog(key))
  }

  collapse(key: RecipientKey, spaces: Spaces, limit: number) {
    return this.#device.write(`collapse ${key}`, () => this.#disk.store.collapse(key, spaces, limit))
  }

  weigh(key: RecipientKey, after: number, limit: number) {
    return this.#device.write(`weigh ${key}`, () => this.#disk.store.weigh(key, after, limit))
  }

  shed(limit: number) {
    return this.#device.write(`shed ${limit}`, () => this.#disk.store.shed(limit))
  }

  deadLetters(filter: DeadLetterFilter, page: DeadLetterPage) {
    return this.#device.write('dead letters', () => this.#disk.store.deadLetters(filter, page))
  }

  deadLetterText(id: DeadLetterId) {
    return this.#device.write(`text of dead letter ${id}`, () => this.#disk.store.deadLetterText(id))
  }

  createReplay(order: ReplayOrder) {
    return this.#device.write(`create replay by ${order.by}`, () => this.#disk.store.createReplay(order))
  }

  replaySelection(replay: ReplayId, limit: number) {
    return this.#device.write(`selection of replay ${replay}`, () => this.#disk.store.replaySelection(replay, limit))
  }

  reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]) {
    return this.#device.write(`revive ${ids.length}`, () => this.#disk.reviveDeadLetters(replay, ids))
  }

  endReplay(replay: ReplayId, ending: ReplayEnding) {
    return this.#device.write(`end replay ${replay}`, () => this.#disk.store.endReplay(replay, ending))
  }

  replays() {
    return this.#device.write('replays', () => this.#disk.store.replays())
  }

  replayJob(replay: ReplayId) {
    return this.#device.write(`replay ${replay}`, () => this.#disk.store.replayJob(replay))
  }

  discardDeadLetters(ids: readonly DeadLetterId[]) {
    return this.#device.write(`discard ${ids.length}`, () => this.#disk.store.discardDeadLetters(ids))
  }

  claimExecutions(claims: readonly ExecutionClaim[]) {
    return this.#device.write(`claim ${claims.length}`, () => this.#disk.store.claimExecutions(claims))
  }

  finishExecution(messageId: string, ending: ExecutionEnding) {
    return this.#device.write(`finish ${messageId}`, () => this.#disk.store.finishExecution(messageId, ending))
  }

  interruptExecutions(ending: ExecutionEnding) {
    return this.#device.write('interrupt', () => this.#disk.store.interruptExecutions(ending))
  }

  execution(messageId: string) {
    return this.#device.write(`execution ${messageId}`, () => this.#disk.store.execution(messageId))
  }

  forgetExecutions(finishedBefore: number, limit: number) {
    return this.#device.write('forget executions', () => this.#disk.store.forgetExecutions(finishedBefore, limit))
  }

  purge(limits: PurgeLimits) {
    return this.#device.write('purge', () => this.#disk.store.purge(limits))
  }

  ledger() {
    return this.#disk.store.ledger()
  }

  statistics() {
    return this.#disk.store.statistics()
  }

  async close() {
    if (this.#device.gone) return
    this.#device.close()
    await this.#disk.close()
  }

  async crash(): Promise<void> {
    if (this.#device.gone) return
    await this.#device.crash()
    await this.#disk.close()
  }
}
