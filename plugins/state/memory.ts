import {
  BUCKETS,
  bucketOf,
  digestOf,
  isLive,
  isSameEntry,
  join,
  type Plugin,
  remembers,
  type StateBackend,
  type StateContext,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateOutcome,
  type StateStatistics,
  slipstreamError,
  tombstonesIn,
  withoutTombstones,
} from '../../core/index.ts'

/** Keeps state in memory until the process ends: for tests, trials and the simulator. */
export function memoryState(): Plugin {
  return {
    name: 'state-memory',
    apply(kernel) {
      kernel.stateBackend(new MemoryState())
    },
  }
}

/** The contract of a state backend over a map. What it holds survives `close`: the same object can be opened again. */
export class MemoryState implements StateBackend {
  readonly name = 'memory'
  readonly #entries = new Map<string, StateEntry>()
  readonly #notes = new Map<string, string>()
  #context: StateContext | undefined

  async open(context: StateContext): Promise<void> {
    this.#context = context
  }

  async join(deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    const { joinedBy } = this.#opened()
    return deltas.map((delta) => {
      const { entry, outcome } = join(this.#at(delta), delta, joinedBy)
      this.#put(entry)
      return outcome
    })
  }

  async read(keys: readonly StateKey[]): Promise<readonly (StateEntry | undefined)[]> {
    this.#opened()
    return keys.map((key) => this.#at(key))
  }

  async swap(expected: StateEntry | undefined, next: StateEntry | undefined): Promise<boolean> {
    this.#opened()
    const place = (next ?? expected) as StateKey
    if (!isSameEntry(this.#at(place), expected)) return false
    if (next) this.#put(next)
    else this.#entries.delete(placeOf(place))
    return true
  }

  async digests(): Promise<BigUint64Array> {
    this.#opened()
    const digests = new BigUint64Array(BUCKETS)
    for (const entry of this.#entries.values()) {
      const { high, low } = digestOf(entry)
      const bucket = bucketOf(entry)
      digests[bucket] = (digests[bucket] as bigint) ^ ((BigInt(high) << 32n) | BigInt(low))
    }
    return digests
  }

  async entriesIn(
    buckets: readonly number[],
    after: StateKey | undefined,
    limit: StateLimit,
  ): Promise<readonly StateEntry[]> {
    const wanted = new Set(buckets)
    return pageOf(
      this.#sorted().filter((entry) => wanted.has(bucketOf(entry))),
      after,
      limit,
    )
  }

  async scan(after: StateKey | undefined, limit: StateLimit): Promise<readonly StateEntry[]> {
    return pageOf(this.#sorted(), after, limit)
  }

  async *remembered(): AsyncGenerator<StateEntry> {
    this.#opened()
    for (const entry of [...this.#entries.values()]) if (remembers(entry)) yield entry
  }

  async purgeTombstones(beforeVersion: string, limit: number): Promise<number> {
    this.#opened()
    let purged = 0
    for (const [place, entry] of this.#entries) {
      const left = withoutTombstones(entry, beforeVersion)
      if (left === entry) continue
      if (++purged > limit) return limit
      if (left) this.#entries.set(place, left)
      else this.#entries.delete(place)
    }
    return purged
  }

  async note(name: string): Promise<string | undefined> {
    this.#opened()
    return this.#notes.get(name)
  }

  async keepNote(name: string, text: string): Promise<void> {
    this.#opened()
    this.#notes.set(name, text)
  }

  statistics(): StateStatistics {
    const figures = { keys: 0, tombstones: 0, bytes: 0 }
    for (const entry of this.#entries.values()) {
      figures.keys += isLive(entry) ? 1 : 0
      figures.tombstones += tombstonesIn(entry)
      figures.bytes += sizeOf(entry)
    }
    return figures
  }

  async close(): Promise<void> {
    this.#context = undefined
  }

  #opened(): StateContext {
    if (!this.#context) throw slipstreamError('SLP_STATE_FAILED', ['it is not open'])
    return this.#context
  }

  #at(key: StateKey): StateEntry | undefined {
    return this.#entries.get(placeOf(key))
  }

  #put(entry: StateEntry): void {
    this.#entries.set(placeOf(entry), entry)
  }

  #sorted(): readonly StateEntry[] {
    this.#opened()
    return [...this.#entries].sort(([one], [other]) => compare(one, other)).map(([, entry]) => entry)
  }
}

function pageOf(entries: readonly StateEntry[], after: StateKey | undefined, limit: StateLimit): readonly StateEntry[] {
  const page: StateEntry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (after && compare(placeOf(entry), placeOf(after)) <= 0) continue
    bytes += sizeOf(entry)
    if (page.length > 0 && (page.length >= limit.entries || bytes > limit.bytes)) break
    page.push(entry)
  }
  return page
}

function placeOf({ space, key }: StateKey): string {
  return JSON.stringify([space, key])
}

function sizeOf(entry: StateEntry): number {
  return Buffer.byteLength(JSON.stringify(entry))
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
