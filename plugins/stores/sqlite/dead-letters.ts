import {
  DEFAULT_PRIORITY,
  type DeadLetter,
  type DeadLetterFilter,
  type DeadLetterId,
  type DeadLetterList,
  type DeadLetterPage,
  type Death,
  type RecipientKey,
  VERSION,
} from '../../../core/index.ts'
import { attemptsOf, NO_ATTEMPTS } from './attempts.ts'
import type { Database } from './database.ts'
import {
  type Conditions,
  conditionsOf,
  type DeadLetterRow,
  type DeadLetterStatements,
  prepareDeadLetters,
} from './dead-letter-sql.ts'
import type { Ledger } from './ledger.ts'
import type { Queues } from './queues.ts'
import type { Altered } from './reader.ts'
import { isIntact } from './stored-row.ts'
import type { Tally } from './tally.ts'

/** What the store itself gives up bears this name. */
const BY_STORE = { plugin: 'store-sqlite', pluginVersion: VERSION }

/** What of a dead letter is known to the store alone. */
interface Grave {
  /** Null for the summary of a forgotten recipient. */
  readonly seq: number | null
  readonly lane: number
  readonly count: number
}

/** Deliveries that were given up. */
export class DeadLetters {
  readonly #ledger: Ledger
  readonly #queues: Queues
  readonly #now: () => number
  readonly #statements: DeadLetterStatements

  constructor(database: Database, ledger: Ledger, queues: Queues, now: () => number) {
    this.#ledger = ledger
    this.#queues = queues
    this.#now = now
    this.#statements = prepareDeadLetters(database)
  }

  /** Gives up those of the deliveries that wait; within a transaction. Returns how many those were. */
  bury(deaths: readonly Death[], tally: Tally): number {
    const { settle, countFailure } = this.#statements
    let count = 0
    for (const death of deaths) {
      const queue = this.#queues.of(death.recipient)
      const delivery = queue === undefined ? undefined : settle.get(queue, death.seq)
      if (!delivery) continue
      if (delivery.replay !== null) countFailure.run(delivery.replay)
      this.#insert(death, { seq: death.seq, lane: delivery.lane, count: 1 }, tally)
      tally.leave(death.recipient, 'dead', 1)
      count++
    }
    return count
  }

  /** Gives up deliveries whose message was altered on disk. */
  quarantine(altered: readonly Altered[]): void {
    const error = 'The stored message is not what was written: its checksum differs.'
    const deaths = altered.map((one): Death => ({ ...one, ...BY_STORE, reason: 'INTEGRITY', error }))
    this.#ledger.change((tally) => {
      tally.altered = this.bury(deaths, tally)
    })
  }

  /** Leaves one dead letter for all that waited for a recipient; within a transaction. */
  summarize(recipient: RecipientKey, count: number, tally: Tally): void {
    const error = 'The recipient was forgotten with all that waited for it.'
    const summary = { ...BY_STORE, recipient, reason: 'RECIPIENT_FORGOTTEN', error, attempts: NO_ATTEMPTS } as const
    this.#insert(summary, { seq: null, lane: DEFAULT_PRIORITY, count }, tally)
    tally.leave(recipient, 'forgotten', count)
  }

  list(filter: DeadLetterFilter, { after = 0, limit }: DeadLetterPage): DeadLetterList {
    const conditions: Conditions = conditionsOf(filter)
    const total = this.#statements.count(conditions)
    return { total, items: this.#statements.page(conditions, after, limit).map(toDeadLetter) }
  }

  /** The text of its message, unless that was altered. */
  text(id: DeadLetterId): string | undefined {
    const row = this.#statements.message.get(id)
    return row && isIntact(row) ? row.text : undefined
  }

  discard(ids: readonly DeadLetterId[]): number {
    const wanted = JSON.stringify(ids)
    return this.#ledger.change((tally) => this.#forget(this.#statements.discard.all(wanted), tally))
  }

  /** Forgets dead letters from before a time, as many at most; within a transaction. */
  purge(diedBefore: number, limit: number, tally: Tally): number {
    return this.#forget(this.#statements.purge.all(diedBefore, limit), tally)
  }

  /** The deliveries stay counted as dead: forgetting why they died brings none back. */
  #forget(recipients: readonly RecipientKey[], tally: Tally): number {
    for (const recipient of new Set(recipients)) this.#ledger.closeUnneeded(recipient)
    tally.deadLetters -= recipients.length
    return recipients.length
  }

  #insert(death: Omit<Death, 'seq'>, { seq, lane, count }: Grave, tally: Tally): void {
    const { recipient, reason, error, attempts, plugin, pluginVersion = null } = death
    const causes = [attempts.sends, attempts.nacks, attempts.timeouts, attempts.disconnects]
    this.#statements.insert.run(
      recipient,
      seq,
      lane,
      reason,
      error,
      ...causes,
      plugin,
      pluginVersion,
      this.#now(),
      count,
    )
    tally.deadLetters++
  }
}

function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const { id, recipient, reason, error, plugin, diedAt, count } = row
  return {
    id,
    messageId: row.messageId ?? undefined,
    clusterGroupId: row.clusterGroupId ?? undefined,
    type: row.type ?? undefined,
    orderingKey: row.orderingKey ?? undefined,
    recipient,
    reason,
    error,
    attempts: attemptsOf(row),
    path: JSON.parse(row.path),
    plugin,
    pluginVersion: row.pluginVersion ?? undefined,
    diedAt,
    count,
  }
}
