import { crc32 } from 'node:zlib'
import type {
  DueMessages,
  Log,
  Message,
  PendingLimit,
  ScheduledKey,
  ScheduledMessage,
  StoreVerdict,
} from '../../../core/index.ts'
import { type Holder, judgeRepetition, publisherOf } from '../repetition.ts'
import { AlteredRows } from './altered-rows.ts'
import { type Checked, checksumOf } from './checksum.ts'
import type { Database, Statement } from './database.ts'
import type { Ledger } from './ledger.ts'

interface Row extends Omit<Checked, 'expiresAt'> {
  readonly key: ScheduledKey
  readonly dueAt: number
  readonly checksum: number
}

interface Reading extends DueMessages {
  /** What was met on the way and left out: no longer what was accepted. */
  readonly altered: readonly ScheduledKey[]
}

/** Messages that wait for their time. */
export class ScheduledMessages {
  readonly #ledger: Ledger
  readonly #now: () => number
  readonly #altered: AlteredRows
  readonly #statements: ReturnType<typeof prepare>
  /** Whether there is one, as far as is known. Where none ever was, no id has to be looked for. */
  #any: boolean

  constructor(database: Database, ledger: Ledger, log: Log, now: () => number) {
    this.#ledger = ledger
    this.#now = now
    this.#altered = new AlteredRows(log, 'scheduled message was altered on disk and is not released')
    this.#statements = prepare(database)
    this.#any = this.#statements.first.get(-1) !== undefined
  }

  /** How many altered rows were met. */
  get alteredRows(): number {
    return this.#altered.count
  }

  /** What another message is under an id that one of these holds; undefined: none does. */
  judge(message: Message): StoreVerdict | undefined {
    const known = this.#any && this.#statements.known.get(message.messageId, message.clusterGroupId)
    return known ? judgeRepetition(message, known) : undefined
  }

  add(message: Message, dueAt: number, recipients: number): void {
    const { messageId, clusterGroupId, type, text, fingerprint } = message
    const path = JSON.stringify(message.path)
    const checksum = checksumWith({ type, messageId, clusterGroupId, path, text, dueAt })
    const known = [publisherOf(message), fingerprint, recipients]
    this.#any = true
    this.#statements.insert.run(dueAt, messageId, clusterGroupId, type, path, text, ...known, checksum)
  }

  /** Whether it was still there to be removed. */
  take(key: ScheduledKey): boolean {
    return this.#statements.take.run(key).changes === 1
  }

  due(dueBy: number, limit: PendingLimit, after?: ScheduledMessage): Reading {
    const due: ScheduledMessage[] = []
    const altered: ScheduledKey[] = []
    let bytes = 0
    for (const row of this.#statements.due.iterate(dueBy, after?.dueAt ?? 0, after?.key ?? 0)) {
      if (row.checksum !== checksumWith(row)) {
        this.#altered.report(row.key, row.messageId)
        altered.push(row.key)
        continue
      }
      bytes += Buffer.byteLength(row.text)
      if (due.length > 0 && bytes > limit.bytes) break
      due.push(toScheduled(row))
      if (due.length >= limit.messages) break
    }
    return { due, altered, nextDueAt: this.#statements.first.get(dueBy) }
  }

  /** Keeps altered ones, but out of the way from now on. */
  setAside(altered: readonly ScheduledKey[]): void {
    this.#ledger.change((tally) => {
      for (const key of altered) tally.scheduled -= this.#statements.setAside.run(this.#now(), key).changes
    })
  }

  /** Forgets what was set aside before a time, as many at most; within a transaction. */
  purge(before: number, limit: number): void {
    this.#statements.purge.run(before, limit)
  }
}

function checksumWith({ dueAt, ...checked }: Omit<Row, 'key' | 'checksum'>): number {
  return crc32(`\n${dueAt}`, checksumOf({ ...checked, expiresAt: null }))
}

function toScheduled({ key, dueAt, type, messageId, clusterGroupId, path, text }: Row): ScheduledMessage {
  return { key, dueAt, type, messageId, clusterGroupId, text, path: JSON.parse(path) }
}

function prepare(database: Database) {
  const held = 'FROM scheduled WHERE altered_at IS NULL'
  return {
    known: database.prepare<[string, string], Holder>(
      `SELECT fingerprint, publisher, recipients ${held} AND message_id = ? AND cluster_group_id = ?`,
    ),
    insert: database.prepare(`
      INSERT INTO scheduled (due_at, message_id, cluster_group_id, type, path, text, publisher, fingerprint, recipients,
        checksum)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    take: database.prepare<[ScheduledKey]>(`DELETE ${held} AND key = ?`),
    due: database.prepare<[number, number, ScheduledKey], Row>(`
      SELECT key, due_at AS dueAt, type, message_id AS messageId, cluster_group_id AS clusterGroupId, path, text, checksum
      ${held} AND due_at <= ? AND (due_at, key) > (?, ?) ORDER BY due_at, key`),
    first: database
      .prepare<[number], number>(`SELECT due_at ${held} AND due_at > ? ORDER BY due_at LIMIT 1`)
      .pluck() as Statement<[number], number>,
    setAside: database.prepare<[number, ScheduledKey]>(
      'UPDATE scheduled SET altered_at = ? WHERE key = ? AND altered_at IS NULL',
    ),
    purge: database.prepare<[number, number]>(`
      DELETE FROM scheduled WHERE key IN (SELECT key FROM scheduled WHERE altered_at < ? ORDER BY altered_at LIMIT ?)`),
  }
}
