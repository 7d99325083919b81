import { BUCKETS, type Digest, type StateStatistics } from '../../../core/index.ts'
import type { Database, Statement } from '../../stores/sqlite/database.ts'
import type { Account } from './account.ts'

const NOTHING: StateStatistics = Object.freeze({ keys: 0, tombstones: 0, bytes: 0 })
const FIGURES = Object.keys(NOTHING) as (keyof StateStatistics)[]

interface BucketRow extends Digest {
  readonly bucket: number
}

/** Digests and figures of everything: in memory, and on disk in the transaction that changes them. */
export class Totals {
  /** Of each bucket the low half, then the high one: as 64 bits lie in memory. */
  readonly #halves = new Uint32Array(2 * BUCKETS)
  readonly #addBucket: Statement<[number, number, number]>
  readonly #setBucket: Statement<[number, number, number]>
  readonly #setFigure: Statement<[string, number]>
  #figures: StateStatistics

  constructor(database: Database) {
    this.#addBucket = database.prepare('INSERT INTO state_bucket (high, low, bucket) VALUES (?, ?, ?)')
    this.#setBucket = database.prepare('UPDATE state_bucket SET high = ?, low = ? WHERE bucket = ?')
    this.#setFigure = database.prepare(
      'INSERT INTO state_figure VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    )
    const rows = database.prepare<[], BucketRow>('SELECT bucket, high, low FROM state_bucket').all()
    for (const { bucket, high, low } of rows) this.#halves.set([low, high], 2 * bucket)
    const figures = database.prepare<[], [string, number]>('SELECT name, value FROM state_figure').raw().all()
    this.#figures = { ...NOTHING, ...Object.fromEntries(figures.filter(([name]) => name in NOTHING)) }
  }

  get figures(): StateStatistics {
    return this.#figures
  }

  digests(): BigUint64Array {
    const digests = new BigUint64Array(BUCKETS)
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const [low, high] = [this.#halves[2 * bucket] as number, this.#halves[2 * bucket + 1] as number]
      digests[bucket] = (BigInt(high) << 32n) | BigInt(low)
    }
    return digests
  }

  /** Writes the changes; within the transaction that they are of. */
  post(account: Account): void {
    for (const [bucket, change] of account.buckets) {
      const { high, low } = this.#changed(bucket, change)
      if (this.#setBucket.run(high, low, bucket).changes === 0) this.#addBucket.run(high, low, bucket)
    }
    const figures = this.#with(account)
    for (const name of FIGURES) if (figures[name] !== this.#figures[name]) this.#setFigure.run(name, figures[name])
  }

  /** Takes note of changes whose transaction has ended. */
  posted(account: Account): void {
    for (const [bucket, change] of account.buckets) {
      const { high, low } = this.#changed(bucket, change)
      this.#halves[2 * bucket] = low
      this.#halves[2 * bucket + 1] = high
    }
    this.#figures = this.#with(account)
  }

  #changed(bucket: number, { high, low }: Digest): Digest {
    return {
      low: ((this.#halves[2 * bucket] as number) ^ low) >>> 0,
      high: ((this.#halves[2 * bucket + 1] as number) ^ high) >>> 0,
    }
  }

  #with({ keys, tombstones, bytes }: Account): StateStatistics {
    const before = this.#figures
    return {
      keys: before.keys + keys,
      tombstones: before.tombstones + tombstones,
      bytes: before.bytes + bytes,
    }
  }
}
