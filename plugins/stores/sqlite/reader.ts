import type { Log, PendingDelivery, PendingLimit, RecipientKey, StoredMessage } from '../../../core/index.ts'
import { type Checked, checksumOf } from './checksum.ts'
import type { Database, Statement } from './database.ts'

interface Row extends Checked {
  readonly seq: number
  readonly receivedAt: number
  readonly checksum: number
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
      SELECT seq, type, message_id AS messageId, cluster_group_id AS clusterGroupId, text, path,
        received_at AS receivedAt, checksum
      FROM delivery CROSS JOIN message USING (seq)
      WHERE recipient = ? AND seq > ? ORDER BY seq`)
  }

  /** How many altered rows were met. */
  get corruptRows(): number {
    return this.#corrupt.size
  }

  pending(recipient: RecipientKey, after: number, limit: PendingLimit): PendingDelivery[] {
    const deliveries: PendingDelivery[] = []
    let bytes = 0
    for (const row of this.#rows.iterate(recipient, after)) {
      if (row.checksum !== checksumOf(row)) {
        this.#report(row)
        continue
      }
      bytes += Buffer.byteLength(row.text)
      if (deliveries.length > 0 && bytes > limit.bytes) break
      deliveries.push({ seq: row.seq, message: toMessage(row) })
      if (deliveries.length >= limit.messages) break
    }
    return deliveries
  }

  #report({ seq, messageId }: Row): void {
    if (this.#corrupt.has(seq) || this.#corrupt.size >= MAX_REMEMBERED) return
    this.#corrupt.add(seq)
    this.#log.critical('stored message was altered on disk and is not delivered', { messageId })
  }
}

function toMessage({ seq, type, messageId, clusterGroupId, text, path, receivedAt }: Row): StoredMessage {
  return { seq, type, messageId, clusterGroupId, text, path: JSON.parse(path), receivedAt }
}
