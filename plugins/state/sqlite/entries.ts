import {
  bucketOf,
  type Digest,
  digestOf,
  digestOfMember,
  type JoinedBy,
  join,
  NO_DIGEST,
  type StateEntry,
  type StateKey,
  type StateOutcome,
  type WeightedMember,
  type WeightsEntry,
  withoutTombstones,
  xor,
} from '../../../core/index.ts'
import type { Account } from './account.ts'
import { type Changing, type Head, type Rows, StoredValue } from './rows.ts'

const NO_MEMBERS: WeightsEntry['members'] = Object.freeze([])

/** Changes entries, each with what it changes about digests and figures; within a transaction. */
export class Entries {
  readonly #rows: Rows
  readonly #joinedBy: JoinedBy

  constructor(rows: Rows, joinedBy: JoinedBy) {
    this.#rows = rows
    this.#joinedBy = joinedBy
  }

  join(delta: StateEntry, account: Account): StateOutcome {
    const bucket = bucketOf(delta)
    const head = this.#rows.head(bucket, delta)
    const current = head && this.#current(head, delta)
    const { entry, outcome } = join(current, delta, this.#joinedBy)
    if (entry !== current) this.#put(head, current, entry, bucket, account)
    return outcome
  }

  read(place: StateKey): StateEntry | undefined {
    const head = this.#rows.head(bucketOf(place), place)
    return head && this.#rows.entry(head)
  }

  /** Puts an entry in the place of another one, which is all that stands there. */
  replace(current: StateEntry | undefined, next: StateEntry, account: Account): void {
    const bucket = bucketOf(next)
    this.#put(this.#rows.head(bucket, next), current, next, bucket, account)
  }

  /** Takes away an entry, which is all that stands there. */
  remove(current: StateEntry, account: Account): void {
    const head = this.#rows.head(bucketOf(current), current)
    if (head) this.#remove(head, current, account)
  }

  purge(before: string, limit: number, account: Account): number {
    const heads = this.#rows.forgettable(before, limit)
    for (const head of heads) {
      const current = this.#rows.entry(head)
      const left = withoutTombstones(current, before)
      if (left) this.#put(head, current, left, head.bucket, account)
      else this.#remove(head, current, account)
    }
    return heads.length
  }

  /** As much of an entry as it takes to join this delta into it. */
  #current(head: Head, delta: StateEntry): StateEntry {
    const { shape } = head
    if (shape === 'tombstone') return this.#rows.entry(head)
    if (shape !== 'weights') return new StoredValue(this.#rows, head, shape)
    return this.#rows.entry(head, delta.shape === 'weights' && delta.floor <= head.floor ? delta.members : undefined)
  }

  #put(
    head: Head | undefined,
    current: StateEntry | undefined,
    next: StateEntry,
    bucket: number,
    account: Account,
  ): void {
    const members = memberChanges(current, next)
    const row = rowOf(head, next, members)
    const value = 'value' in next ? next.value : null
    const id = head?.id ?? this.#rows.insert(next, bucket, row, value)
    if (head) this.#rows.update(head, row, value)
    for (const member of members.put) this.#rows.putMember(id, member)
    for (const member of members.dropped) this.#rows.removeMember(id, member)
    account.change(bucket, xor(head ?? NO_DIGEST, row))
    account.keys += isLive(row) - isLive(head)
    account.tombstones += members.removed + isTombstone(row) - isTombstone(head)
    account.bytes += row.size - (head?.size ?? -next.key.length)
  }

  #remove(head: Head, current: StateEntry, account: Account): void {
    this.#rows.remove(head)
    account.change(head.bucket, head)
    account.keys -= isLive(head)
    account.tombstones += memberChanges(current, undefined).removed - isTombstone(head)
    account.bytes -= head.size + head.key.length
  }
}

/** Most entries have no members, before nor after. */
function memberChanges(current: StateEntry | undefined, next: StateEntry | undefined): MemberChanges {
  const [before, after] = [membersOf(current), membersOf(next)]
  const place = next ?? current
  return place && before.length + after.length > 0 ? new MemberChanges(before, after, place) : NO_CHANGES
}

/** What changes from some members of a key to others, and by how much what is counted of them. */
class MemberChanges {
  readonly put: WeightedMember[] = []
  readonly dropped: readonly WeightedMember[]
  live = 0
  size = 0
  /** How many more are remembered as removed. */
  removed = 0
  digest: Digest = NO_DIGEST

  constructor(before: readonly WeightedMember[], after: readonly WeightedMember[], place: StateKey) {
    const old = new Map(before.map((member) => [member.member, member]))
    for (const member of after) {
      const known = old.get(member.member)
      old.delete(member.member)
      if (known && known.version === member.version && known.weight === member.weight) continue
      this.put.push(member)
      this.#count(member, 1, place)
      if (known) this.#count(known, -1, place)
    }
    this.dropped = [...old.values()]
    for (const member of this.dropped) this.#count(member, -1, place)
  }

  #count(member: WeightedMember, times: 1 | -1, place: StateKey): void {
    this.size += times * (member.member.length + (member.weight?.length ?? 0))
    if (member.weight === null) this.removed += times
    else this.live += times
    this.digest = xor(this.digest, digestOfMember(place, member))
  }
}

const NO_CHANGES: MemberChanges = new MemberChanges([], [], { space: '', key: '' })

function rowOf(head: Head | undefined, next: StateEntry, members: MemberChanges): Changing {
  const { shape, version } = next
  if (shape === 'weights') {
    // Members that were not looked at are still there.
    const { live, size, ...digest } = head?.shape === 'weights' ? head : { live: 0, size: 0, ...NO_DIGEST }
    const sums = { live: live + members.live, size: size + members.size, ...xor(digest, members.digest) }
    return { shape, version, floor: next.floor, ...sums }
  }
  const { high, low } = digestOf(next)
  if (shape === 'tombstone') return { shape, version, floor: '', live: 0, size: 0, high, low }
  return { shape, version, floor: '', live: 1, size: next.value.length, high, low }
}

function membersOf(entry: StateEntry | undefined): WeightsEntry['members'] {
  return entry?.shape === 'weights' ? entry.members : NO_MEMBERS
}

function isLive(row: { readonly live: number } | undefined): 0 | 1 {
  return row && row.live > 0 ? 1 : 0
}

function isTombstone(row: { readonly shape: StateEntry['shape'] } | undefined): 0 | 1 {
  return row?.shape === 'tombstone' ? 1 : 0
}
