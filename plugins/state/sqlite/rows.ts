import {
  type Digest,
  Recent,
  type StateEntry,
  type StateKey,
  type ValueEntry,
  type WeightedMember,
} from '../../../core/index.ts'
import type { Database, Statement } from '../../stores/sqlite/database.ts'

/** All of an entry but its value and its members, which may be large. */
export interface Head extends StateKey, Digest {
  readonly id: number
  readonly bucket: number
  readonly shape: StateEntry['shape']
  readonly version: string
  readonly floor: string
  readonly live: number
  readonly size: number
}

/** What of a head changes with its entry. */
export type Changing = Omit<Head, 'id' | keyof StateKey | 'bucket'>

const FIGURES = 'id, shape, version, floor, live, size, high, low'
type Figures = [number, Head['shape'], string, string, number, number, number, number]
const HEAD = `${FIGURES}, bucket, space, key`

/** Heads that are kept in memory at most: some 4 MB. */
const RECENT_HEADS = 16_384

/** The statements over the tables of entries. */
export class Rows {
  readonly #figures: Statement<[number, string, string], Figures>
  readonly #value: Statement<[number], string>
  readonly #members: Statement<[number], WeightedMember>
  readonly #member: Statement<[number, string], WeightedMember>
  readonly #insert: Statement
  readonly #update: Statement
  readonly #remove: Statement<[number]>
  readonly #putMember: Statement<[number, string, string | null, string]>
  readonly #removeMember: Statement<[number, string]>
  readonly #removeMembers: Statement<[number]>
  readonly #after: Statement<[number, string, string, number], Head>
  readonly #upTo: Statement<[number, string, string, number, number], Head>
  readonly #remembering: Statement<[], number>
  readonly #byId: Statement<[number], Head>
  readonly #forgettable: Statement<[{ before: string; limit: number }], Head>
  #recent = new Recent<Head | undefined>(RECENT_HEADS)

