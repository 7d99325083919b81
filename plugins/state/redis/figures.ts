import {
  BUCKETS,
  bucketOf,
  digestOf,
  isLive,
  type StateEntry,
  type StateKey,
  type StateStatistics,
  tombstonesIn,
  withoutTombstones,
} from '../../../core/index.ts'

/** What one entry adds to the sums. */
export interface Figures {
  readonly digest: bigint
  /** 1 for a key that has a value. */
  readonly live: number
  readonly tombstones: number
  readonly bytes: number
  /** Whether there is something in it that can be forgotten one day: tombstones, removed members, a floor. */
  readonly remembers: boolean
}

export const NOTHING: Figures = Object.freeze({ digest: 0n, live: 0, tombstones: 0, bytes: 0, remembers: false })

/** Greater than every version. */
const END_OF_TIME = '~'

export function figuresOf(entry: StateEntry | undefined): Figures {
  if (!entry) return NOTHING
  const { high, low } = digestOf(entry)
  return {
    digest: (BigInt(high) << 32n) | BigInt(low),
    live: isLive(entry) ? 1 : 0,
    tombstones: tombstonesIn(entry),
    bytes: Buffer.byteLength(JSON.stringify(entry)),
    remembers: withoutTombstones(entry, END_OF_TIME) !== entry,
  }
}

export function print({ digest, live, tombstones, bytes, remembers }: Figures): string {
  return `${digest} ${live} ${tombstones} ${bytes} ${remembers ? 1 : 0}`
}

export function parse(text: string): Figures {
  const [digest = '0', live = 0, tombstones = 0, bytes = 0, remembers] = text.split(' ')
  return {
    digest: BigInt(digest),
    live: Number(live),
    tombstones: Number(tombstones),
    bytes: Number(bytes),
    remembers: remembers === '1',
  }
}

/** The figures of all entries, added up. */
export class Sums {
  readonly #digests = new BigUint64Array(BUCKETS)
  #statistics: StateStatistics = { keys: 0, tombstones: 0, bytes: 0 }

  get digests(): BigUint64Array {
    return this.#digests.slice()
  }

  get statistics(): StateStatistics {
    return this.#statistics
  }

  clear(): void {
    this.#digests.fill(0n)
    this.#statistics = { keys: 0, tombstones: 0, bytes: 0 }
  }

  add(key: StateKey, figures: Figures): void {
    this.change(key, NOTHING, figures)
  }

  change(key: StateKey, before: Figures, after: Figures): void {
    const bucket = bucketOf(key)
    this.#digests[bucket] = (this.#digests[bucket] as bigint) ^ before.digest ^ after.digest
    const { keys, tombstones, bytes } = this.#statistics
    this.#statistics = {
      keys: keys - before.live + after.live,
      tombstones: tombstones - before.tombstones + after.tombstones,
      bytes: bytes - before.bytes + after.bytes,
    }
  }
}
