import {
  type Batch,
  type Collapsed,
  type DeadLetterFilter,
  type DeadLetterId,
  type DeadLetterList,
  type DeadLetterPage,
  type DueMessages,
  type Execution,
  type ExecutionClaim,
  type ExecutionEnding,
  type FrozenReplay,
  type LanePlaces,
  type LedgerRow,
  type Log,
  type PendingDelivery,
  type PendingLimit,
  type Purged,
  type PurgeLimits,
  type RecipientKey,
  type RecipientRecord,
  type ReplayEnding,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  type RevivedDelivery,
  type ScheduledMessage,
  type SelectedLetter,
  type Shed,
  SlipstreamError,
  type Spaces,
  type Store,
  type StoreContext,
  type StoreState,
  type StoreStatistics,
  type StoreVerdict,
  slipstreamError,
  type Weighed,
} from '../../../core/index.ts'
import { type RememberOptions, rememberMs } from '../repetition.ts'
import { openDatabase } from './database.ts'
import { storeFailure } from './failure.ts'
import { OpenStore } from './open-store.ts'
import type { Reading } from './reader.ts'
import type { JoinWithin, SharedDatabase } from './shared.ts'
import { fileBytes } from './size.ts'

export interface SqliteStoreOptions extends RememberOptions {
  readonly path: string
  /** Size at which the file takes nothing new until there is room again, in bytes. */
  readonly maxBytes: number
  readonly log: Log
  /** How the file is opened: the seam for tests that make the disk fail. */
  readonly open?: typeof openDatabase
}

/**
 * The contract of a store over a file that is worked on synchronously. When the disk has failed in a way that leaves open
 * what is on it, this object writes nothing any more (`SLP_STORE_LOST`): whoever goes on after a failed sync loses data.
 */
export class SqliteStore implements Store {
  readonly name = 'sqlite'
  readonly #options: SqliteStoreOptions
  #store: OpenStore | undefined
  #join: JoinWithin | undefined
  #lost: SlipstreamError | undefined

  constructor(options: SqliteStoreOptions) {
    this.#options = options
  }

  /** Where the file is. */
  get path(): string {
    return this.#options.path
  }

  get joinsState(): boolean {
    return this.#join !== undefined
  }

  async open(context: StoreContext): Promise<StoreState> {
    const { path, maxBytes, log, open = openDatabase } = this.#options
    if (this.#store) throw slipstreamError('SLP_STORE_IN_USE', [path])
    const database = open(path, maxBytes)
    try {
      const join = this.#join
      const store = new OpenStore(database, context, { log, rememberMs: rememberMs(this.#options), join })
      const state = store.state()
      this.#store = store
      this.#lost = undefined
      return state
    } catch (error) {
      database.close()
      throw coded(error)
    }
  }

  async write(batch: Batch): Promise<readonly StoreVerdict[]> {
    const { entries, settlements, retries, deaths } = batch
    if (entries.length + settlements.length + retries.length + deaths.length === 0) return []
    return this.#change((store) => store.writer.write(batch))
  }

  async pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit): Promise<readonly PendingDelivery[]> {
    return this.#read(({ reader }) => reader.pending(recipient, after, limit))
  }

  async recall(recipient: RecipientKey, seqs: readonly number[]): Promise<readonly PendingDelivery[]> {
    return this.#read(({ reader }) => reader.recall(recipient, seqs))
  }

  async scheduled(dueBy: number, limit: PendingLimit, after?: ScheduledMessage): Promise<DueMessages> {
    const { altered, ...messages } = this.#use((store) => store.scheduled.due(dueBy, limit, after))
    if (altered.length > 0) this.#setAside(altered.length, (store) => store.scheduled.setAside(altered))
    return messages
  }

  async saveRecipient(recipient: RecipientRecord): Promise<RecipientKey> {
    return this.#change((store) => store.recipients.save(recipient))
  }

  async noteSeen(recipients: readonly RecipientKey[], at: number): Promise<void> {
    this.#change((store) => store.recipients.noteSeen(recipients, at))
  }

  async renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }> {
    return this.#change((store) => store.recipients.rename(from, to))
  }

  async forgetRecipient(key: RecipientKey): Promise<void> {
    return this.#change((store) => store.recipients.forget(key))
  }

  async forgetBacklog(key: RecipientKey): Promise<number> {
    return this.#change((store) => store.recipients.forgetBacklog(key))
  }

  async collapse(key: RecipientKey, spaces: Spaces, limit: number): Promise<Collapsed> {
    return this.#change((store) => store.collapse.run(key, spaces, limit))
  }

  async weigh(key: RecipientKey, after: number, limit: number): Promise<Weighed | undefined> {
    return this.#use((store) => store.reader.weigh(key, after, limit))
  }

  async shed(limit: number): Promise<Shed> {
    return this.#change((store) => store.shedding.run(limit))
  }

  async deadLetters(filter: DeadLetterFilter, page: DeadLetterPage): Promise<DeadLetterList> {
    return this.#use((store) => store.deadLetters.list(filter, page))
  }

  async deadLetterText(id: DeadLetterId): Promise<string | undefined> {
    return this.#use((store) => store.deadLetters.text(id))
  }

  async discardDeadLetters(ids: readonly DeadLetterId[]): Promise<number> {
    return this.#change((store) => store.deadLetters.discard(ids))
  }

  async createReplay(order: ReplayOrder): Promise<FrozenReplay> {
    return this.#change((store) => store.replays.create(order))
  }

  async replaySelection(replay: ReplayId, limit: number): Promise<readonly SelectedLetter[]> {
    return this.#use((store) => store.replays.selection(replay, limit))
  }

  async reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]): Promise<readonly RevivedDelivery[]> {
    return this.#change((store) => store.replays.revive(replay, ids))
  }

