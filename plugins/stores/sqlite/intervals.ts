import type { Database, Statement } from './database.ts'

/** Sequences whose last interval is kept in memory between batches. */
const MAX_TAILS = 4_096

type Source = [origin: string, epoch: string]

interface Interval {
  first: number
  last: number
}

/** The last interval of a sequence, which almost every message prolongs by one. */
interface Tail extends Interval {
  readonly source: Source
  dirty: boolean
}

/**
 * Which places of each sequence (origin, epoch) were taken: exact, without expiry, and a row per gap however many they are.
 * What arrives in order costs no statement but one per batch, in `flush`.
 *
 * It is used within a transaction. When that fails, `forget` drops what memory held of it.
 */
export class Intervals {
  readonly #tails = new Map<string, Tail>()
  readonly #dirty = new Set<Tail>()
  readonly #statements: ReturnType<typeof prepare>
  readonly #maxTails: number

  constructor(database: Database, maxTails = MAX_TAILS) {
    this.#statements = prepare(database)
    this.#maxTails = maxTails
  }

  has(origin: string, epoch: string, n: number): boolean {
    const tail = this.#tail(origin, epoch)
    if (!tail || n > tail.last) return false
    if (n >= tail.first) return true
    const below = this.#statements.atOrBelow.get(origin, epoch, n)
    return below !== undefined && n <= below.last
  }

  /** Takes a place that is not taken. */
  add(origin: string, epoch: string, n: number): void {
    const tail = this.#tail(origin, epoch)
    if (!tail || n > tail.last + 1) this.#begin(origin, epoch, n)
    else if (n === tail.last + 1) this.#prolong(tail, n)
    else this.#insertBelow(tail, n)
  }

  /** The greatest place that was taken; 0 for none. */
  last(origin: string, epoch: string): number {
    return this.#tail(origin, epoch)?.last ?? 0
  }

  /** Writes what the batch prolonged. */
  flush(): void {
    for (const tail of this.#dirty) this.#write(tail)
    this.#dirty.clear()
    // Only now may memory be given back: within the batch, a savepoint could take back what a tail wrote on leaving.
    for (const key of this.#tails.keys()) {
      if (this.#tails.size <= this.#maxTails) return
      this.#tails.delete(key)
    }
  }

  /** The transaction failed: what is on disk is the truth. */
  forget(): void {
    this.#tails.clear()
    this.#dirty.clear()
  }

  #tail(origin: string, epoch: string): Tail | undefined {
    const key = `${origin} ${epoch}`
    const known = this.#tails.get(key)
    if (known) return known
    const row = this.#statements.last.get(origin, epoch)
    return row && this.#remember(key, { source: [origin, epoch], ...row, dirty: false })
  }

  #remember(key: string, tail: Tail): Tail {
    this.#tails.set(key, tail)
    return tail
  }

  #begin(origin: string, epoch: string, n: number): void {
    const key = `${origin} ${epoch}`
    const previous = this.#tails.get(key)
    if (previous?.dirty) this.#write(previous)
    this.#statements.insert.run(origin, epoch, n, n)
    this.#remember(key, { source: [origin, epoch], first: n, last: n, dirty: false })
  }

  #prolong(tail: Tail, n: number): void {
    tail.last = n
    tail.dirty = true
    this.#dirty.add(tail)
  }

  #write(tail: Tail): void {
    this.#statements.prolong.run(tail.last, ...tail.source, tail.first)
    tail.dirty = false
    this.#dirty.delete(tail)
  }

  /** A straggler: it stands alone, or touches the interval below, the one above, or closes the gap between both. */
  #insertBelow(tail: Tail, n: number): void {
    const below = this.#statements.atOrBelow.get(...tail.source, n)
    const above = this.#statements.startingAt.get(...tail.source, n + 1)
    const first = below?.last === n - 1 ? below.first : n
    if (above) this.#statements.remove.run(...tail.source, n + 1)
    if (first < n) this.#statements.prolong.run(above?.last ?? n, ...tail.source, first)
    else this.#statements.insert.run(...tail.source, n, above?.last ?? n)
    // The row's end may be behind the tail's: that is what `flush` is for.
    if (tail.first === n + 1) tail.first = first
  }
}

function prepare(database: Database) {
  const of = 'FROM seen WHERE origin = ? AND epoch = ?'
  return {
    last: read<Source>(database, `SELECT first, last ${of} ORDER BY first DESC LIMIT 1`),
    atOrBelow: read<[...Source, number]>(
      database,
      `SELECT first, last ${of} AND first <= ? ORDER BY first DESC LIMIT 1`,
    ),
    startingAt: read<[...Source, number]>(database, `SELECT first, last ${of} AND first = ?`),
    insert: database.prepare<[...Source, number, number]>('INSERT INTO seen VALUES (?, ?, ?, ?)'),
    prolong: database.prepare<[number, ...Source, number]>(
      'UPDATE seen SET last = ? WHERE origin = ? AND epoch = ? AND first = ?',
    ),
    remove: database.prepare<[...Source, number]>(`DELETE ${of} AND first = ?`),
  }
}

function read<Parameters extends unknown[]>(database: Database, sql: string): Statement<Parameters, Interval> {
  return database.prepare<Parameters, Interval>(sql)
}
