import { type RecipientKey, type RecipientRecord, type SavedRecipient, slipstreamError } from '../../../core/index.ts'
import type { Counters } from './counters.ts'
import type { Database } from './database.ts'

interface Row {
  readonly key: RecipientKey
  readonly name: string
  readonly role: 'instance' | 'client'
  /** JSON array. */
  readonly tags: string
  readonly clusterGroupId: string | null
  readonly url: string | null
}

interface United {
  readonly key: RecipientKey
  readonly pending: number
  /** The key that was given up, when both names were known. */
  readonly gone: RecipientKey | undefined
}

/** Everyone for whom deliveries may wait. */
export class SavedRecipients {
  readonly #counters: Counters
  readonly #statements: ReturnType<typeof prepare>
  readonly #rename: (from: string, to: string) => United
  readonly #forget: (key: RecipientKey) => void

  constructor(database: Database, counters: Counters) {
    this.#counters = counters
    this.#statements = prepare(database)
    this.#rename = database.transaction((from: string, to: string) => this.#unite(from, to)).immediate
    this.#forget = database.transaction((key: RecipientKey) => this.#remove(key)).immediate
  }

  all(): SavedRecipient[] {
    return this.#statements.all.all().map(({ key, name, role, tags, clusterGroupId, url }) => ({
      key,
      name,
      role,
      tags: JSON.parse(tags),
      clusterGroupId: clusterGroupId ?? undefined,
      url: url ?? undefined,
      pending: this.#counters.pendingOf(key),
    }))
  }

  save({ name, role, tags, clusterGroupId, url }: RecipientRecord): RecipientKey {
    const key = this.#statements.save.get(name, role, JSON.stringify(tags), clusterGroupId ?? null, url ?? null)
    return key as RecipientKey
  }

  rename(from: string, to: string): { key: RecipientKey; pending: number } {
    const { key, pending, gone } = this.#rename(from, to)
    if (gone !== undefined) this.#counters.forget(gone)
    this.#counters.set(key, pending)
    return { key, pending }
  }

  forget(key: RecipientKey): void {
    this.#forget(key)
    this.#counters.forget(key)
  }

  #unite(from: string, to: string): United {
    const { byName, changeName, changeUrl, move, settlePassed, count } = this.#statements
    const source = byName.get(from)
    const target = byName.get(to)
    const { key } = target ?? source ?? unknown(from)
    if (!target) {
      changeName.run(to, key)
    } else if (source && source.key !== key) {
      move.run(key, source.key)
      this.#remove(source.key)
      changeUrl.run(source.url ?? target.url, key)
    }
    settlePassed.run(key, to)
    const gone = source?.key === key ? undefined : source?.key
    return { key, pending: count.get(key) ?? 0, gone }
  }

  #remove(key: RecipientKey): void {
    this.#statements.removeDeliveries.run(key)
    this.#statements.remove.run(key)
  }
}

function unknown(name: string): never {
  throw slipstreamError('SLP_RECIPIENT_UNKNOWN', [name])
}

function prepare(database: Database) {
  const select = 'SELECT key, name, role, tags, cluster_group_id AS clusterGroupId, url FROM recipient'
  return {
    all: database.prepare<[], Row>(select),
    byName: database.prepare<[string], Row>(`${select} WHERE name = ?`),
    save: database
      .prepare<[string, string, string, string | null, string | null], RecipientKey>(`
        INSERT INTO recipient (name, role, tags, cluster_group_id, url) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET role = excluded.role, tags = excluded.tags,
          cluster_group_id = excluded.cluster_group_id, url = excluded.url
        RETURNING key`)
      .pluck(),
    changeName: database.prepare<[string, RecipientKey]>('UPDATE recipient SET name = ? WHERE key = ?'),
    changeUrl: database.prepare<[string | null, RecipientKey]>('UPDATE recipient SET url = ? WHERE key = ?'),
    // What both wait for waits once: the second row stays behind and goes with the recipient.
    move: database.prepare<[RecipientKey, RecipientKey]>(
      'UPDATE OR IGNORE delivery SET recipient = ? WHERE recipient = ?',
    ),
    settlePassed: database.prepare<[RecipientKey, string]>(`
      DELETE FROM delivery WHERE recipient = ? AND EXISTS (
        SELECT 1 FROM message, json_each(iif(json_valid(message.path), message.path, '[]')) AS passed
        WHERE message.seq = delivery.seq AND passed.value = ?)`),
    count: database.prepare<[RecipientKey], number>('SELECT count(*) FROM delivery WHERE recipient = ?').pluck(),
    removeDeliveries: database.prepare<[RecipientKey]>('DELETE FROM delivery WHERE recipient = ?'),
    remove: database.prepare<[RecipientKey]>('DELETE FROM recipient WHERE key = ?'),
  }
}
