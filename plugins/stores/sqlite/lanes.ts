import { crc32 } from 'node:zlib'
import { DEFAULT_PRIORITY, type Entry, MAX_PRIORITY } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'

/** All lanes, the highest first. */
export const LANES: readonly number[] = Array.from({ length: MAX_PRIORITY + 1 }, (_, at) => MAX_PRIORITY - at)

/**
 * Nobody pays for priorities who does not use them: they are made with the first message that has another priority than
 * the default one. Until then everything waits in one lane.
 */
const INDEXES = `
  CREATE INDEX delivery_lane ON delivery (queue, lane) WHERE lane <> ${DEFAULT_PRIORITY};
  CREATE INDEX delivery_key ON delivery (queue, key_hash) WHERE key_hash IS NOT NULL;`

/** What is no proper text comes back from the file as something else. */
const IMPROPER = /[\uFFFD\p{Cs}]/gu

/** What deliveries of one ordering key are found by, as 32 bits with a sign; null for none. Stored: never to be changed. */
export function keyHashOf(orderingKey: string | null | undefined): number | null {
  return orderingKey == null ? null : crc32(orderingKey.replace(IMPROPER, '')) | 0
}

/**
 * Finds the lane for a delivery. Of one key, older deliveries wait in the lane of newer ones or in a higher one, so that it
 * is never reordered. Two keys of one hash are taken for one: that costs a later delivery its priority, and nothing else.
 */
export class Lanes {
  readonly #database: Database
  readonly #isIndexed: Statement<[], number>
  #statements: ReturnType<typeof prepare> | undefined
  #inUse: boolean | undefined
  /** The lowest lane in which something waits in a queue, or a lower one; as far as it is known in this transaction. */
  readonly #lowest = new Map<number, number>()

  constructor(database: Database) {
    this.#database = database
    this.#isIndexed = database.prepare<[], number>(`SELECT 1 FROM sqlite_schema WHERE name = 'delivery_lane'`)
  }

  /** Whether there may be deliveries in another lane than that of the default priority. */
  get inUse(): boolean {
    this.#inUse ??= this.#isIndexed.get() !== undefined
    return this.#inUse
  }

  /** To be called within a transaction before anything is added. */
  begin(entries: readonly Entry[]): void {
    this.#lowest.clear()
    if (this.inUse || entries.every(({ message }) => message.priority === DEFAULT_PRIORITY)) return
    this.#database.exec(INDEXES)
    this.#inUse = true
  }

  /** The transaction failed: what is on disk is the truth. */
  forget(): void {
    this.#inUse = undefined
  }

  /** The lane for a new delivery. */
  laneFor(queue: number, keyHash: number | null, priority: number): number {
    if (!this.inUse) return DEFAULT_PRIORITY
    const lowest = this.#lowestOf(queue)
    const isFree = keyHash === null || priority <= lowest
    const lane = isFree ? priority : Math.min(priority, this.#reads.newest.get(queue, keyHash) ?? priority)
    if (lane < lowest) this.#lowest.set(queue, lane)
    return lane
  }

  /** The lane for a delivery that comes back to its old place: the nearest one to the one it had. */
  laneForRevived(queue: number, keyHash: number | null, seq: number, lane: number): number {
    if (!this.inUse || keyHash === null) return lane
    const older = this.#reads.older.get(queue, keyHash, seq) ?? MAX_PRIORITY
    const newer = this.#reads.newer.get(queue, keyHash, seq) ?? 0
    return Math.max(newer, Math.min(older, lane))
  }

  /** Puts all that waits in the queue into the lane of the default priority. */
  level(queue: number): void {
    if (this.inUse) this.#reads.level.run(queue)
  }

  #lowestOf(queue: number): number {
    const known = this.#lowest.get(queue)
    if (known !== undefined) return known
    // Whether anything waits in the lane of the default priority is not asked: almost always something does.
    const lowest = Math.min(DEFAULT_PRIORITY, this.#reads.lowest.get(queue) ?? DEFAULT_PRIORITY)
    this.#lowest.set(queue, lowest)
    return lowest
  }

  /** They name the indexes, and can be prepared when these are there. */
  get #reads(): ReturnType<typeof prepare> {
    this.#statements ??= prepare(this.#database)
    return this.#statements
  }
}

function prepare(database: Database) {
  const ofKey = 'SELECT lane FROM delivery INDEXED BY delivery_key WHERE queue = ? AND key_hash = ?'
  const ofOthers = `delivery INDEXED BY delivery_lane`
  const others = `queue = ? AND lane <> ${DEFAULT_PRIORITY}`
  return {
    newest: plucked(database.prepare<[queue: number, keyHash: number]>(`${ofKey} ORDER BY seq DESC LIMIT 1`)),
    older: plucked(
      database.prepare<[queue: number, keyHash: number, seq: number]>(`${ofKey} AND seq < ? ORDER BY seq DESC LIMIT 1`),
    ),
    newer: plucked(
      database.prepare<[queue: number, keyHash: number, seq: number]>(`${ofKey} AND seq > ? ORDER BY seq LIMIT 1`),
    ),
    lowest: plucked(
      database.prepare<[queue: number]>(`SELECT lane FROM ${ofOthers} WHERE ${others} ORDER BY lane LIMIT 1`),
    ),
    level: database.prepare<[queue: number]>(`UPDATE ${ofOthers} SET lane = ${DEFAULT_PRIORITY} WHERE ${others}`),
  }
}

function plucked<Parameters extends unknown[]>(statement: Statement<Parameters>): Statement<Parameters, number> {
  return statement.pluck() as Statement<Parameters, number>
}
