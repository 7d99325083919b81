import type { Batch, Entry, Joining, Message, RecipientKey, ScheduledKey, StoreVerdict } from '../../../core/index.ts'
import { DEFAULT_PRIORITY, problemOf } from '../../../core/index.ts'
import { isLift, judgeSameId, type KnownMessage } from '../repetition.ts'
import { Retries } from './attempts.ts'
import type { Database, Statement } from './database.ts'
import type { DeadLetters } from './dead-letters.ts'
import { isFaultOfEntry } from './failure.ts'
import type { Intervals } from './intervals.ts'
import { Joiner } from './joiner.ts'
import { keyHashOf, type Lanes } from './lanes.ts'
import type { Ledger } from './ledger.ts'
import { Messages } from './messages.ts'
import type { Meta } from './meta.ts'
import type { Queues } from './queues.ts'
import type { ScheduledMessages } from './scheduled.ts'
import { Settlements } from './settlements.ts'
import type { JoinWithin } from './shared.ts'
import type { Tally } from './tally.ts'

type Stored = Extract<StoreVerdict, { status: 'stored' }>

interface WriterParts {
  readonly database: Database
  readonly meta: Meta
  readonly intervals: Intervals
  readonly lanes: Lanes
  readonly ledger: Ledger
  readonly queues: Queues
  readonly deadLetters: DeadLetters
  readonly scheduled: ScheduledMessages
  readonly now: () => number
  /** Ids that were last used before then are forgotten. */
  readonly rememberedSince: () => number
  readonly join: JoinWithin | undefined
}

/** Writes batches, each in one transaction. */
export class Writer {
  readonly #parts: WriterParts
  readonly #messages: Messages
  readonly #settlements: Settlements
  readonly #retries: Retries
  readonly #deliver: Statement<[queue: number, seq: number, lane: number, keyHash: number | null]>
  readonly #savepoint: (entry: Entry) => StoreVerdict
  /** The last place that was given, and the last version that the instance's clock gave or followed. */
  #last: { seq: number; version: string }
  readonly #joiner: Joiner | undefined

  constructor(parts: WriterParts) {
    const { database, meta, queues, join } = parts
    this.#joiner = join && new Joiner(database, join)
    this.#parts = parts
    this.#messages = new Messages(database)
    this.#settlements = new Settlements(database, queues)
    this.#retries = new Retries(database, queues)
    this.#deliver = database.prepare('INSERT INTO delivery (queue, seq, lane, key_hash) VALUES (?, ?, ?, ?)')
    this.#savepoint = database.transaction((entry: Entry) => this.#store(entry))
    this.#last = { seq: meta.get('last_seq') ?? 0, version: meta.get('last_version') ?? '' }
  }

  /** All entries at once; and if one of them is at fault, each behind a savepoint of its own, which costs more. */
  write(batch: Batch): readonly StoreVerdict[] {
    try {
      return this.#attempt(batch, (entry) => this.#store(entry))
    } catch (error) {
      if (!isFaultOfEntry(error)) throw error
      return this.#attempt(batch, (entry) => this.#storeAlone(entry))
    }
  }

  #attempt(batch: Batch, store: (entry: Entry) => StoreVerdict): readonly StoreVerdict[] {
    const before = { ...this.#last }
    try {
      const verdicts = this.#parts.ledger.change((tally) => this.#write(batch, store, tally))
      this.#joiner?.ended(true)
      return verdicts
    } catch (error) {
      this.#joiner?.ended(false)
      this.#parts.intervals.forget()
      this.#parts.lanes.forget()
      this.#last = before
      throw error
    }
  }

  #write(batch: Batch, store: (entry: Entry) => StoreVerdict, tally: Tally): readonly StoreVerdict[] {
    const { intervals, lanes, deadLetters, meta } = this.#parts
    const { seq, version } = this.#last
    const { lastVersion = '' } = batch
    if (lastVersion > version) this.#last.version = lastVersion
    lanes.begin(batch.entries)
    this.#settlements.remove(batch.settlements, tally)
    deadLetters.bury(batch.deaths, tally)
    this.#retries.note(batch.retries)
    const verdicts = this.#joined(batch.entries, batch.entries.map(store))
    count(batch.entries, verdicts, tally)
    intervals.flush()
    if (this.#last.seq > seq) meta.set('last_seq', this.#last.seq)
    if (this.#last.version > version) meta.set('last_version', this.#last.version)
    return verdicts
  }

  #storeAlone(entry: Entry): StoreVerdict {
    try {
      return this.#savepoint(entry)
    } catch (error) {
      if (!isFaultOfEntry(error)) throw error
      return { status: 'rejected', reason: problemOf(error) }
    }
  }

  #store(entry: Entry): StoreVerdict {
    const { message } = entry
    if (message.scheduledFor !== undefined) return this.#postpone(entry, message.scheduledFor)
    const { originInstanceId, originSequence } = message
    const { epoch, n } = originSequence
    if (this.#parts.intervals.has(originInstanceId, epoch, n)) {
      return { status: 'duplicate', recipients: this.#messages.recipientsOf(message) }
    }
    const verdict = this.#insert(entry)
    // Last, because a savepoint cannot take back what the intervals keep in memory.
    if (verdict.status !== 'conflict') this.#parts.intervals.add(originInstanceId, epoch, n)
    return verdict
  }

