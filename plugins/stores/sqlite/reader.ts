import type { Attempts, Log, PendingDelivery, PendingLimit, RecipientKey, Settlement } from '../../../core/index.ts'
import { ATTEMPTS, attemptsOf } from './attempts.ts'
import type { Database, Statement } from './database.ts'
import { isIntact, STORED_ROW, type StoredRow, toMessage } from './stored-row.ts'

interface Row extends StoredRow, Attempts {
  readonly dueAt: number
}

/** A delivery whose message is not what was stored, and must not be delivered. */
export interface Altered extends Settlement {
  readonly attempts: Attempts
}

interface Reading {
  readonly deliveries: readonly PendingDelivery[]
  /** What was met on the way and left out. */
  readonly altered: readonly Altered[]
}

/** Corrupt rows that are remembered at most, so that each is reported once. A disk with more is past counting. */
const MAX_REMEMBERED = 10_000

/** Reads deliveries that wait, and lets no altered message pass. */
export class Reader {
  readonly #log: Log
  readonly #rows: Statement<[RecipientKey, number], Row>
  readonly #corrupt = new Set<number>()

  constructor(database: Database, log: Log) {
    this.#log = log
    this.#rows = database.prepare(`
      SELECT ${STORED_ROW}, ${ATTEMPTS}, due_at AS dueAt
      FROM delivery CROSS JOIN message USING (seq)
      WHERE recipient = ? AND seq > ? ORDER BY seq`)
  }

  /** How many altered rows were met. */
  get corruptRows(): number {
    return this.#corrupt.size
  }

  pending(recipient: RecipientKey, after: number, limit: PendingLimit): Reading {
    const deliveries: PendingDelivery[] = []
    const altered: Altered[] = []
    let bytes = 0
    for (const row of this.#rows.iterate(recipient, after)) {
      if (!isIntact(row)) {
        this.#report(row)
        altered.push({ recipient, seq: row.seq, attempts: attemptsOf(row) })
        continue
      }
      bytes += Buffer.byteLength(row.text)
      if (deliveries.length > 0 && bytes > limit.bytes) break
      deliveries.push({ seq: row.seq, message: toMessage(row), attempts: attemptsOf(row), dueAt: row.dueAt })
      if (deliveries.length >= limit.messages) break
    }
    return { deliveries, altered }
  }

  #report({ seq, messageId }: Row): void {
    if (this.#corrupt.has(seq) || this.#corrupt.size >= MAX_REMEMBERED) return
    this.#corrupt.add(seq)
    this.#log.critical('stored message was altered on disk and is not delivered', { messageId })
  }
}
