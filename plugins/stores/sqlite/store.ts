import { statSync } from 'node:fs'
import {
  type Batch,
  type Log,
  type PendingDelivery,
  type PendingLimit,
  type RecipientKey,
  type RecipientRecord,
  SlipstreamError,
  type Store,
  type StoreContext,
  type StoreState,
  type StoreStatistics,
  type StoreVerdict,
  slipstreamError,
} from '../../../core/index.ts'
import { openDatabase } from './database.ts'
import { storeFailure } from './failure.ts'
import { OpenStore } from './open-store.ts'

export interface SqliteStoreOptions {
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
  #lost: SlipstreamError | undefined

  constructor(options: SqliteStoreOptions) {
    this.#options = options
  }

  /** Where the file is. */
  get path(): string {
    return this.#options.path
  }

  async open(context: StoreContext): Promise<StoreState> {
    const { path, maxBytes, log, open = openDatabase } = this.#options
    if (this.#store) throw slipstreamError('SLP_STORE_IN_USE', [path])
    const database = open(path, maxBytes)
    try {
      const store = new OpenStore(database, context, log)
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
    if (batch.entries.length === 0 && batch.settlements.length === 0) return []
    return this.#change((store) => store.writer.write(batch))
  }

  async pending(recipient: RecipientKey, after: number, limit: PendingLimit): Promise<readonly PendingDelivery[]> {
    return this.#use((store) => store.reader.pending(recipient, after, limit))
  }

  async saveRecipient(recipient: RecipientRecord): Promise<RecipientKey> {
    return this.#change((store) => store.recipients.save(recipient))
  }

  async renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }> {
    return this.#change((store) => store.recipients.rename(from, to))
  }

  async forgetRecipient(key: RecipientKey): Promise<void> {
    return this.#change((store) => store.recipients.forget(key))
  }

  statistics(): StoreStatistics {
    const { path } = this.#options
    const walBytes = sizeOf(`${path}-wal`)
    const figures = this.#use((store) => store.figures())
    return { ...figures, bytes: sizeOf(path) + walBytes, extra: { ...figures.extra, wal_bytes: walBytes } }
  }

  async close(): Promise<void> {
    this.#store?.close()
    this.#store = undefined
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

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
