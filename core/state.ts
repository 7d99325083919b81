import type { Runtime } from './runtime/runtime.ts'
import type { JoinedBy } from './state/join.ts'

/**
 * What the author of a state backend writes: where the values are kept that messages set. Every sentence here is a test of
 * the conformance suite in `slipstream/testing`.
 *
 * A backend holds one entry for each (space, key), and an entry is what has become of all writes of that key. Writes are
 * entries too: joining them is commutative, associative and idempotent (`state/join.ts`), so instances that have joined
 * the same writes, each in its own order and some of them twice, hold the same entries.
 */
export interface StateBackend {
  readonly name: string

  /** Opens or creates the data. What was joined before is there again. */
  open(context: StateContext): Promise<void>

  /**
   * Joins each delta into the entry of its key, one after the other, and resolves to what became of each. A key is changed
   * as a whole or not at all; with all of them in one transaction, where the backend has such.
   *
   * Resolves when the entries survive a power cut as surely as whatever the store of messages writes next: a delivery is
   * settled after this, so what is settled has been applied. A rejected promise says nothing about what is on disk:
   * joining again does no harm.
   */
  join(deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]>

  /** The entries of these keys, in their order; undefined where there is none. Tombstones are entries. */
  read(keys: readonly StateKey[]): Promise<readonly (StateEntry | undefined)[]>

  /**
   * Puts `next` in the place of the entry of its key if that still is `expected` (undefined: there is none), and resolves
   * to whether it was. Without a `next`, the key is one that was never written. Kept as surely as what is joined.
   */
  swap(expected: StateEntry | undefined, next: StateEntry): Promise<boolean>
  swap(expected: StateEntry, next: undefined): Promise<boolean>

  /**
   * A digest for each of the `BUCKETS`: the digests of all entries in it (`state/digest.ts`), taken together by XOR. Two
   * backends with the same live entries have the same digests. Cheap: never a scan.
   */
  digests(): Promise<BigUint64Array>

  /**
   * Entries of these buckets, tombstones among them, in an order of the backend's own: as many as fit into `limit`, but one
   * at least when there is any. `after` is the last one of the page before.
   */
  entriesIn(buckets: readonly number[], after: StateKey | undefined, limit: StateLimit): Promise<readonly StateEntry[]>

  /** All entries, page by page as with `entriesIn`. One that does not change meanwhile is on one page, once. */
  scan(after: StateKey | undefined, limit: StateLimit): Promise<readonly StateEntry[]>

  /**
   * Entries that remember something gone: tombstones, and `weights` with removed members or a floor. One that does not change
   * meanwhile is given once.
   */
  remembered(): AsyncIterable<StateEntry>

  /**
   * Forgets tombstones, removed members and floors from before that version, of `limit` keys at most; resolves to how many
   * keys that were. What is for some only (`state/audience.ts`) is not forgotten. Digests stay as they are. Whoever calls it
   * knows that no older write is still on its way.
   */
  purgeTombstones(beforeVersion: string, limit: number): Promise<number>

  /** What was noted last under that name; undefined when nothing was. Notes are no entries, and lost only together with them. */
  note(name: string): Promise<string | undefined>

  /** Notes a text under a name, in the place of the one before. Kept as surely as what is joined. */
  keepNote(name: string, text: string): Promise<void>

  /** Figures for metrics and health. Cheap: never a scan. */
  statistics(): StateStatistics

  /** Closes cleanly. Closing twice does nothing. */
  close(): Promise<void>
}

/** What plugins may ask of the state. */
export type StateReader = Pick<
  StateBackend,
  'name' | 'read' | 'digests' | 'entriesIn' | 'scan' | 'remembered' | 'statistics'
>

export interface StateContext {
  readonly runtime: Runtime
  /** How the texts of a space are joined whose type has a merge of its own; undefined: the newest one is kept. */
  readonly joinedBy: JoinedBy
}

/** Where an entry stands. */
export interface StateKey {
  /** Types that share a space write the same keys: `SK`, `SA`, `SW` and `DEL` do. Any other type has one of its own. */
  readonly space: string
  readonly key: string
}

/** What is known of a key, and at the same time what a write says of it. */
export type StateEntry = ValueEntry | TombstoneEntry | WeightsEntry

/** A value that was written as a whole (`SK`, `SA`), or one that a type of its own merge has joined. */
export interface ValueEntry extends StateKey {
  readonly shape: 'value' | 'array' | 'own'
  /** Stamp of the write, and for whom it is if not for all (`state/audience.ts`); of an `own` value, the greatest that went into it. */
  readonly version: string
  /** As it was published: never parsed and printed again. */
  readonly value: string
}

/** The key was deleted, and this is remembered until no older write can come. */
export interface TombstoneEntry extends StateKey {
  readonly shape: 'tombstone'
  readonly version: string
}

/** Members that were set or removed one by one (`SW`). */
export interface WeightsEntry extends StateKey {
  readonly shape: 'weights'
  /** The greatest version among the members. */
  readonly version: string
  /** Version of the whole write that these members have replaced; no member is as old as it. '' for none. */
  readonly floor: string
  /** At least one, each once, sorted by name. */
  readonly members: readonly WeightedMember[]
}

export interface WeightedMember {
  readonly member: string
  /** The number as it was published; null: it was removed, and this is remembered until no older write can come. */
  readonly weight: string | null
  readonly version: string
}

/**
 * `applied`: what it says holds now. `superseded`: something newer was there already, and it changed nothing. A write that
 * comes a second time, and still holds, is applied.
 */
export type StateOutcome = 'applied' | 'superseded'

export interface StateLimit {
  readonly entries: number
  readonly bytes: number
}

export interface StateStatistics {
  /** Keys that have a value, or a member at least. */
  readonly keys: number
  /** Deleted keys and removed members that are remembered. */
  readonly tombstones: number
  /** Of keys, values and members, about. */
  readonly bytes: number
}

/** The space of the built-in types. */
export const SHARED_SPACE = 'keys'

/** How many buckets the entries are spread over, to be compared between instances. */
export const BUCKETS = 65_536