  constructor(database: Database) {
    this.#figures = raw(database.prepare(`SELECT ${FIGURES} FROM state WHERE bucket = ? AND space = ? AND key = ?`))
    this.#value = plucked(database.prepare<[number]>('SELECT value FROM state WHERE id = ?'))
    this.#members = database.prepare('SELECT member, weight, version FROM state_member WHERE id = ?')
    this.#member = database.prepare('SELECT member, weight, version FROM state_member WHERE id = ? AND member = ?')
    this.#insert = database.prepare(`
      INSERT INTO state (bucket, space, key, shape, version, floor, live, size, high, low, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    this.#update = database.prepare(`
      UPDATE state SET shape = ?, version = ?, floor = ?, live = ?, size = ?, high = ?, low = ?, value = ? WHERE id = ?`)
    this.#remove = database.prepare('DELETE FROM state WHERE id = ?')
    this.#putMember = database.prepare(`
      INSERT INTO state_member VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET weight = excluded.weight, version = excluded.version`)
    this.#removeMember = database.prepare('DELETE FROM state_member WHERE id = ? AND member = ?')
    this.#removeMembers = database.prepare('DELETE FROM state_member WHERE id = ?')
    const heads = `SELECT ${HEAD} FROM state WHERE`
    const inOrder = 'ORDER BY bucket, space, key LIMIT ?'
    this.#after = database.prepare(`${heads} (bucket, space, key) > (?, ?, ?) ${inOrder}`)
    this.#upTo = database.prepare(`${heads} (bucket, space, key) > (?, ?, ?) AND bucket <= ? ${inOrder}`)
    this.#byId = database.prepare(`${heads} id = ?`)
    this.#remembering = plucked(
      database.prepare(`
        SELECT id FROM state WHERE shape = 'tombstone'
        UNION SELECT id FROM state WHERE floor <> ''
        UNION SELECT id FROM state_member WHERE weight IS NULL`),
    )
    this.#forgettable = database.prepare(`
      ${heads} id IN (
        SELECT id FROM state WHERE shape = 'tombstone' AND version < @before AND instr(version, '@') = 0
        UNION SELECT id FROM state WHERE floor <> '' AND floor < @before AND instr(floor, '@') = 0
        UNION SELECT id FROM state_member WHERE weight IS NULL AND version < @before AND instr(version, '@') = 0
        LIMIT @limit)`)
  }

  /** It is looked up for each write: those of the keys that were written last are at hand. */
  head(bucket: number, place: StateKey): Head | undefined {
    const name = nameOf(place)
    const known = this.#recent.get(name)
    if (known) return known
    const read = this.#read(bucket, place)
    if (read) this.#recent.set(name, read)
    return read
  }

  /** What was written is not there: its transaction has failed. */
  forget(): void {
    this.#recent = new Recent(RECENT_HEADS)
  }

  /** As an array, which takes half the time of an object. */
  #read(bucket: number, { space, key }: StateKey): Head | undefined {
    const figures = this.#figures.get(bucket, space, key)
    if (!figures) return undefined
    const [id, shape, version, floor, live, size, high, low] = figures
    return { id, bucket, space, key, shape, version, floor, live, size, high, low }
  }

  /** The whole entry; of `weights`, only the members that are named, if any are. */
  entry(head: Head, named?: readonly WeightedMember[]): StateEntry {
    const { space, key, shape, version, floor } = head
    if (shape === 'tombstone') return { space, key, shape, version }
    if (shape !== 'weights') return { space, key, shape, version, value: this.value(head.id) }
    const members = named ? this.#named(head.id, named) : this.#members.all(head.id).sort(byName)
    return { space, key, shape, version, floor, members }
  }

  value(id: number): string {
    return this.#value.get(id) as string
  }

  insert({ space, key }: StateKey, bucket: number, row: Changing, value: string | null): number {
    const { shape, version, floor, live, size, high, low } = row
    const { lastInsertRowid } = this.#insert.run(
      ...[bucket, space, key, shape, version, floor, live, size, high, low, value],
    )
    const id = Number(lastInsertRowid)
    this.#recent.set(nameOf({ space, key }), { id, bucket, space, key, ...row })
    return id
  }

  update(head: Head, row: Changing, value: string | null): void {
    const { id, bucket, space, key } = head
    const { shape, version, floor, live, size, high, low } = row
    this.#update.run(shape, version, floor, live, size, high, low, value, id)
    this.#recent.set(nameOf(head), { id, bucket, space, key, shape, version, floor, live, size, high, low })
  }

  remove(head: Head): void {
    this.#removeMembers.run(head.id)
    this.#remove.run(head.id)
    this.#recent.set(nameOf(head), undefined)
  }

  putMember(id: number, { member, weight, version }: WeightedMember): void {
    this.#putMember.run(id, member, weight, version)
  }

  removeMember(id: number, { member }: WeightedMember): void {
    this.#removeMember.run(id, member)
  }

  /** The heads behind a place, in the order of the index. */
  after(bucket: number, { space, key }: StateKey, limit: number): readonly Head[] {
    return this.#after.all(bucket, space, key, limit)
  }

  /** As `after`, of no bucket behind that last one. */
  upTo(last: number, bucket: number, { space, key }: StateKey, limit: number): readonly Head[] {
    return this.#upTo.all(bucket, space, key, last, limit)
  }

  /** Ids of all entries that remember something which is gone. */
  remembering(): readonly number[] {
    return this.#remembering.all()
  }

  byId(id: number): Head | undefined {
    return this.#byId.get(id)
  }

  /** Heads of entries that remember something from before that version which is gone. */
  forgettable(before: string, limit: number): readonly Head[] {
    return this.#forgettable.all({ before, limit })
  }

  #named(id: number, named: readonly WeightedMember[]): readonly WeightedMember[] {
    return named.map(({ member }) => this.#member.get(id, member)).filter((member) => member !== undefined)
  }
}

/** An entry whose text is read when somebody looks at it: most writes are decided by their version. */
export class StoredValue implements ValueEntry {
  readonly space: string
  readonly key: string
  readonly shape: ValueEntry['shape']
  readonly version: string
  readonly #rows: Rows
  readonly #id: number

  constructor(rows: Rows, { id, space, key, version }: Head, shape: ValueEntry['shape']) {
    this.space = space
    this.key = key
    this.shape = shape
    this.version = version
    this.#rows = rows
    this.#id = id
  }

  get value(): string {
    return this.#rows.value(this.#id)
  }
}

function nameOf({ space, key }: StateKey): string {
  return `${space.length} ${space}${key}`
}

/** SQLite would sort by bytes, which is another order for some characters. */
function byName({ member: one }: WeightedMember, { member: other }: WeightedMember): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function raw<Parameters extends unknown[], Row>(statement: Statement<Parameters>): Statement<Parameters, Row> {
  return statement.raw() as Statement<Parameters, Row>
}

function plucked<Parameters extends unknown[], Value>(statement: Statement<Parameters>): Statement<Parameters, Value> {
  return statement.pluck() as Statement<Parameters, Value>
}
