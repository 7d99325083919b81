import {
  bucketOf,
  isSameEntry,
  remembers,
  type StateBackend,
  type StateContext,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateOutcome,
  type StateStatistics,
  slipstreamError,
} from '../../../core/index.ts'
import type { Database } from '../../stores/sqlite/database.ts'
import type { JoinedWithin } from '../../stores/sqlite/shared.ts'
import { Account } from './account.ts'
import { Entries } from './entries.ts'
import { Notes } from './notes.ts'
import { type Head, Rows } from './rows.ts'
import { migrate } from './schema.ts'
import { Totals } from './totals.ts'
import type { Workplace } from './workplace.ts'

interface Opened {
  readonly rows: Rows
  readonly entries: Entries
  readonly totals: Totals
  readonly notes: Notes
}

const FIRST: StateKey = Object.freeze({ space: '', key: '' })
/** In front of the first bucket. */
const NOWHERE = -1

/** The contract of a state backend over a database that is worked on synchronously. */
export class SqliteState implements StateBackend {
  readonly name = 'sqlite'
  readonly #workplace: Workplace
  #opened: Opened | undefined

  constructor(workplace: Workplace) {
    this.#workplace = workplace
  }

  async open({ joinedBy }: StateContext): Promise<void> {
    this.#workplace.open()
    try {
      this.#opened = this.#workplace.write((database) => openedIn(database, joinedBy))
    } catch (error) {
      this.#workplace.close()
      throw error
    }
  }

  async join(deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    if (deltas.length === 0) return []
    return this.#change(({ entries }, account) => deltas.map((delta) => entries.join(delta, account)))
  }

  /** As `join`, within a transaction of the store. */
  joinWithin(deltas: readonly StateEntry[]): JoinedWithin {
    const { rows, entries, totals } = this.#parts()
    const account = new Account()
    try {
      const outcomes = deltas.map((delta) => entries.join(delta, account))
      totals.post(account)
      return { outcomes, ended: (committed) => (committed ? totals.posted(account) : rows.forget()) }
    } catch (error) {
      rows.forget()
      throw error
    }
  }

  async read(keys: readonly StateKey[]): Promise<readonly (StateEntry | undefined)[]> {
    return this.#read(({ entries }) => keys.map((key) => entries.read(key)))
  }

  async swap(expected: StateEntry | undefined, next: StateEntry | undefined): Promise<boolean> {
    return this.#change(({ entries }, account) => {
      const current = entries.read((next ?? expected) as StateKey)
      if (!isSameEntry(current, expected)) return false
      if (next) entries.replace(current, next, account)
      else if (current) entries.remove(current, account)
      return true
    })
  }

  async digests(): Promise<BigUint64Array> {
    return this.#read(({ totals }) => totals.digests())
  }

  async entriesIn(
    buckets: readonly number[],
    after: StateKey | undefined,
    limit: StateLimit,
  ): Promise<readonly StateEntry[]> {
    return this.#read(({ rows }) => {
      const heads: Head[] = []
      const from = after ? bucketOf(after) : NOWHERE
      for (const [first, last] of runs(buckets)) {
        if (heads.length >= limit.entries) break
        if (last < from) continue
        const isGoingOn = after !== undefined && first <= from
        const [bucket, key] = isGoingOn ? [from, after] : [first, FIRST]
        heads.push(...rows.upTo(last, bucket, key, limit.entries - heads.length))
      }
      return pageOf(rows, heads, limit)
    })
  }

  async scan(after: StateKey | undefined, limit: StateLimit): Promise<readonly StateEntry[]> {
    const bucket = after ? bucketOf(after) : NOWHERE
    return this.#read(({ rows }) => pageOf(rows, rows.after(bucket, after ?? FIRST, limit.entries), limit))
  }

  async *remembered(): AsyncGenerator<StateEntry> {
    const ids = this.#read(({ rows }) => rows.remembering())
    for (const id of ids) {
      const entry = this.#read(({ rows }) => {
        const head = rows.byId(id)
        return head && rows.entry(head)
      })
      if (entry && remembers(entry)) yield entry
    }
  }

  async purgeTombstones(beforeVersion: string, limit: number): Promise<number> {
    return this.#change(({ entries }, account) => entries.purge(beforeVersion, limit, account))
  }

  async note(name: string): Promise<string | undefined> {
    return this.#read(({ notes }) => notes.read(name))
  }

  async keepNote(name: string, text: string): Promise<void> {
    const { notes } = this.#parts()
    this.#workplace.write(() => notes.keep(name, text))
  }

  statistics(): StateStatistics {
    return this.#parts().totals.figures
  }

  async close(): Promise<void> {
    this.#opened = undefined
    this.#workplace.close()
  }

  #read<Result>(work: (parts: Opened) => Result): Result {
    const parts = this.#parts()
    return this.#workplace.read(() => work(parts))
  }

  /** What is changed, and what that changes about digests and figures, in one transaction. */
  #change<Result>(work: (parts: Opened, account: Account) => Result): Result {
    const parts = this.#parts()
    const account = new Account()
    try {
      const result = this.#workplace.write(() => {
        const result = work(parts, account)
        parts.totals.post(account)
        return result
      })
      parts.totals.posted(account)
      return result
    } catch (error) {
      parts.rows.forget()
      throw error
    }
  }

  #parts(): Opened {
    if (!this.#opened) throw slipstreamError('SLP_STATE_FAILED', ['it is not open'])
    return this.#opened
  }
}

function openedIn(database: Database, joinedBy: StateContext['joinedBy']): Opened {
  migrate(database)
  const rows = new Rows(database)
  return { rows, entries: new Entries(rows, joinedBy), totals: new Totals(database), notes: new Notes(database) }
}

/** The buckets as runs of those that follow each other: each run is read at once. */
function runs(buckets: readonly number[]): readonly (readonly [first: number, last: number])[] {
  const runs: [number, number][] = []
  for (const bucket of [...new Set(buckets)].sort((one, other) => one - other)) {
    const run = runs.at(-1)
    if (run && bucket === run[1] + 1) run[1] = bucket
    else runs.push([bucket, bucket])
  }
  return runs
}

/** As many of the entries as fit, but one at least. */
function pageOf(rows: Rows, heads: readonly Head[], limit: StateLimit): readonly StateEntry[] {
  const page: StateEntry[] = []
  let bytes = 0
  for (const head of heads) {
    bytes += head.key.length + head.size
    if (page.length > 0 && bytes > limit.bytes) break
    page.push(rows.entry(head))
  }
  return page
}
