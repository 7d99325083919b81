import BetterSqlite3 from 'better-sqlite3'
import type { DedupContext, DedupVerdict } from '../../../core/index.ts'
import { createFile, type Database, pragmaNumber } from '../../stores/sqlite/database.ts'
import { assertNodeRunsDriver } from '../../stores/sqlite/driver.ts'

/** How long to wait for the locks of other processes, in milliseconds. The event loop stands still meanwhile. */
const BUSY_TIMEOUT_MS = 2_000
/** What this file is, for SQLite's `application_id`: "SLPD". */
const APPLICATION_ID = 0x534c5044
const SCHEMA_VERSION = 1
/** So many are forgotten with every so many claims: more go than come. */
const PURGED_AT_ONCE = 128
const CLAIMS_BETWEEN_PURGES = 32

const SCHEMA = `
  CREATE TABLE handled (
    key       TEXT PRIMARY KEY,
    state     TEXT NOT NULL,     -- claimed, confirmed, released
    token     INTEGER NOT NULL,  -- of the latest claim
    expiry    INTEGER NOT NULL,  -- of its lease
    forget_at INTEGER NOT NULL   -- both in milliseconds since the epoch
  ) STRICT;
  CREATE INDEX handled_forget ON handled (forget_at);
`

/** Opens or creates the file, which other processes may have open as well. */
export function openDedupFile(path: string, maxBytes: number, context: DedupContext): DedupFile {
  assertNodeRunsDriver()
  createFile(path)
  const database = new BetterSqlite3(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    assertOurs(database)
    configure(database, maxBytes)
    database.transaction(() => create(database)).immediate()
    return new DedupFile(database, context)
  } catch (error) {
    database.close()
    throw error
  }
}

/** Leaves alone what is somebody else's, such as the file of a store, or was written by a later version. */
function assertOurs(database: Database): void {
  if (isEmpty(database)) return
  if (pragmaNumber(database, 'application_id') !== APPLICATION_ID) throw new Error('it is the file of something else')
  if (pragmaNumber(database, 'user_version') > SCHEMA_VERSION) throw new Error('it was written by a newer slipstream')
}

function configure(database: Database, maxBytes: number): void {
  const journal = database.pragma('journal_mode = WAL', { simple: true })
  if (journal !== 'wal') throw new Error(`journal_mode is ${journal}, not wal`)
  database.pragma('synchronous = NORMAL')
  database.pragma('trusted_schema = OFF')
  database.pragma(`max_page_count = ${Math.floor(maxBytes / pragmaNumber(database, 'page_size'))}`)
}

function create(database: Database): void {
  // Another process may have been quicker.
  assertOurs(database)
  if (!isEmpty(database)) return
  database.exec(SCHEMA)
  database.pragma(`application_id = ${APPLICATION_ID}`)
  database.pragma(`user_version = ${SCHEMA_VERSION}`)
}

function isEmpty(database: Database): boolean {
  return database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0
}

/** What is known of each key, in one table. Each call is one transaction. */
export class DedupFile {
  readonly #database: Database
  readonly #context: DedupContext
  readonly #statements: ReturnType<typeof prepare>
  readonly #claim: (key: string) => DedupVerdict
  readonly #confirm: (claims: readonly Claim[]) => readonly boolean[]
  #claims = 0

  constructor(database: Database, context: DedupContext) {
    this.#database = database
    this.#context = context
    this.#statements = prepare(database)
    this.#claim = database.transaction((key: string) => this.#take(key)).immediate
    this.#confirm = database.transaction((claims: readonly Claim[]) => this.#keep(claims)).immediate
  }

  claim(key: string): DedupVerdict {
    this.#purge()
    return this.#claim(key)
  }

  extend(key: string, token: number): boolean {
    const now = this.#context.runtime.now()
    const { leaseMs, ttlMs } = this.#context
    const expiry = now + leaseMs
    return this.#statements.extend.run({ key, token, now, expiry, forgetAt: expiry + ttlMs }).changes > 0
  }

