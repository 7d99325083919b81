import type { LedgerRow, RecipientKey, StoreStatistics } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'
import type { Meta } from './meta.ts'
import { NO_SUMS, type Sums, Tally } from './tally.ts'

/** How many rows the file holds. */
export interface Totals {
  readonly messages: number
  readonly pending: number
  readonly dead: number
  readonly scheduled: number
}

interface ListedRow extends Omit<LedgerRow, 'oldestPendingAt'> {
  readonly oldestPendingAt: number | null
}

/**
 * What is counted, written in the same transaction as what it counts: one statement per recipient and batch. So opening
 * counts nothing, however much waits.
 *
 * A forgotten recipient keeps its row as long as it has dead letters, which take its name from there.
 */
export class Ledger {
  readonly #meta: Meta
  readonly #statements: ReturnType<typeof prepare>
  readonly #transaction: <Result>(work: (tally: Tally) => Result, tally: Tally) => Result
  #totals: Totals
  #givenUp = { INTEGRITY: 0, RECIPIENT_FORGOTTEN: 0 }

  constructor(database: Database, meta: Meta) {
    this.#meta = meta
    this.#statements = prepare(database)
    this.#transaction = database.transaction((work: (tally: Tally) => unknown, tally: Tally) => {
      const result = work(tally)
      this.#post(tally)
      return result
    }).immediate as <Result>(work: (tally: Tally) => Result, tally: Tally) => Result
    this.#totals = {
      messages: meta.get('messages') ?? 0,
      pending: this.#statements.pending.get() ?? 0,
      dead: meta.get('dead_letters') ?? 0,
      scheduled: meta.get('scheduled') ?? 0,
    }
  }

  get totals(): Totals {
    return this.#totals
  }

  /** Deliveries that the store itself has given up since it was opened. */
  get givenUp(): StoreStatistics['givenUp'] {
    return this.#givenUp
  }

  /** Runs what writes, in one transaction with what it counts. */
  change<Result>(work: (tally: Tally) => Result): Result {
    const tally = new Tally()
    const result = this.#transaction(work, tally)
    this.#totals = this.#with(tally)
    this.#givenUp.INTEGRITY += tally.altered
    for (const { forgotten } of tally.changes.values()) this.#givenUp.RECIPIENT_FORGOTTEN += forgotten
    return result
  }

  /** Begins to count for a recipient. */
  open(recipient: RecipientKey, name: string): void {
    this.#statements.open.run(recipient, name)
  }

  rename(recipient: RecipientKey, name: string): void {
    this.#statements.rename.run(name, recipient)
  }

  /** Ends counting for a recipient, unless it is remembered or has dead letters. */
  closeUnneeded(recipient: RecipientKey): void {
    this.#statements.close.run(recipient)
  }

  of(recipient: RecipientKey): Readonly<Sums> {
    return this.#statements.of.get(recipient) ?? NO_SUMS
  }

  rows(): LedgerRow[] {
    return this.#statements.rows.all().map(({ oldestPendingAt, ...row }) => {
      return { ...row, oldestPendingAt: oldestPendingAt ?? undefined }
    })
  }

  #post(tally: Tally): void {
    for (const [recipient, { targeted, acked, pending, dead, collapsed, forgotten }] of tally.changes) {
      this.#statements.add.run(targeted, acked, pending, dead, collapsed, forgotten, recipient)
    }
    const { messages, dead, scheduled } = this.#with(tally)
    if (tally.messages !== 0) this.#meta.set('messages', messages)
    if (tally.deadLetters !== 0) this.#meta.set('dead_letters', dead)
    if (tally.scheduled !== 0) this.#meta.set('scheduled', scheduled)
  }

  #with(tally: Tally): Totals {
    let { messages, pending, dead, scheduled } = this.#totals
    for (const change of tally.changes.values()) pending += change.pending
    messages += tally.messages
    dead += tally.deadLetters
    scheduled += tally.scheduled
    return { messages, pending, dead, scheduled }
  }
}

function prepare(database: Database) {
  const read = <Row>(sql: string): Statement<[], Row> => database.prepare<[], Row>(sql)
  return {
    pending: read<number>('SELECT total(pending) FROM ledger').pluck() as Statement<[], number>,
    rows: read<ListedRow>(`
      SELECT name AS recipient, sum(targeted) AS targeted, sum(acked) AS acked, sum(pending) AS pending,
        sum(dead) AS dead, sum(collapsed) AS collapsed, sum(forgotten) AS forgotten, min((
          SELECT received_at FROM queue CROSS JOIN delivery ON queue = number CROSS JOIN message USING (seq)
          WHERE queue.recipient = ledger.recipient ORDER BY delivery.seq LIMIT 1)) AS oldestPendingAt
      FROM ledger GROUP BY name`),
    of: database.prepare<[RecipientKey], Sums>(
      'SELECT targeted, acked, pending, dead, collapsed, forgotten FROM ledger WHERE recipient = ?',
    ),
    open: database.prepare<[RecipientKey, string]>(
      'INSERT INTO ledger (recipient, name) VALUES (?, ?) ON CONFLICT DO NOTHING',
    ),
    rename: database.prepare<[string, RecipientKey]>('UPDATE ledger SET name = ? WHERE recipient = ?'),
    add: database.prepare(`
      UPDATE ledger SET targeted = targeted + ?, acked = acked + ?, pending = pending + ?, dead = dead + ?,
        collapsed = collapsed + ?, forgotten = forgotten + ? WHERE recipient = ?`),
    close: database.prepare<[RecipientKey]>(`
      DELETE FROM ledger WHERE recipient = ? AND recipient NOT IN (SELECT key FROM recipient)
        AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.recipient = ledger.recipient)`),
  }
}
