/** `slipstream/client/disk`, for Node: an outbox that survives the process. */
import { createRequire } from 'node:module'
import Database from 'better-sqlite3'
import { portableRuntime } from '../runtime/portable.ts'
import type { KeptMessage, Outbox } from './outbox.ts'

export type { KeptMessage, Outbox } from './outbox.ts'

/** From this major on, better-sqlite3 is built for Node-API 10, and ends an older Node with a segmentation fault. */
const FIRST_MAJOR_OF_NAPI_10 = 13
/** How long to wait for another process's lock, in milliseconds. */
const BUSY_TIMEOUT_MS = 250

interface Row {
  readonly messageId: string
  readonly text: string
  readonly orderingKey: string | null
}

/** What is written with the next commit. */
interface Change {
  run(): void
  done(): void
  failed(error: unknown): void
}

/**
 * Keeps what is published in a SQLite file of its own until an instance has it: a crash or a power cut loses nothing that was
 * kept, and the same ids are sent at the next start. One process at a time: `open` rejects while another one has the file.
 */
export function diskOutbox(path: string): Outbox {
  return new DiskOutbox(path)
}

class DiskOutbox implements Outbox {
  readonly #path: string
  #file: Database.Database | undefined
  #changes: Change[] = []
  #isScheduled = false

  constructor(path: string) {
    this.#path = path
  }

  async open(): Promise<readonly KeptMessage[]> {
    assertNodeRunsDriver()
    const file = new Database(this.#path, { timeout: BUSY_TIMEOUT_MS })
    try {
      prepare(file)
    } catch (error) {
      file.close()
      throw error
    }
    this.#file = file
    const rows = file.prepare<[], Row>(
      'SELECT message_id AS messageId, text, ordering_key AS orderingKey FROM outbox ORDER BY place',
    )
    return rows.all().map(({ messageId, text, orderingKey }) => ({
      ...{ messageId, text, orderingKey: orderingKey ?? undefined },
    }))
  }

  put({ messageId, text, orderingKey }: KeptMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const run = () => this.#write(INSERT, messageId, text, orderingKey ?? null)
      this.#add({ run, done: resolve, failed: reject })
    })
  }

  remove(messageId: string): void {
    // What cannot be removed is sent once more at the next start, and is a duplicate then.
    this.#add({ run: () => this.#write(DELETE, messageId), done: () => {}, failed: () => {} })
  }

  async close(): Promise<void> {
    this.#commit()
    this.#file?.close()
    this.#file = undefined
  }

  #write(sql: string, ...parameters: readonly (string | null)[]): void {
    if (!this.#file) throw new Error('the outbox is closed')
    this.#file.prepare(sql).run(...parameters)
  }

  /** All changes of one turn share a transaction, and with it the sync of the disk. */
  #add(change: Change): void {
    this.#changes.push(change)
    if (this.#isScheduled) return
    this.#isScheduled = true
    portableRuntime.defer(() => this.#commit())
  }

  #commit(): void {
    const changes = this.#changes
    this.#changes = []
    this.#isScheduled = false
    if (changes.length === 0) return
    try {
      if (!this.#file) throw new Error('the outbox is closed')
      this.#file.transaction(() => {
        for (const change of changes) change.run()
      })()
      for (const { done } of changes) done()
    } catch (error) {
      for (const { failed } of changes) failed(error)
    }
  }
}

// An id that is there already stands for a message that is to be removed: the new one takes its place.
const INSERT = 'INSERT OR REPLACE INTO outbox (message_id, text, ordering_key) VALUES (?, ?, ?)'
const DELETE = 'DELETE FROM outbox WHERE message_id = ?'

/** Alone with the file from now on, and each commit waits for the disk. */
function prepare(file: Database.Database): void {
  file.pragma('locking_mode = EXCLUSIVE')
  file.pragma('journal_mode = WAL')
  file.pragma('synchronous = FULL')
  file.exec(
    'CREATE TABLE IF NOT EXISTS outbox (place INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, ' +
      'text TEXT NOT NULL, ordering_key TEXT) STRICT; BEGIN IMMEDIATE; COMMIT',
  )
}

function assertNodeRunsDriver(): void {
  const { version } = createRequire(import.meta.url)('better-sqlite3/package.json') as { version: string }
  if (Number.parseInt(version, 10) < FIRST_MAJOR_OF_NAPI_10 || Number(process.versions.napi) >= 10) return
  throw new Error(`better-sqlite3 ${version} would crash on Node ${process.versions.node}; install better-sqlite3@12`)
}
