import {
  bucketOf,
  isSameEntry,
  join,
  type Log,
  problemOf,
  remembers,
  SlipstreamError,
  type StateBackend,
  type StateContext,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateOutcome,
  type StateStatistics,
  slipstreamError,
  withoutTombstones,
} from '../../../core/index.ts'
import { Catalog, type EntryChange } from './catalog.ts'
import { operations, parseEntry, REMOVAL, revisionOf } from './entries.ts'
import { assertNothingIsEvicted } from './eviction.ts'
import { KeyNames } from './keys.ts'
import { type RedisClient, swap, withScripts } from './scripts.ts'

/** Replies of a Redis that is full, starting, or not the primary one (any more). */
const PASSING = /^(OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF) /
/** How often a key is tried anew that somebody else has changed meanwhile. */
const MAX_TRIES = 16
/** How long the start of an instance waits for a connection, in milliseconds. */
const CONNECT_WITHIN_MS = 5_000
/** Keys that are read at once, at most. */
const PAGE = 256
/** Figures that are older are added up anew before they are compared: another instance may write to the same Redis. */
const FIGURES_LAST_MS = 10_000

export interface RedisStateOptions {
  /** Makes the client; it is connected and closed by the backend. */
  readonly client: () => Promise<RedisClient>
  /** Of everything that is not the applications'. */
  readonly prefix: string
  readonly log: Log
}

/**
 * The contract of a state backend over a Redis that applications read: `SK` is a string, `SA` a list, `SW` a sorted set, each
 * under its own key, with version and text beside it in the same slot. Both change together, by a script that compares
 * versions, so no older write overtakes a newer one, whoever else writes to the same Redis.
 *
 * What is joined is as durable as that Redis is. What it loses, it gets again from the other instances.
 */
export class RedisState implements StateBackend {
  readonly name = 'redis'
  readonly #options: RedisStateOptions
  readonly #names: KeyNames
  #context: StateContext | undefined
  #client: RedisClient | undefined
  #catalog: Catalog | undefined
  #loading: Promise<Catalog> | undefined
  #loadedAt = Number.NEGATIVE_INFINITY
  #problem: string | undefined

  constructor(options: RedisStateOptions) {
    this.#options = options
    this.#names = new KeyNames(options.prefix)
  }

  /** What keeps it from working; undefined when nothing does. */
  get problem(): string | undefined {
    return this.#problem
  }

  /**
   * A Redis that cannot be reached does not keep the instance from starting: what is for it waits. One that evicts keys is
   * refused with `SLP_REDIS_EVICTION`.
   */
  async open(context: StateContext): Promise<void> {
    const client = await this.#options.client()
    withScripts(client)
    client.on('error', (error: Error) => {
      this.#problem = problemOf(error)
      this.#options.log.debug('redis connection failed', { reason: this.#problem })
    })
    client.on('close', () => {
      this.#loading = undefined
    })
    this.#client = client
    this.#context = context
    try {
      await this.#ready()
    } catch (error) {
      if ((error as SlipstreamError).code !== 'SLP_STATE_UNAVAILABLE') {
        await this.close()
        throw error
      }
      this.#options.log.error('redis is away', { reason: problemOf(error) })
    }
  }

