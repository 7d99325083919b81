import type { StoredMessage } from '../../../core/index.ts'
import { type Checked, checksumOf } from './checksum.ts'

/** The columns of a message that is read to be delivered. */
export interface StoredRow extends Checked {
  readonly seq: number
  readonly orderingKey: string | null
  readonly version: string | null
  readonly receivedAt: number
  readonly checksum: number
}

export const STORED_ROW = `seq, type, message_id AS messageId, cluster_group_id AS clusterGroupId, text, path,
  ordering_key AS orderingKey, version, expires_at AS expiresAt, received_at AS receivedAt, checksum`

/** Whether the row is as it was written. */
export function isIntact(row: StoredRow): boolean {
  return row.checksum === checksumOf(row)
}

export function toMessage(row: StoredRow): StoredMessage {
  const { seq, type, messageId, clusterGroupId, text, path, orderingKey, version, expiresAt, receivedAt } = row
  return {
    seq,
    type,
    messageId,
    clusterGroupId,
    text,
    path: JSON.parse(path),
    orderingKey: orderingKey ?? undefined,
    version: version ?? undefined,
    expiresAt: expiresAt ?? undefined,
    receivedAt,
  }
}