  async endReplay(replay: ReplayId, ending: ReplayEnding): Promise<void> {
    return this.#change((store) => store.replays.end(replay, ending))
  }

  async replays(): Promise<readonly ReplayJob[]> {
    return this.#use((store) => store.replays.all())
  }

  async replayJob(replay: ReplayId): Promise<ReplayJob | undefined> {
    return this.#use((store) => store.replays.one(replay))
  }

  async claimExecutions(claims: readonly ExecutionClaim[]): Promise<readonly (Execution | undefined)[]> {
    return this.#change((store) => store.executions.claim(claims))
  }

  async finishExecution(messageId: string, ending: ExecutionEnding): Promise<void> {
    return this.#change((store) => store.executions.finish(messageId, ending))
  }

  async interruptExecutions(ending: ExecutionEnding): Promise<readonly Execution[]> {
    return this.#change((store) => store.executions.interrupt(ending))
  }

  async execution(messageId: string): Promise<Execution | undefined> {
    return this.#use((store) => store.executions.find(messageId))
  }

  async forgetExecutions(finishedBefore: number, limit: number): Promise<number> {
    return this.#change((store) => store.executions.forget(finishedBefore, limit))
  }

  async purge(limits: PurgeLimits): Promise<Purged> {
    return this.#change((store) => {
      const { path } = this.#options
      const purged = store.purge.run(limits)
      store.purge.giveBack({ walBytes: fileBytes(`${path}-wal`), capacity: store.capacity(path) }, purged)
      return purged
    })
  }

  /** For what others keep in the file. */
  get shared(): SharedDatabase {
    return {
      read: (work) => this.#use(({ shared }) => shared.read(work)),
      write: (work) => this.#change(({ shared }) => shared.write(work)),
      joinBy: (join) => {
        this.#join = join
      },
    }
  }

  ledger(): readonly LedgerRow[] {
    return this.#use((store) => store.ledger.rows())
  }

  statistics(): StoreStatistics {
    const { path } = this.#options
    const walBytes = fileBytes(`${path}-wal`)
    return this.#use((store) => {
      const { extra, ...figures } = store.figures()
      const size = { bytes: fileBytes(path) + walBytes, capacityBytes: store.capacity(path) }
      return { ...figures, ...size, extra: { ...extra, wal_bytes: walBytes } }
    })
  }

  async close(): Promise<void> {
    this.#store?.close()
    this.#store = undefined
  }

  /** Runs what reads deliveries, and gives up those that must not be delivered. */
  #read(work: (store: OpenStore) => Reading): readonly PendingDelivery[] {
    const { deliveries, altered } = this.#use(work)
    if (altered.length > 0) this.#setAside(altered.length, (store) => store.deadLetters.quarantine(altered))
    return deliveries
  }

  /** Reading must go on also when this cannot be written: an altered message is left out each time. */
  #setAside(count: number, work: (store: OpenStore) => void): void {
    try {
      this.#change(work)
    } catch (error) {
      this.#options.log.error('altered messages could not be set aside', { count, error })
    }
  }

  /** Runs what writes. */
  #change<Result>(work: (store: OpenStore) => Result): Result {
    if (this.#lost) throw this.#lost
    return this.#use(work)
  }

  #use<Result>(work: (store: OpenStore) => Result): Result {
    if (!this.#store) throw slipstreamError('SLP_STORE_FAILED', [`${this.#options.path} is not open`])
    try {
      return work(this.#store)
    } catch (error) {
      const failure = coded(error)
      if (failure.code === 'SLP_STORE_LOST') this.#lost ??= failure
      throw failure
    }
  }
}

function coded(error: unknown): SlipstreamError {
  return error instanceof SlipstreamError ? error : storeFailure(error)
}
