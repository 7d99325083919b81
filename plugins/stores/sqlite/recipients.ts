import { type RecipientKey, type RecipientRecord, type SavedRecipient, slipstreamError } from '../../../core/index.ts'
import { ATTEMPTS } from './attempts.ts'
import type { Database } from './database.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Lanes } from './lanes.ts'
import type { Ledger } from './ledger.ts'
import type { Queues } from './queues.ts'
import type { Tally } from './tally.ts'

interface Row {
  readonly key: RecipientKey
  readonly name: string
  readonly role: 'instance' | 'client'
  /** JSON array. */
  readonly tags: string
  readonly clusterGroupId: string | null
  readonly url: string | null
  readonly lastSeenAt: number
  /** JSON object. */
  readonly subscription: string | null
}

interface Listed extends Row {
  readonly pending: number
}

interface RecipientsParts {
  readonly database: Database
  readonly ledger: Ledger
  readonly queues: Queues
  readonly lanes: Lanes
  readonly deadLetters: DeadLetters
  readonly now: () => number
}

/** Everyone for whom deliveries may wait. */
export class SavedRecipients {
  readonly #ledger: Ledger
  readonly #queues: Queues
  readonly #lanes: Lanes
  readonly #deadLetters: DeadLetters
  readonly #statements: ReturnType<typeof prepare>

  constructor({ database, ledger, queues, lanes, deadLetters, now }: RecipientsParts) {
    this.#ledger = ledger
    this.#queues = queues
    this.#lanes = lanes
    this.#deadLetters = deadLetters
    this.#statements = prepare(database)
    // Those from before this was written down: time away begins now at the earliest.
    this.#statements.dateUndated.run(now())
  }

  all(): SavedRecipient[] {
    return this.#statements.all.all().map(({ tags, clusterGroupId, url, subscription, ...same }) => ({
      ...same,
      tags: JSON.parse(tags),
      clusterGroupId: clusterGroupId ?? undefined,
      url: url ?? undefined,
      ...(subscription !== null && { subscription: JSON.parse(subscription) }),
    }))
  }

  save({ tags, clusterGroupId, url, subscription, ...same }: RecipientRecord): RecipientKey {
    const row = {
      ...same,
      tags: JSON.stringify(tags),
      clusterGroupId: clusterGroupId ?? null,
      url: url ?? null,
      subscription: subscription ? JSON.stringify(subscription) : null,
    }
    return this.#change(() => {
      const key = this.#statements.save.get(row) as RecipientKey
      this.#ledger.open(key, row.name)
      this.#queues.open(key)
      return key
    })
  }

  noteSeen(keys: readonly RecipientKey[], at: number): void {
    this.#statements.noteSeen.run(at, JSON.stringify(keys))
  }

  rename(from: string, to: string): { key: RecipientKey; pending: number } {
    const key = this.#change((tally) => this.#rename(from, to, tally))
    return { key, pending: this.#ledger.of(key).pending }
  }

  forget(key: RecipientKey): void {
    this.#change((tally) => {
      if (this.#queues.of(key) === undefined) return
      this.#forgetBacklog(key, tally)
      this.#statements.remove.run(key)
      this.#ledger.closeUnneeded(key)
    })
  }

  forgetBacklog(key: RecipientKey): number {
    return this.#change((tally) => {
      if (this.#queues.of(key) === undefined) return 0
      const count = this.#forgetBacklog(key, tally)
      this.#queues.open(key)
      return count
    })
  }

  /** However much waits, nothing of it is touched: the ledger knows how many there are. */
  #forgetBacklog(key: RecipientKey, tally: Tally): number {
    const { pending } = this.#ledger.of(key)
    if (pending > 0) this.#deadLetters.summarize(key, pending, tally)
    this.#queues.leave(key)
    return pending
  }

  /** What was undone is called to mind as well. */
  #change<Result>(work: (tally: Tally) => Result): Result {
    try {
      return this.#ledger.change(work)
    } finally {
      this.#queues.reload()
    }
  }

  #rename(from: string, to: string, tally: Tally): RecipientKey {
    const { byName, changeName, settlePassed } = this.#statements
    const source = byName.get(from)
    const target = byName.get(to)
    const { key } = target ?? source ?? unknown(from)
    // Without a source it was renamed before; nothing that has passed the name was given to it since.
    if (!source || source.key === target?.key) return key
    if (target) {
      this.#unite(source, target, tally)
    } else {
      changeName.run(to, key)
      this.#ledger.rename(key, to)
    }
    tally.leave(key, 'acked', settlePassed.run(this.#queueOf(key), JSON.stringify(to), to).changes)
    return key
  }

  #unite(source: Row, target: Row, tally: Tally): void {
    const { copy, keepFrom, moveDeadLetters, remove, removeDeliveries } = this.#statements
    const [from, to] = [this.#queueOf(source.key), this.#queueOf(target.key)]
    const bothWait = this.#ledger.of(source.key).pending > 0 && this.#ledger.of(target.key).pending > 0
    tally.move(source.key, target.key, this.#ledger.of(source.key))
    const copied = copy.run(to, from).changes
    // What both waited for waits once.
    tally.leave(target.key, 'collapsed', removeDeliveries.run(from).changes - copied)
    if (bothWait) this.#lanes.level(to)
    moveDeadLetters.run(target.key, source.key)
    remove.run(source.key)
    this.#ledger.closeUnneeded(source.key)
    keepFrom.run({ url: source.url ?? target.url, lastSeenAt: source.lastSeenAt, key: target.key })
  }

  /** The number of one that is remembered. */
  #queueOf(key: RecipientKey): number {
    return this.#queues.of(key) as number
  }
}

