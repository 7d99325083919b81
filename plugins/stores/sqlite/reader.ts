import {
  type Attempts,
  DEFAULT_PRIORITY,
  type LanePlaces,
  type Log,
  type PendingDelivery,
  type PendingLimit,
  type RecipientKey,
  type Settlement,
  type Weighed,
} from '../../../core/index.ts'
import { AlteredRows } from './altered-rows.ts'
import { ATTEMPTS, attemptsOf } from './attempts.ts'
import type { Database, Statement } from './database.ts'
import { LANES, type Lanes } from './lanes.ts'
import type { Queues } from './queues.ts'
import { isIntact, STORED_ROW, type StoredRow, toMessage } from './stored-row.ts'

interface Row extends StoredRow, Attempts {
  readonly lane: number
  readonly dueAt: number
}

/** A delivery whose message is not what was stored, and must not be delivered. */
export interface Altered extends Settlement {
  readonly attempts: Attempts
}

interface Weight {
  readonly bytes: number | null
  readonly last: number | null
}

/** What was read. */
export interface Reading {
  readonly deliveries: readonly PendingDelivery[]
  /** What was met on the way and left out. */
  readonly altered: readonly Altered[]
}

const NO_LIMIT: PendingLimit = { messages: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }

interface ReaderParts {
  readonly database: Database
  readonly queues: Queues
  readonly lanes: Lanes
  readonly log: Log
}

/** Reads deliveries that wait, and lets no altered message pass. */
export class Reader {
  readonly #database: Database
  readonly #queues: Queues
  readonly #lanes: Lanes
  readonly #ofDefaultLane: Statement<[queue: number | null, after: number], Row>
  #ofOtherLane: Statement<[queue: number | null, lane: number, after: number], Row> | undefined
  readonly #among: Statement<[queue: number | null, seqs: string], Row>
  readonly #weight: Statement<[queue: number | null, after: number, limit: number], Weight>
  readonly #altered: AlteredRows

  constructor({ database, queues, lanes, log }: ReaderParts) {
    this.#database = database
    this.#queues = queues
    this.#lanes = lanes
    this.#altered = new AlteredRows(log, 'stored message was altered on disk and is not delivered')
    this.#ofDefaultLane = database.prepare(select('delivery', `lane = ${DEFAULT_PRIORITY} AND seq > ?`))
    this.#among = database.prepare(select('delivery', 'seq IN (SELECT value FROM json_each(?))'))
    this.#weight = database.prepare(`
      SELECT sum(bytes) AS bytes, max(seq) AS last FROM (
        SELECT seq, octet_length(text) AS bytes FROM delivery CROSS JOIN message USING (seq)
        WHERE queue = ? AND seq > ? ORDER BY seq LIMIT ?)`)
  }

  /** How many altered rows were met. */
  get alteredRows(): number {
    return this.#altered.count
  }

  pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit): Reading {
    return this.#read(recipient, this.#rows(this.#queues.of(recipient) ?? null, after), limit)
  }

  /** The bytes of the texts that wait behind a place; a text is not read for it. */
  weigh(recipient: RecipientKey, after: number, limit: number): Weighed | undefined {
    const { bytes, last } = this.#weight.get(this.#queues.of(recipient) ?? null, after, limit) as Weight
    return last === null ? undefined : { bytes: bytes ?? 0, last }
  }

  recall(recipient: RecipientKey, seqs: readonly number[]): Reading {
    const rows = this.#among.iterate(this.#queues.of(recipient) ?? null, JSON.stringify(seqs))
    return this.#read(recipient, rows, NO_LIMIT)
  }

  *#rows(queue: number | null, after: LanePlaces): Generator<Row> {
    for (const lane of this.#lanes.inUse ? LANES : [DEFAULT_PRIORITY]) {
      const place = after[lane] ?? 0
      if (lane === DEFAULT_PRIORITY) yield* this.#ofDefaultLane.iterate(queue, place)
      else yield* this.#otherLane.iterate(queue, lane, place)
    }
  }

  /** It names an index, and can be prepared when that is there. */
  get #otherLane(): Statement<[queue: number | null, lane: number, after: number], Row> {
    this.#ofOtherLane ??= this.#database.prepare(
      select('delivery INDEXED BY delivery_lane', `lane = ? AND lane <> ${DEFAULT_PRIORITY} AND seq > ?`),
    )
    return this.#ofOtherLane
  }

  #read(recipient: RecipientKey, rows: Iterable<Row>, limit: PendingLimit): Reading {
    const deliveries: PendingDelivery[] = []
    const altered: Altered[] = []
    let bytes = 0
    for (const row of rows) {
      if (!isIntact(row)) {
        this.#altered.report(row.seq, row.messageId)
        altered.push({ recipient, seq: row.seq, attempts: attemptsOf(row) })
        continue
      }
      bytes += Buffer.byteLength(row.text)
      if (deliveries.length > 0 && bytes > limit.bytes) break
      deliveries.push(toDelivery(row))
      if (deliveries.length >= limit.messages) break
    }
    return { deliveries, altered }
  }
}

function select(deliveries: string, which: string): string {
  return `
    SELECT ${STORED_ROW}, ${ATTEMPTS}, due_at AS dueAt, lane
    FROM ${deliveries} CROSS JOIN message USING (seq) WHERE queue = ? AND ${which} ORDER BY seq`
}

function toDelivery(row: Row): PendingDelivery {
  const { seq, lane, dueAt } = row
  return { seq, lane, message: toMessage(row), attempts: attemptsOf(row), dueAt }
}