  async join(deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    return this.#use(async (catalog) => {
      const outcomes: StateOutcome[] = []
      const changes = await Promise.all(
        placesByKey(deltas).map((places) => {
          return this.#change(deltas[places[0] as number] as StateEntry, catalog, (current) => {
            return this.#joinAll(current, places, deltas, outcomes)
          })
        }),
      )
      await catalog.note(changes.filter((change) => change !== undefined))
      return outcomes
    })
  }

  async read(keys: readonly StateKey[]): Promise<readonly (StateEntry | undefined)[]> {
    return this.#use(() => this.#entries(keys))
  }

  async swap(expected: StateEntry | undefined, next: StateEntry | undefined): Promise<boolean> {
    return this.#use(async (catalog) => {
      const [current] = await this.#entries([(next ?? expected) as StateKey])
      if (!isSameEntry(current, expected)) return false
      if (next && !current) await catalog.list([next])
      if (!(await this.#swap(current, next))) return false
      if (next) await catalog.note([{ before: current, after: next }])
      else if (current) await catalog.remove(current)
      return true
    })
  }

  async digests(): Promise<BigUint64Array> {
    return this.#use(async (catalog) => {
      const { runtime } = this.#opened()
      if (runtime.monotonic() - this.#loadedAt > FIGURES_LAST_MS) await this.#load(catalog)
      return catalog.digests
    })
  }

  async entriesIn(
    buckets: readonly number[],
    after: StateKey | undefined,
    limit: StateLimit,
  ): Promise<readonly StateEntry[]> {
    return this.#use(async (catalog) => {
      const page = new Page(limit)
      for (const some of pieces(bucketsFrom(buckets, after), PAGE)) {
        for (const keys of pieces(await catalog.keysIn(some, after), PAGE)) {
          const entries = await this.#present(keys)
          await catalog.check(entries)
          if (!page.add(entries)) return page.entries
        }
      }
      return page.entries
    })
  }

  async scan(after: StateKey | undefined, limit: StateLimit): Promise<readonly StateEntry[]> {
    return this.#use(async (catalog) => {
      const page = new Page(limit)
      let keys = await catalog.page(after, PAGE)
      while (keys.length > 0 && page.add(await this.#present(keys))) keys = await catalog.page(keys.at(-1), PAGE)
      return page.entries
    })
  }

  async *remembered(): AsyncGenerator<StateEntry> {
    const keys = await this.#use(async (catalog) => {
      const keys: StateKey[] = []
      for await (const key of catalog.remembering()) keys.push(key)
      return keys
    })
    for (const key of keys) {
      const [entry] = await this.read([key])
      if (entry && remembers(entry)) yield entry
    }
  }

  async purgeTombstones(beforeVersion: string, limit: number): Promise<number> {
    return this.#use(async (catalog) => {
      let purged = 0
      for await (const key of catalog.remembering()) {
        if (purged >= limit) break
        if (await this.#purge(key, beforeVersion, catalog)) purged++
      }
      return purged
    })
  }

  async note(name: string): Promise<string | undefined> {
    return this.#use(async () => (await this.#connected().hget(this.#names.notes, name)) ?? undefined)
  }

  async keepNote(name: string, text: string): Promise<void> {
    await this.#use(() => this.#connected().hset(this.#names.notes, name, text))
  }

  statistics(): StateStatistics {
    return this.#catalog?.statistics ?? { keys: 0, tombstones: 0, bytes: 0 }
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    this.#context = undefined
    this.#loading = undefined
    client?.disconnect()
  }

  #joinAll(
    current: StateEntry | undefined,
    places: readonly number[],
    deltas: readonly StateEntry[],
    outcomes: StateOutcome[],
  ): StateEntry | undefined {
    const { joinedBy } = this.#opened()
    let joined = current
    for (const place of places) {
      const { entry, outcome } = join(joined, deltas[place] as StateEntry, joinedBy)
      outcomes[place] = outcome
      joined = entry
    }
    return joined
  }

  /** Changes an entry by what it is, until nobody comes in between. Undefined: it stays as it is. */
  async #change(
    key: StateKey,
    catalog: Catalog,
    change: (current: StateEntry | undefined) => StateEntry | undefined,
  ): Promise<EntryChange | undefined> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const [before] = await this.#entries([key])
      const after = change(before)
      if (!after || isSameEntry(before, after)) return undefined
      if (!before) await catalog.list([key])
      if (await this.#swap(before, after)) return { before, after }
    }
    throw slipstreamError('SLP_STATE_CONTENDED', [MAX_TRIES])
  }

  async #purge(key: StateKey, beforeVersion: string, catalog: Catalog): Promise<boolean> {
    const [before] = await this.#entries([key])
    const after = before && withoutTombstones(before, beforeVersion)
    if (!before || before === after) return false
    if (!(await this.#swap(before, after))) return false
    if (after) await catalog.note([{ before, after }])
    else await catalog.remove(before)
    return true
  }

  #swap(before: StateEntry | undefined, after: StateEntry | undefined): Promise<boolean> {
    const key = (after ?? before) as StateKey
    const names = { meta: this.#names.meta(key), application: this.#names.application(key) }
    return swap(this.#connected(), names, revisionOf(before), after ? operations(before, after) : REMOVAL)
  }

  async #entries(keys: readonly StateKey[]): Promise<(StateEntry | undefined)[]> {
    const client = this.#connected()
    return Promise.all(keys.map(async (key) => parseEntry(key, await client.hgetall(this.#names.meta(key)))))
  }

  async #present(keys: readonly StateKey[]): Promise<StateEntry[]> {
    return (await this.#entries(keys)).filter((entry) => entry !== undefined)
  }

  /** Runs what needs Redis. It is away as long as it cannot be reached: `SLP_STATE_UNAVAILABLE`, and it is tried again. */
  async #use<Result>(work: (catalog: Catalog) => Promise<Result>): Promise<Result> {
    this.#opened()
    try {
      const result = await work(await this.#ready())
      this.#problem = undefined
      return result
    } catch (error) {
      const failure = coded(error)
      this.#problem = failure.message
      throw failure
    }
  }

  /** Once for each connection: what this Redis does with its keys, and what it holds. */
  #ready(): Promise<Catalog> {
    this.#loading ??= this.#prepare().catch((error: unknown) => {
      this.#loading = undefined
      throw coded(error)
    })
    return this.#loading
  }

  async #prepare(): Promise<Catalog> {
    const client = this.#connected()
    if (client.status === 'wait') await this.#connect(client)
    await assertNothingIsEvicted(client)
    const catalog = new Catalog(client, this.#names)
    await this.#load(catalog)
    this.#catalog = catalog
    return catalog
  }

  /** A cluster that cannot say where its nodes are is asked for ever: the instance does not wait for that. */
  async #connect(client: RedisClient): Promise<void> {
    const { runtime } = this.#opened()
    await new Promise<void>((resolve, reject) => {
      const timer = runtime.after(CONNECT_WITHIN_MS, () => reject(new Error('it is not connected in time')))
      client
        .connect()
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }

  async #load(catalog: Catalog): Promise<void> {
    await catalog.load()
    this.#loadedAt = this.#opened().runtime.monotonic()
  }

  #opened(): StateContext {
    if (!this.#context) throw slipstreamError('SLP_STATE_FAILED', ['it is not open'])
    return this.#context
  }

  #connected(): RedisClient {
    if (!this.#client) throw slipstreamError('SLP_STATE_FAILED', ['it is not open'])
    return this.#client
  }
}

/** Entries of one page, as long as it has room. */
class Page {
  readonly entries: StateEntry[] = []
  readonly #limit: StateLimit
  #bytes = 0

  constructor(limit: StateLimit) {
    this.#limit = limit
  }

  /** Whether there is room for more. */
  add(entries: readonly StateEntry[]): boolean {
    for (const entry of entries) {
      this.#bytes += Buffer.byteLength(JSON.stringify(entry))
      if (this.entries.length > 0 && this.#bytes > this.#limit.bytes) return false
      this.entries.push(entry)
      if (this.entries.length >= this.#limit.entries) return false
    }
    return true
  }
}

/** Places of the deltas of each key. */
function placesByKey(deltas: readonly StateEntry[]): readonly (readonly number[])[] {
  const places = new Map<string, number[]>()
  deltas.forEach(({ space, key }, place) => {
    const name = JSON.stringify([space, key])
    const known = places.get(name)
    if (known) known.push(place)
    else places.set(name, [place])
  })
  return [...places.values()]
}

/** Each once, in order, without those that lie before the place. */
function bucketsFrom(buckets: readonly number[], after: StateKey | undefined): readonly number[] {
  const first = after ? bucketOf(after) : 0
  return [...new Set(buckets)].filter((bucket) => bucket >= first).sort((one, other) => one - other)
}

function* pieces<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

/** What Redis itself says for good (a wrong type, an eviction policy) is a failure; all else passes. */
function coded(error: unknown): SlipstreamError {
  if (error instanceof SlipstreamError) return error
  const problem = problemOf(error)
  const passes = !(error instanceof Error && error.name === 'ReplyError') || PASSING.test(problem)
  return slipstreamError(passes ? 'SLP_STATE_UNAVAILABLE' : 'SLP_STATE_FAILED', [problem], { cause: error })
}
