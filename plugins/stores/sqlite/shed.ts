import type { Shed } from '../../../core/index.ts'
import { checksumOf } from './checksum.ts'
import type { Database, Statement } from './database.ts'
import { IS_HELD } from './held.ts'

/** What stays of a message: all that its id is known again by. */
interface Row {
  readonly seq: number
  readonly type: string
  readonly message_id: string
  readonly cluster_group_id: string
}

interface Stretch {
  readonly after: number
  readonly last: number
}

/** Messages that are looked at in a row: most of them have given up their text before. */
const LOOKS = 2_000

/** What takes the place of everything else, as SQL. */
const EMPTY: Readonly<Record<string, string>> = {
  text: "''",
  origin: "''",
  epoch: "''",
  n: '0',
  version: 'NULL',
  ordering_key: 'NULL',
  path: "'[]'",
  expires_at: 'NULL',
}

/**
 * Gives up texts that nobody needs any more, and what belongs to them. A row is removed and written again: merely changed, it
 * would leave a gap in its page, and no page would become free.
 */
export class Shedding {
  readonly #transaction: (rows: readonly Row[]) => void
  readonly #statements: ReturnType<typeof prepare>
  /** The place up to which the present round has come. */
  #passed = 0
  /** The first place in the present round whose text is still there: the next round begins behind it. */
  #firstKept: number | undefined

  constructor(database: Database) {
    const statements = prepare(database)
    const { remove, insert } = statements
    this.#statements = statements
    this.#transaction = database.transaction((rows: readonly Row[]) => {
      for (const { seq } of rows) remove.run(seq)
      for (const row of rows) insert.run({ ...row, checksum: checksumOfBare(row) })
    }).immediate
  }

  run(limit: number): Shed {
    const end = this.#statements.end.get(this.#passed, LOOKS) ?? undefined
    if (end === undefined) return { texts: 0, done: this.#beginAnew() }
    const rows = this.#statements.candidates.all({ after: this.#passed, last: end, limit })
    const stretch = { after: this.#passed, last: rows.length < limit ? end : (rows.at(-1)?.seq ?? end) }
    if (rows.length > 0) this.#transaction(rows)
    this.#firstKept ??= this.#statements.firstWithText.get(stretch) ?? undefined
    this.#passed = stretch.last
    return { texts: rows.length, done: false }
  }

  #beginAnew(): true {
    this.#passed = this.#firstKept === undefined ? this.#passed : this.#firstKept - 1
    this.#firstKept = undefined
    return true
  }
}

function checksumOfBare({ type, message_id: messageId, cluster_group_id: clusterGroupId }: Row): number {
  return checksumOf({ type, messageId, clusterGroupId, path: '[]', text: '', expiresAt: null })
}

function prepare(database: Database) {
  const info = database.pragma('table_info(message)') as readonly { readonly name: string }[]
  const kept = info.map(({ name }) => name).filter((name) => !Object.hasOwn(EMPTY, name))
  const range = 'seq > @after AND seq <= @last AND octet_length(text) > 0'
  return {
    end: database
      .prepare<[after: number, looks: number], number | null>(
        'SELECT max(seq) FROM (SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT ?)',
      )
      .pluck() as Statement<[number, number], number | null>,
    candidates: database.prepare<[Stretch & { limit: number }], Row>(
      `SELECT ${kept} FROM message WHERE ${range} AND NOT ${IS_HELD} ORDER BY seq LIMIT @limit`,
    ),
    firstWithText: database
      .prepare<[Stretch], number | null>(`SELECT min(seq) FROM message WHERE ${range}`)
      .pluck() as Statement<[Stretch], number | null>,
    remove: database.prepare<[number]>('DELETE FROM message WHERE seq = ?'),
    insert: database.prepare<[Row & { checksum: number }]>(
      `INSERT INTO message (${kept}, ${Object.keys(EMPTY)})
      VALUES (${kept.map((name) => `@${name}`)}, ${Object.values(EMPTY)})`,
    ),
  }
}
