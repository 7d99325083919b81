import type { Log, StoreContext, StoreState, StoreStatistics } from '../../../core/index.ts'
import { Collapse } from './collapse.ts'
import { type Database, pragmaNumber } from './database.ts'
import { DeadLetters } from './dead-letters.ts'
import { ExecutionRows } from './executions.ts'
import { type Identity, identify } from './identity.ts'
import { Intervals } from './intervals.ts'
import { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import { Meta } from './meta.ts'
import { migrate } from './migrations.ts'
import { Purge } from './purge.ts'
import { Queues } from './queues.ts'
import { Reader } from './reader.ts'
import { SavedRecipients } from './recipients.ts'
import { Replays } from './replays.ts'
import { ScheduledMessages } from './scheduled.ts'
import { type JoinWithin, Sharing } from './shared.ts'
import { Shedding } from './shed.ts'
import { capacityBytes, usedBytes } from './size.ts'
import { Writer } from './writer.ts'

export interface OpenStoreOptions {
  readonly log: Log
  readonly rememberMs: number
  /** How what entries say of the state is joined; undefined: that is not kept here. */
  readonly join: JoinWithin | undefined
}

/** All parts over one open file. */
export class OpenStore {
  readonly writer: Writer
  readonly reader: Reader
  readonly recipients: SavedRecipients
  readonly deadLetters: DeadLetters
  readonly scheduled: ScheduledMessages
  readonly replays: Replays
  readonly executions: ExecutionRows
  readonly collapse: Collapse
  readonly shedding: Shedding
  readonly purge: Purge
  readonly ledger: Ledger
  /** For what others keep in the file. */
  readonly shared: Sharing
  readonly #database: Database
  readonly #meta: Meta
  readonly #intervals: Intervals
  readonly #identity: Identity

  constructor(database: Database, context: StoreContext, { log, rememberMs, join }: OpenStoreOptions) {
    const now = () => context.runtime.now()
    const rememberedSince = () => now() - rememberMs
    migrate(database)
    this.#database = database
    this.shared = new Sharing(database)
    const meta = new Meta(database)
    const intervals = new Intervals(database)
    const ledger = new Ledger(database, meta)
    const queues = new Queues(database)
    const lanes = new Lanes(database)
    const deadLetters = new DeadLetters(database, ledger, queues, now)
    const scheduled = new ScheduledMessages(database, ledger, log, now)
    const shared = { database, ledger, queues, deadLetters, scheduled, rememberedSince, now }
    this.#meta = meta
    this.#intervals = intervals
    this.ledger = ledger
    this.deadLetters = deadLetters
    this.scheduled = scheduled
    this.#identity = database.transaction(() => identify(meta, context)).immediate()
    this.writer = new Writer({ ...shared, meta, intervals, lanes, join })
    this.reader = new Reader({ database, queues, lanes, log })
    this.recipients = new SavedRecipients({ ...shared, lanes })
    this.replays = new Replays(database, { ...shared, lanes })
    this.executions = new ExecutionRows(database, now)
    this.purge = new Purge(shared)
    this.collapse = new Collapse({ database, ledger, queues })
    this.shedding = new Shedding(database)
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

  /** How far the file of that path can grow, in bytes. */
  capacity(path: string): number {
    return capacityBytes(this.#database, path)
  }

  figures(): Omit<StoreStatistics, 'bytes' | 'capacityBytes'> {
    const free = pragmaNumber(this.#database, 'freelist_count')
    const altered = this.reader.alteredRows + this.scheduled.alteredRows
    const { totals, givenUp } = this.ledger
    const used = usedBytes(this.#database)
    return { ...totals, usedBytes: used, givenUp, extra: { free_pages: free, corrupt_rows: altered } }
  }

  close(): void {
    this.#database.close()
  }
}
