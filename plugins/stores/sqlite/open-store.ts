import type { Log, StoreContext, StoreState, StoreStatistics } from '../../../core/index.ts'
import { Counters } from './counters.ts'
import { type Database, pragmaNumber } from './database.ts'
import { type Identity, identify } from './identity.ts'
import { Intervals } from './intervals.ts'
import { Meta } from './meta.ts'
import { migrate } from './migrations.ts'
import { Reader } from './reader.ts'
import { SavedRecipients } from './recipients.ts'
import { Writer } from './writer.ts'

/** All parts over one open file. */
export class OpenStore {
  readonly writer: Writer
  readonly reader: Reader
  readonly recipients: SavedRecipients
  readonly #database: Database
  readonly #meta: Meta
  readonly #intervals: Intervals
  readonly #counters: Counters
  readonly #identity: Identity

  constructor(database: Database, context: StoreContext, log: Log) {
    migrate(database)
    this.#database = database
    this.#meta = new Meta(database)
    this.#intervals = new Intervals(database)
    this.#counters = new Counters(database)
    this.#identity = database.transaction(() => identify(this.#meta, context)).immediate()
    this.writer = new Writer(database, this.#meta, this.#intervals, this.#counters, () => context.runtime.now())
    this.reader = new Reader(database, log)
    this.recipients = new SavedRecipients(database, this.#counters)
  }

  state(): StoreState {
    const { instanceId, epoch } = this.#identity
    return {
      instanceId,
      epoch,
      lastSequence: this.#intervals.last(instanceId, epoch),
      lastVersion: this.#meta.get('last_version'),
      recipients: this.recipients.all(),
    }
  }

  figures(): Omit<StoreStatistics, 'bytes'> {
    const { messages, pending } = this.#counters
    const free = pragmaNumber(this.#database, 'freelist_count')
    return { messages, pending, extra: { free_pages: free, corrupt_rows: this.reader.corruptRows } }
  }

  close(): void {
    this.#database.close()
  }
}