function unknown(name: string): never {
  throw slipstreamError('SLP_RECIPIENT_UNKNOWN', [name])
}

function prepare(database: Database) {
  const select = `
    SELECT key, recipient.name, role, tags, cluster_group_id AS clusterGroupId, url, last_seen_at AS lastSeenAt,
    subscription`
  return {
    all: database.prepare<[], Listed>(`${select}, pending FROM recipient JOIN ledger ON recipient = key ORDER BY key`),
    byName: database.prepare<[string], Row>(`${select} FROM recipient WHERE name = ?`),
    save: database
      .prepare<[Omit<Row, 'key'>], RecipientKey>(`
        INSERT INTO recipient (name, role, tags, cluster_group_id, url, last_seen_at, subscription)
        VALUES (@name, @role, @tags, @clusterGroupId, @url, @lastSeenAt, @subscription)
        ON CONFLICT (name) DO UPDATE SET role = excluded.role, tags = excluded.tags,
          cluster_group_id = excluded.cluster_group_id, url = excluded.url, last_seen_at = excluded.last_seen_at,
          subscription = excluded.subscription
        RETURNING key`)
      .pluck(),
    dateUndated: database.prepare<[number]>('UPDATE recipient SET last_seen_at = ? WHERE last_seen_at IS NULL'),
    noteSeen: database.prepare<[number, string]>(
      'UPDATE recipient SET last_seen_at = ? WHERE key IN (SELECT value FROM json_each(?))',
    ),
    changeName: database.prepare<[string, RecipientKey]>('UPDATE recipient SET name = ? WHERE key = ?'),
    keepFrom: database.prepare<[Pick<Row, 'key' | 'url' | 'lastSeenAt'>]>(
      'UPDATE recipient SET url = @url, last_seen_at = max(last_seen_at, @lastSeenAt) WHERE key = @key',
    ),
    // Copied and then removed, which takes half as long as changing a part of the primary key row by row.
    copy: database.prepare<[to: number, from: number]>(`
      INSERT OR IGNORE INTO delivery (queue, seq, ${ATTEMPTS}, due_at, replay, lane, key_hash)
      SELECT ?, seq, ${ATTEMPTS}, due_at, replay, lane, key_hash FROM delivery WHERE queue = ?`),
    moveDeadLetters: database.prepare<[RecipientKey, RecipientKey]>(
      'UPDATE dead_letter SET recipient = ? WHERE recipient = ?',
    ),
    // Looking for the quoted name first spares taking apart the paths of nearly all messages.
    settlePassed: database.prepare<[queue: number, string, string]>(`
      DELETE FROM delivery WHERE queue = ? AND EXISTS (
        SELECT 1 FROM message, json_each(iif(json_valid(message.path), message.path, '[]')) AS passed
        WHERE message.seq = delivery.seq AND instr(message.path, ?) > 0 AND passed.value = ?)`),
    removeDeliveries: database.prepare<[queue: number]>('DELETE FROM delivery WHERE queue = ?'),
    remove: database.prepare<[RecipientKey]>('DELETE FROM recipient WHERE key = ?'),
  }
}
