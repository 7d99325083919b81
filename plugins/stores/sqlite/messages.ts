import type { Message } from '../../../core/index.ts'
import { type KnownMessage, publisherOf } from '../repetition.ts'
import { checksumOf } from './checksum.ts'
import type { Database, Statement } from './database.ts'

type Id = [messageId: string, clusterGroupId: string]

/** The rows of the messages, as the writer sees them. */
export class Messages {
  readonly #insert: Statement
  readonly #newest: Statement<Id, KnownMessage>
  readonly #supersede: Statement<Id>
  readonly #recipients: Statement<[...Id, string, string, number], number>

  constructor(database: Database) {
    this.#insert = database.prepare(`
      INSERT INTO message (seq, message_id, cluster_group_id, type, origin, epoch, n, version, ordering_key, publisher,
        path, text, fingerprint, received_at, recipients, checksum, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (message_id, cluster_group_id, superseded) DO NOTHING`)
    this.#newest = database.prepare(`
      SELECT fingerprint, publisher, version, received_at AS receivedAt, recipients FROM message
      WHERE message_id = ? AND cluster_group_id = ? AND superseded = 0`)
    this.#supersede = database.prepare(
      'UPDATE message SET superseded = seq WHERE message_id = ? AND cluster_group_id = ? AND superseded = 0',
    )
    this.#recipients = database
      .prepare<[...Id, string, string, number], number>(`
        SELECT recipients FROM message WHERE message_id = ? AND cluster_group_id = ?
        ORDER BY origin = ? AND epoch = ? AND n = ? DESC, superseded = 0 DESC LIMIT 1`)
      .pluck()
  }

  /** Whether it was inserted; it is not when its id is taken. */
  insert(seq: number, message: Message, receivedAt: number, recipients: number): boolean {
    const { messageId, clusterGroupId, type, originInstanceId, originSequence, version, orderingKey, text } = message
    const path = JSON.stringify(message.path)
    const expiresAt = message.expiresAt ?? null
    const { changes } = this.#insert.run(
      seq,
      messageId,
      clusterGroupId,
      type,
      originInstanceId,
      originSequence.epoch,
      originSequence.n,
      version ?? null,
      orderingKey ?? null,
      publisherOf(message),
      path,
      text,
      message.fingerprint,
      receivedAt,
      recipients,
      checksumOf({ type, messageId, clusterGroupId, path, text, expiresAt }),
      expiresAt,
    )
    return changes === 1
  }

  /** The message that holds the id. */
  newest(messageId: string, clusterGroupId: string): KnownMessage | undefined {
    return this.#newest.get(messageId, clusterGroupId)
  }

  /** Makes the id free for another message. */
  supersede(messageId: string, clusterGroupId: string): void {
    this.#supersede.run(messageId, clusterGroupId)
  }

  /** How many recipients a message had that was stored before; 0 when its row is gone. */
  recipientsOf({ messageId, clusterGroupId, originInstanceId, originSequence: { epoch, n } }: Message): number {
    return this.#recipients.get(messageId, clusterGroupId, originInstanceId, epoch, n) ?? 0
  }
}
