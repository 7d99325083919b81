import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { problemOf, slipstreamError } from '../../../core/index.ts'
import { assertNodeRunsDriver } from './driver.ts'

export type Database = BetterSqlite3.Database
export type Statement<Parameters extends unknown[] = unknown[], Row = unknown> = BetterSqlite3.Statement<
  Parameters,
  Row
>

/** How long to wait for another process's lock, in milliseconds. The event loop stands still meanwhile. */
const BUSY_TIMEOUT_MS = 250
const JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
const CACHE_KIB = 32 * 1024
const CHECKPOINT_PAGES = 4_000

/** `synchronous` as SQLite reads it back: from FULL on, each commit waits for the disk. */
const FULL = 2

/** Opens or creates the file, alone and durable, or refuses (`SLP_STORE_IN_USE`, `SLP_STORE_UNSAFE`). */
export function openDatabase(path: string, maxBytes: number): Database {
  assertNodeRunsDriver()
  let database: Database | undefined
  try {
    createFile(path)
    database = new BetterSqlite3(path, { timeout: BUSY_TIMEOUT_MS })
    configure(database, maxBytes)
    return database
  } catch (error) {
    database?.close()
    throw refusal(path, error)
  }
}

/** Creates the file with access for its owner alone; SQLite gives the files it lays beside it the same mode. */
export function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    // A file that exists must not even be opened here: closing it would drop all locks that this process holds on it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function configure(database: Database, maxBytes: number): void {
  database.pragma('locking_mode = EXCLUSIVE')
  database.pragma('auto_vacuum = INCREMENTAL')
  database.pragma('journal_mode = WAL')
  // After WAL, because better-sqlite3 is built to fall back to NORMAL then, which loses commits in a power cut.
  database.pragma('synchronous = FULL')
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  database.pragma(`journal_size_limit = ${JOURNAL_LIMIT_BYTES}`)
  database.pragma(`cache_size = -${CACHE_KIB}`)
  database.pragma('trusted_schema = OFF')
  database.pragma('foreign_keys = ON')
  database.pragma(`max_page_count = ${Math.floor(maxBytes / pragmaNumber(database, 'page_size'))}`)
  assertDurable(database)
  // The exclusive lock is taken by the first transaction and never given back.
  database.exec('BEGIN IMMEDIATE; COMMIT')
}

/** Refuses a file on which a commit could be lost. */
export function assertDurable(database: Database): void {
  const journal = database.pragma('journal_mode', { simple: true })
  if (journal !== 'wal') throw slipstreamError('SLP_STORE_UNSAFE', [`journal_mode is ${journal}, not wal`])
  const synchronous = pragmaNumber(database, 'synchronous')
  if (synchronous < FULL) throw slipstreamError('SLP_STORE_UNSAFE', [`synchronous is ${synchronous}, not FULL`])
}

/** The value of a numeric pragma. */
export function pragmaNumber(database: Database, name: string): number {
  return Number(database.pragma(name, { simple: true }))
}

function refusal(path: string, error: unknown): unknown {
  const code = String((error as { code?: unknown }).code)
  if (code.startsWith('SLP_')) return error
  if (code.startsWith('SQLITE_BUSY')) return slipstreamError('SLP_STORE_IN_USE', [path], { cause: error })
  return slipstreamError('SLP_STORE_FAILED', [`${path} cannot be opened: ${problemOf(error)}`], { cause: error })
}