  /** The commit waits for the disk, and takes all before it along. */
  confirm(claims: readonly Claim[]): readonly boolean[] {
    this.#database.pragma('synchronous = FULL')
    try {
      return this.#confirm(claims)
    } finally {
      this.#database.pragma('synchronous = NORMAL')
    }
  }

  release(key: string, token: number): void {
    this.#statements.release.run({ key, token })
  }

  find(key: string): 'claimed' | 'confirmed' | undefined {
    const now = this.#context.runtime.now()
    const row = this.#statements.find.get(key)
    if (!row || row.forgetAt <= now || row.state === 'released') return undefined
    return row.state === 'confirmed' || now < row.expiry ? row.state : undefined
  }

  close(): void {
    this.#database.close()
  }

  #take(key: string): DedupVerdict {
    const { runtime, leaseMs, ttlMs } = this.#context
    const now = runtime.now()
    const expiry = now + leaseMs
    const token = this.#statements.claim.get({
      key,
      now,
      micros: Math.floor(now * 1_000),
      expiry,
      forgetAt: expiry + ttlMs,
    })
    if (token !== undefined) return { status: 'claimed', token }
    const row = this.#statements.find.get(key) as Row
    return row.state === 'confirmed' ? { status: 'duplicate' } : { status: 'busy', forMs: row.expiry - now }
  }

  #keep(claims: readonly Claim[]): readonly boolean[] {
    const { runtime, ttlMs } = this.#context
    const now = runtime.now()
    const times = { now, forgetAt: now + ttlMs }
    return claims.map(({ key, token }) => this.#statements.confirm.run({ key, token, ...times }).changes > 0)
  }

  /** In a transaction of its own, so that it makes room also in a file that is full. */
  #purge(): void {
    if (this.#claims++ % CLAIMS_BETWEEN_PURGES !== 0) return
    this.#statements.purge.run(this.#context.runtime.now(), PURGED_AT_ONCE)
  }
}

interface Row {
  readonly state: 'claimed' | 'confirmed' | 'released'
  readonly expiry: number
  readonly forgetAt: number
}

/** Who holds what. */
export interface Claim {
  readonly key: string
  readonly token: number
}

interface Times {
  readonly now: number
  readonly expiry: number
  readonly forgetAt: number
}

function prepare(database: Database) {
  return {
    claim: database
      .prepare<[Times & { key: string; micros: number }], number>(`
        INSERT INTO handled (key, state, token, expiry, forget_at) VALUES (@key, 'claimed', @micros, @expiry, @forgetAt)
        ON CONFLICT (key) DO UPDATE
        SET state = 'claimed', token = max(token + 1, @micros), expiry = @expiry, forget_at = @forgetAt
        WHERE state = 'released' OR forget_at <= @now OR (state = 'claimed' AND expiry <= @now)
        RETURNING token`)
      .pluck(),
    extend: database.prepare<[Claim & Times]>(`
      UPDATE handled SET expiry = @expiry, forget_at = @forgetAt
      WHERE key = @key AND token = @token AND state = 'claimed' AND forget_at > @now`),
    confirm: database.prepare<[Claim & Omit<Times, 'expiry'>]>(`
      UPDATE handled SET state = 'confirmed', forget_at = @forgetAt
      WHERE key = @key AND token = @token AND state <> 'released' AND forget_at > @now`),
    release: database.prepare<[Claim]>(`
      UPDATE handled SET state = 'released' WHERE key = @key AND token = @token AND state = 'claimed'`),
    find: database.prepare<[key: string], Row>(
      'SELECT state, expiry, forget_at AS forgetAt FROM handled WHERE key = ?',
    ),
    purge: database.prepare<[now: number, limit: number]>(`
      DELETE FROM handled
      WHERE key IN (SELECT key FROM handled WHERE forget_at <= ? ORDER BY forget_at LIMIT ?)`),
  }
}
