import { hash } from 'node:crypto'
import {
  type Bearer,
  BUCKETS,
  bucketOf,
  isForBearer,
  isLive,
  type Kernel,
  partOf,
  publicPart,
  remembers,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateReader,
  withoutTombstones,
  withoutUnmatched,
} from '../../../core/index.ts'
import { type Membership, stampAt } from './membership/membership.ts'
import type { Standing } from './membership/standing.ts'
import { entryDigest } from './sightings.ts'
import { Snapshot } from './snapshot.ts'

/** What is read of the state at once, before others have their turn: some milliseconds. */
const PAGE: StateLimit = Object.freeze({ entries: 500, bytes: 1024 * 1024 })

/** What became of entries that another instance gave. */
export interface JoinedEntries {
  /** How many changed something, or hold already. */
  readonly applied: number
  /** How many were left out, because they are ahead of the clock here. */
  readonly ahead: number
}

/** How often something is dropped anew that somebody else has changed meanwhile. */
const MAX_TRIES = 16

/** What this instance holds of what it compares with another one. */
export abstract class Holdings {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Digests of all of it. */
  abstract snapshot(): Promise<Snapshot>

  /** What of an entry belongs to it. */
  protected abstract part(entry: StateEntry): StateEntry | undefined

  /** How many keys are here, about, deleted ones included. */
  get keys(): number {
    const { keys, tombstones } = this.state.statistics()
    return keys + tombstones
  }

  /** All entries of these buckets, page by page. */
  in(buckets: readonly number[]): AsyncGenerator<StateEntry> {
    return this.pages((after) => this.state.entriesIn(buckets, after, PAGE))
  }

  async read(keys: readonly StateKey[]): Promise<readonly StateEntry[]> {
    const entries = await this.state.read(keys)
    return entries.map((entry) => entry && this.part(entry)).filter((entry) => entry !== undefined)
  }

  /** Joins what another one gave, as far as it may: of somebody who has something to drop only what it will not have to drop. */
  async join(entries: readonly StateEntry[], from: Standing): Promise<JoinedEntries> {
    const parts = entries.flatMap((entry) => this.part(entry) ?? [])
    const ours = from.bound > 0 ? await this.state.read(parts) : []
    const taken = from.bound > 0 ? parts.flatMap((entry, index) => leftOf(entry, ours[index], from) ?? []) : parts
    const outcomes = await this.#kernel.joinState(taken)
    const count = (which: string) => outcomes.filter((outcome) => outcome === which).length
    return { applied: count('applied'), ahead: count('ahead') }
  }

  /**
   * Drops what this instance has to drop of these keys: of each, `others` holds what the other side has, if it is an entry.
   * Resolves to of how many keys.
   */
  async drop(others: readonly (StateKey | StateEntry)[], standing: Standing): Promise<number> {
    let dropped = 0
    for (const other of others) if (await this.#dropOne(other, standing)) dropped++
    return dropped
  }

  /** All entries. */
  protected all(): AsyncGenerator<StateEntry> {
    return this.pages((after) => this.state.scan(after, PAGE))
  }

  protected get state(): StateReader {
    if (!this.#kernel.state) throw new Error('nothing keeps state here')
    return this.#kernel.state
  }

  /** Lets whatever else has come in go first. */
  protected yield(): Promise<void> {
    return new Promise((resolve) => this.#kernel.runtime.defer(resolve))
  }

  async #dropOne(other: StateKey | StateEntry, standing: Standing): Promise<boolean> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const [entry] = await this.state.read([other])
      if (!entry) return false
      const left = leftOf(entry, 'shape' in other ? other : undefined, standing)
      if (left === entry) return false
      const { swap } = this.#kernel.stateUpkeep
      if (await (left ? swap(entry, left) : swap(entry, undefined))) return isLive(entry)
    }
    throw new Error('an entry changes all the time')
  }

  private async *pages(
    read: (after: StateKey | undefined) => Promise<readonly StateEntry[]>,
  ): AsyncGenerator<StateEntry> {
    for (let page = await read(undefined); page.length > 0; page = await read(page.at(-1))) {
      for (const entry of page) {
        const part = this.part(entry)
        if (part) yield part
      }
      await this.yield()
    }
  }
}

/** What is for everybody, but for what was deleted so long ago that everybody may have forgotten it. */
export class PublicHoldings extends Holdings {
  readonly #membership: Membership

  constructor(kernel: Kernel, membership: Membership) {
    super(kernel)
    this.#membership = membership
  }

  /** From the digests of the backend, and those of what entries remember, which these leave out. */
  override async snapshot(): Promise<Snapshot> {
    const digests = (await this.state.digests()).slice()
    let looked = 0
    for await (const entry of this.state.remembered()) {
      const part = this.part(entry)
      if (part && remembers(part)) add(digests, part, digestOfGone(part))
      if (++looked % PAGE.entries === 0) await this.yield()
    }
    return new Snapshot(digests)
  }

  protected override part(entry: StateEntry): StateEntry | undefined {
    const shown = publicPart(entry)
    return shown && withoutTombstones(shown, this.#membership.floor)
  }
}

function leftOf(entry: StateEntry, other: StateEntry | undefined, { kind, bound }: Standing): StateEntry | undefined {
  const before = stampAt(bound)
  if (kind === 'returning') return withoutUnmatched(entry, other, before)
  const left = withoutTombstones(entry, before)
  // A whole write takes members away, as a deletion does.
  const removes = (left?.shape === 'value' || left?.shape === 'array') && other?.shape === 'weights'
  return removes && left.version < before ? undefined : left
}

/** What is for some only, this instance and another one among them. */
export class SharedHoldings extends Holdings {
  readonly #isForBoth: (version: string) => boolean

  constructor(kernel: Kernel, other: Bearer) {
    super(kernel)
    const self = { instanceId: kernel.instanceId, tags: kernel.settings.tags }
    this.#isForBoth = (version) => isForBearer(version, self) && isForBearer(version, other)
  }

  /** By a look at everything: no backend keeps digests for each two that may share something. */
  override async snapshot(): Promise<Snapshot> {
    const digests = new BigUint64Array(BUCKETS)
    for await (const entry of this.all()) add(digests, entry, BigInt(`0x${entryDigest(entry, 'hex').slice(0, 16)}`))
    return new Snapshot(digests)
  }

  protected override part(entry: StateEntry): StateEntry | undefined {
    return partOf(entry, this.#isForBoth)
  }
}

function add(digests: BigUint64Array, entry: StateEntry, digest: bigint): void {
  const bucket = bucketOf(entry)
  digests[bucket] = (digests[bucket] ?? 0n) ^ digest
}

/** 64 bits, of that part of an entry that only remembers what is gone. */
function digestOfGone(entry: StateEntry): bigint {
  const { space, key, shape, version } = entry
  const gone =
    entry.shape === 'weights'
      ? [
          entry.floor,
          entry.members.filter(({ weight }) => weight === null).map(({ member, version }) => [member, version]),
        ]
      : [version]
  return BigInt(`0x${hash('sha256', JSON.stringify([space, key, shape, gone]), 'hex').slice(0, 16)}`)
}
