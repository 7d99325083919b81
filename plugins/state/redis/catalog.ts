import { bucketOf, type StateEntry, type StateKey, type StateStatistics } from '../../../core/index.ts'
import { type Figures, figuresOf, NOTHING, parse, print, Sums } from './figures.ts'
import type { KeyNames } from './keys.ts'
import type { RedisClient } from './scripts.ts'

/** Fields that are asked for, or set, with one command. */
const AT_ONCE = 1_000

export interface EntryChange {
  readonly before: StateEntry | undefined
  readonly after: StateEntry
}

/**
 * Which keys there are, by bucket, and what they add up to. It stands in Redis beside the entries, though not in their slots:
 * a key is listed before it is written, and what it counts for is noted after that. Whoever dies in between leaves a key
 * that is listed and empty, or a stale figure, which the next one who reads the bucket puts right.
 */
export class Catalog {
  readonly #client: RedisClient
  readonly #names: KeyNames
  readonly #sums = new Sums()

  constructor(client: RedisClient, names: KeyNames) {
    this.#client = client
    this.#names = names
  }

  get digests(): BigUint64Array {
    return this.#sums.digests
  }

  get statistics(): StateStatistics {
    return this.#sums.statistics
  }

  /** Adds all figures up anew: another instance may write to the same Redis. */
  async load(): Promise<void> {
    this.#sums.clear()
    for await (const [place, figures] of this.#all()) this.#sums.add(keyAt(place), figures)
  }

  /** Lists keys that are about to be written. */
  async list(keys: readonly StateKey[]): Promise<void> {
    const places = keys.flatMap((key) => [String(bucketOf(key)), placeOf(key)])
    for (let at = 0; at < places.length; at += 2 * AT_ONCE) {
      await this.#client.zadd(this.#names.index, ...places.slice(at, at + 2 * AT_ONCE))
    }
  }

  /** Notes what entries count for that have just been changed. */
  async note(changes: readonly EntryChange[]): Promise<void> {
    await this.#set(changes.map(({ after }) => after))
    for (const { before, after } of changes) this.#sums.change(after, figuresOf(before), figuresOf(after))
  }

  /** Sets the figures of these entries right, if somebody died before noting them. */
  async check(entries: readonly StateEntry[]): Promise<void> {
    if (entries.length === 0) return
    const noted = await this.#client.hmget(this.#names.figures, ...entries.map(placeOf))
    const wrong = entries.filter((entry, index) => noted[index] !== print(figuresOf(entry)))
    await this.#set(wrong)
    entries.forEach((entry, index) => {
      if (wrong.includes(entry)) this.#sums.change(entry, parse(noted[index] ?? ''), figuresOf(entry))
    })
  }

  /** Takes an entry off the list that is gone. */
  async remove(entry: StateEntry): Promise<void> {
    await this.#client.hdel(this.#names.figures, placeOf(entry))
    await this.#client.zrem(this.#names.index, placeOf(entry))
    this.#sums.change(entry, figuresOf(entry), NOTHING)
  }

  /** Keys of these buckets, in their order, behind a place. */
  async keysIn(buckets: readonly number[], after?: StateKey): Promise<readonly StateKey[]> {
    const lists = await Promise.all(
      buckets.map((bucket) => this.#client.zrangebyscore(this.#names.index, bucket, bucket)),
    )
    return buckets.flatMap((bucket, index) => {
      const places = lists[index] as readonly string[]
      return (after && bucketOf(after) === bucket ? behind(places, placeOf(after)) : places).map(keyAt)
    })
  }

  /** Some keys in the order of the list. None: there are no more. */
  async page(after: StateKey | undefined, count: number): Promise<readonly StateKey[]> {
    const { index } = this.#names
    const rank = after ? await this.#client.zrank(index, placeOf(after)) : -1
    if (rank !== null) return (await this.#client.zrange(index, String(rank + 1), String(rank + count))).map(keyAt)
    // A key that is gone has no place any more: the rest of its bucket, and what stands behind that.
    const bucket = bucketOf(after as StateKey)
    const rest = await this.keysIn([bucket], after)
    if (rest.length > 0) return rest
    return (await this.#client.zrangebyscore(index, `(${bucket}`, '+inf', 'LIMIT', 0, count)).map(keyAt)
  }

  /** Keys of which something gone is remembered. */
  async *remembering(): AsyncGenerator<StateKey> {
    for await (const [place, { remembers }] of this.#all()) if (remembers) yield keyAt(place)
  }

  async #set(entries: readonly StateEntry[]): Promise<void> {
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      const fields = entries.slice(at, at + AT_ONCE).flatMap((entry) => [placeOf(entry), print(figuresOf(entry))])
      await this.#client.hset(this.#names.figures, ...fields)
    }
  }

  /** A field may come twice while the hash grows. */
  async *#all(): AsyncGenerator<readonly [place: string, figures: Figures]> {
    const seen = new Set<string>()
    let cursor = '0'
    do {
      const [next, fields] = await this.#client.hscan(this.#names.figures, cursor, 'COUNT', AT_ONCE)
      for (let at = 0; at < fields.length; at += 2) {
        const place = fields[at] as string
        if (seen.has(place)) continue
        seen.add(place)
        yield [place, parse(fields[at + 1] as string)]
      }
      cursor = next
    } while (cursor !== '0')
  }
}

function placeOf({ space, key }: StateKey): string {
  return JSON.stringify([space, key])
}

function keyAt(place: string): StateKey {
  const [space, key] = JSON.parse(place) as [string, string]
  return { space, key }
}

/** Redis sorts by bytes, as JavaScript does not: what stands behind a place that is gone is found by comparing bytes. */
function behind(places: readonly string[], after: string): readonly string[] {
  const bytes = Buffer.from(after)
  return places.filter((place) => Buffer.compare(Buffer.from(place), bytes) > 0)
}