  #postpone({ message, recipients }: Entry, dueAt: number): StoreVerdict {
    const verdict = this.#judgeId(message) ?? this.#parts.scheduled.judge(message)
    if (verdict) return verdict
    this.#parts.scheduled.add(message, dueAt, recipients.length)
    return { status: 'scheduled' }
  }

  #insert(entry: Entry): StoreVerdict {
    const { message, recipients, releases } = entry
    const now = this.#parts.now()
    const seq = this.#last.seq + 1
    const held = releases === undefined ? this.#parts.scheduled.judge(message) : this.#release(message, releases)
    if (held) return held
    if (!this.#messages.insert(seq, message, now, recipients.length)) {
      const known = this.#messages.newest(message.messageId, message.clusterGroupId) as KnownMessage
      // One that is released was judged when it was accepted.
      const verdict = releases === undefined ? judgeSameId(message, known, this.#parts.rememberedSince()) : undefined
      if (verdict?.status === 'duplicate' && isLift(entry, known)) return this.#lift(entry, known.recipients)
      if (verdict) return verdict
      this.#replace(seq, message, recipients.length)
    }
    const joining = this.#joiner && entry.joins?.recipient
    const waiting = joining === undefined ? recipients : recipients.filter((recipient) => recipient !== joining)
    const lanes = this.#deliverAll(seq, message, waiting)
    return lanes ? { status: 'stored', seq, lanes } : { status: 'stored', seq }
  }

  /** Joins what was stored into the state, all at once; if that cannot be, these are deliveries that wait. */
  #joined(entries: readonly Entry[], verdicts: readonly StoreVerdict[]): readonly StoreVerdict[] {
    const places = [...entries.keys()].filter((at) => entries[at]?.joins && verdicts[at]?.status === 'stored')
    if (!this.#joiner || places.length === 0) return verdicts
    const outcomes = this.#joiner.join(places.map((at) => (entries[at] as Entry).joins as Joining))
    const judged = [...verdicts]
    places.forEach((at, index) => {
      const verdict = verdicts[at] as Stored
      const joined = outcomes?.[index]
      judged[at] = joined ? { ...verdict, joined } : this.#waits(entries[at] as Entry, verdict)
    })
    return judged
  }

  #waits({ message, joins }: Entry, verdict: Stored): StoreVerdict {
    const last = this.#last.seq
    const lanes = this.#deliverAll(verdict.seq, message, [(joins as Joining).recipient])
    this.#last.seq = last
    return lanes ? { ...verdict, lanes: new Map([...(verdict.lanes ?? []), ...lanes]) } : verdict
  }

  #lift({ message, lifts = [] }: Entry, recipients: number): StoreVerdict {
    const seq = this.#last.seq + 1
    this.#replace(seq, message, recipients)
    const lanes = this.#deliverAll(seq, message, lifts)
    return lanes ? { status: 'lifted', seq, lanes, recipients } : { status: 'lifted', seq, recipients }
  }

  /** Stores a message under an id that is taken. */
  #replace(seq: number, message: Message, recipients: number): void {
    this.#messages.supersede(message.messageId, message.clusterGroupId)
    this.#messages.insert(seq, message, this.#parts.now(), recipients)
  }

  /** The place is taken then. Returns the lanes that are not that of the default priority, if there are any. */
  #deliverAll(seq: number, { orderingKey, priority }: Message, recipients: readonly RecipientKey[]) {
    const keyHash = keyHashOf(orderingKey)
    let others: Map<RecipientKey, number> | undefined
    for (const recipient of recipients) {
      const queue = this.#queueOf(recipient)
      const lane = this.#parts.lanes.laneFor(queue, keyHash, priority)
      this.#deliver.run(queue, seq, lane, keyHash)
      if (lane === DEFAULT_PRIORITY) continue
      others ??= new Map()
      others.set(recipient, lane)
    }
    this.#last.seq = seq
    return others
  }

  #queueOf(recipient: RecipientKey): number {
    const queue = this.#parts.queues.of(recipient)
    if (queue === undefined) throw new RangeError(`recipient ${recipient} is unknown`)
    return queue
  }

  /** Undefined when the scheduled message was there, and is gone now. */
  #release(message: Message, key: ScheduledKey): StoreVerdict | undefined {
    if (this.#parts.scheduled.take(key)) return undefined
    return { status: 'duplicate', recipients: this.#messages.recipientsOf(message) }
  }

  #judgeId(message: Message): StoreVerdict | undefined {
    const known = this.#messages.newest(message.messageId, message.clusterGroupId)
    return known && judgeSameId(message, known, this.#parts.rememberedSince())
  }
}

function count(entries: readonly Entry[], verdicts: readonly StoreVerdict[], tally: Tally): void {
  entries.forEach(({ recipients, lifts = [], joins, releases }, index) => {
    const verdict = verdicts[index] as StoreVerdict
    const { status } = verdict
    if (status === 'scheduled') tally.scheduled++
    if (status !== 'stored' && status !== 'lifted') return
    if (releases !== undefined) tally.scheduled--
    tally.messages++
    for (const recipient of status === 'lifted' ? lifts : recipients) tally.target(recipient)
    if (status === 'stored' && verdict.joined) tally.leave((joins as Joining).recipient, 'acked', 1)
  })
}
