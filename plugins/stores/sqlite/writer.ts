import type { Batch, Entry, RecipientKey, StoreVerdict } from '../../../core/index.ts'
import { problemOf } from '../../../core/index.ts'
import { judgeSameId } from '../repetition.ts'
import type { Counters } from './counters.ts'
import type { Database, Statement } from './database.ts'
import { isFaultOfEntry } from './failure.ts'
import type { Intervals } from './intervals.ts'
import { Messages } from './messages.ts'
import type { Meta } from './meta.ts'
import { Settlements } from './settlements.ts'

interface Written {
  readonly verdicts: StoreVerdict[]
  readonly settled: Map<RecipientKey, number>
}

/** Writes batches, each in one transaction. */
export class Writer {
  readonly #meta: Meta
  readonly #intervals: Intervals
  readonly #counters: Counters
  readonly #now: () => number
  readonly #messages: Messages
  readonly #settlements: Settlements
  readonly #deliver: Statement<[RecipientKey, number]>
  readonly #transaction: (batch: Batch, store: (entry: Entry) => StoreVerdict) => Written
  readonly #savepoint: (entry: Entry) => StoreVerdict
  /** The greatest place and version that were given or seen. */
  #last: { seq: number; version: string }

  constructor(database: Database, meta: Meta, intervals: Intervals, counters: Counters, now: () => number) {
    this.#meta = meta
    this.#intervals = intervals
    this.#counters = counters
    this.#now = now
    this.#messages = new Messages(database)
    this.#settlements = new Settlements(database)
    this.#deliver = database.prepare('INSERT INTO delivery (recipient, seq) VALUES (?, ?)')
    this.#transaction = database.transaction((batch, store) => this.#write(batch, store)).immediate
    this.#savepoint = database.transaction((entry: Entry) => this.#store(entry))
    this.#last = { seq: meta.get('last_seq') ?? 0, version: meta.get('last_version') ?? '' }
  }

  write(batch: Batch): readonly StoreVerdict[] {
    const { verdicts, settled } = this.#commit(batch)
    this.#counters.committed(batch.entries, verdicts, settled)
    return verdicts
  }

  /** All entries at once; and if one of them is at fault, each behind a savepoint of its own, which costs more. */
  #commit(batch: Batch): Written {
    try {
      return this.#attempt(batch, (entry) => this.#store(entry))
    } catch (error) {
      if (!isFaultOfEntry(error)) throw error
      return this.#attempt(batch, (entry) => this.#storeAlone(entry))
    }
  }

  #attempt(batch: Batch, store: (entry: Entry) => StoreVerdict): Written {
    const before = { ...this.#last }
    try {
      return this.#transaction(batch, store)
    } catch (error) {
      this.#intervals.forget()
      this.#last = before
      throw error
    }
  }

  #write({ entries, settlements }: Batch, store: (entry: Entry) => StoreVerdict): Written {
    const { seq, version } = this.#last
    const settled = this.#settlements.remove(settlements)
    const verdicts = entries.map(store)
    this.#intervals.flush()
    if (this.#last.seq > seq) this.#meta.set('last_seq', this.#last.seq)
    if (this.#last.version > version) this.#meta.set('last_version', this.#last.version)
    return { verdicts, settled }
  }

  #storeAlone(entry: Entry): StoreVerdict {
    try {
      return this.#savepoint(entry)
    } catch (error) {
      if (!isFaultOfEntry(error)) throw error
      return { status: 'rejected', reason: problemOf(error) }
    }
  }

  #store({ message, recipients }: Entry): StoreVerdict {
    const { originInstanceId, originSequence } = message
    const { epoch, n } = originSequence
    if (this.#intervals.has(originInstanceId, epoch, n)) {
      return { status: 'duplicate', recipients: this.#messages.recipientsOf(message) }
    }
    const verdict = this.#insert({ message, recipients })
    // Last, because a savepoint cannot take back what the intervals keep in memory.
    if (verdict.status !== 'conflict') this.#intervals.add(originInstanceId, epoch, n)
    return verdict
  }

  #insert({ message, recipients }: Entry): StoreVerdict {
    const now = this.#now()
    const seq = this.#last.seq + 1
    if (!this.#messages.insert(seq, message, now, recipients.length)) {
      const { messageId, clusterGroupId } = message
      const known = this.#messages.newest(messageId, clusterGroupId)
      const verdict = known && judgeSameId(message, known, now)
      if (verdict) return verdict
      this.#messages.supersede(messageId, clusterGroupId)
      this.#messages.insert(seq, message, now, recipients.length)
    }
    for (const recipient of recipients) this.#deliver.run(recipient, seq)
    this.#last.seq = seq
    if (message.version !== undefined && message.version > this.#last.version) this.#last.version = message.version
    return { status: 'stored', seq }
  }
}
