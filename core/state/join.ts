import type { StateEntry, StateOutcome, ValueEntry, WeightedMember, WeightsEntry } from '../state.ts'
import { versionOfBoth } from './audience.ts'

/** How a type joins two of its texts. Commutative, associative and idempotent, to the byte. */
export type JoinTexts = (current: string, incoming: string) => string

/** How the texts of a space are joined; undefined: of two, the newer one is kept. */
export type JoinedBy = (space: string) => JoinTexts | undefined

export interface Joined {
  /** The entry that was given, the very same, when nothing changes. */
  readonly entry: StateEntry
  readonly outcome: StateOutcome
}

/**
 * Joins a write into the entry of its key. Commutative, associative and idempotent:
 *
 * - of whole writes (value, array, tombstone) the greatest version counts; equal ones are told apart by shape and text;
 * - of each member the greatest version counts, and only if it is greater than that of the whole write;
 * - if any such member is left, removed ones included, the key is `weights`, else it is the whole write;
 * - an `own` value stands above all of these, and two of them are joined by their type.
 *
 * A delta of members whose floor is not above that of `current` needs no more of `current` than the members that it names.
 */
export function join(current: StateEntry | undefined, delta: StateEntry, joinedBy: JoinedBy): Joined {
  const entry = current ? joinTwo(current, delta, joinedBy) : delta
  return { entry, outcome: holds(delta, entry, current) ? 'applied' : 'superseded' }
}

/** A write of members, as an entry. Of a member that is named twice, one is kept. */
export function weightsOf(
  space: string,
  key: string,
  members: readonly WeightedMember[],
  floor = '',
): WeightsEntry | undefined {
  const united = unite([], [...members].sort(byName), floor)
  if (united.length === 0) return undefined
  return { space, key, shape: 'weights', version: greatest(united), floor, members: united }
}

/** Whether two entries of one key say the same. */
export function isSameEntry(one: StateEntry | undefined, other: StateEntry | undefined): boolean {
  if (!one || !other) return one === other
  if (one.shape !== other.shape || one.version !== other.version || textOf(one) !== textOf(other)) return false
  if (one.shape !== 'weights' || other.shape !== 'weights') return true
  return (
    one.floor === other.floor &&
    one.members.length === other.members.length &&
    one.members.every((member) => has(other, member))
  )
}

/** The greater of two stamps: as strings they are in the order of the writes. */
export function later(one: string, other: string): string {
  if (one > other) return one
  return other
}

function joinTwo(current: StateEntry, delta: StateEntry, joinedBy: JoinedBy): StateEntry {
  if (isOwn(current) || isOwn(delta)) return joinOwn(current, delta, joinedBy)
  if (current.shape === 'weights' || delta.shape === 'weights') return joinWeights(current, delta)
  return isGreater(delta, current) ? delta : current
}

function joinOwn(current: StateEntry, delta: StateEntry, joinedBy: JoinedBy): StateEntry {
  if (!isOwn(current)) return delta
  if (!isOwn(delta)) return current
  const joinTexts = joinedBy(current.space)
  if (!joinTexts) return isGreater(delta, current) ? delta : current
  const value = current.value === delta.value ? current.value : joinTexts(current.value, delta.value)
  const version = versionOfBoth(current.version, delta.version)
  return value === current.value && version === current.version ? current : { ...current, value, version }
}

function joinWeights(current: StateEntry, delta: StateEntry): StateEntry {
  const floor = later(floorOf(current), floorOf(delta))
  const members = unite(membersOf(current), membersOf(delta), floor)
  // Only a whole write that is newer than all members leaves none.
  if (members.length === 0) return delta.shape === 'weights' ? current : delta
  if (current.shape === 'weights' && floor === current.floor && isSame(members, current.members)) return current
  const version = later(current.version, delta.version)
  return { space: current.space, key: current.key, shape: 'weights', version, floor, members }
}

/** Both lists are sorted by name. */
function unite(
  some: readonly WeightedMember[],
  others: readonly WeightedMember[],
  floor: string,
): readonly WeightedMember[] {
  const united: WeightedMember[] = []
  const add = (member: WeightedMember) => {
    if (member.version <= floor) return
    const last = united.at(-1)
    if (last?.member !== member.member) united.push(member)
    else if (isGreaterMember(member, last)) united[united.length - 1] = member
  }
  let next = 0
  for (const one of some) {
    for (let other = others[next]; other && other.member < one.member; other = others[++next]) add(other)
    add(one)
  }
  for (const other of others.slice(next)) add(other)
  return united
}

function holds(delta: StateEntry, entry: StateEntry, current: StateEntry | undefined): boolean {
  if (entry === delta) return true
  if (delta.shape === 'own') return entry !== current || entry.version === delta.version
  if (delta.shape === 'weights') return entry.shape === 'weights' && delta.members.some((member) => has(entry, member))
  return entry.shape === delta.shape && entry.version === delta.version && textOf(entry) === textOf(delta)
}

function has({ members }: WeightsEntry, { member, version, weight }: WeightedMember): boolean {
  let low = 0
  let high = members.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((members[middle] as WeightedMember).member < member) low = middle + 1
    else high = middle
  }
  const found = members[low]
  return found?.member === member && found.version === version && found.weight === weight
}

/** Stamps are unique; two equal ones were made up, and must still be told apart by everybody in the same way. */
function isGreater(one: StateEntry, other: StateEntry): boolean {
  if (one.version !== other.version) return one.version > other.version
  if (one.shape !== other.shape) return one.shape > other.shape
  return textOf(one) > textOf(other)
}

function isGreaterMember(one: WeightedMember, other: WeightedMember): boolean {
  if (one.version !== other.version) return one.version > other.version
  return (one.weight ?? '') > (other.weight ?? '')
}

function isSame(some: readonly WeightedMember[], others: readonly WeightedMember[]): boolean {
  return some.length === others.length && some.every((member, index) => member === others[index])
}

function isOwn(entry: StateEntry): entry is ValueEntry {
  return entry.shape === 'own'
}

function floorOf(entry: StateEntry): string {
  return entry.shape === 'weights' ? entry.floor : entry.version
}

function membersOf(entry: StateEntry): readonly WeightedMember[] {
  return entry.shape === 'weights' ? entry.members : []
}

function textOf(entry: StateEntry): string {
  return 'value' in entry ? entry.value : ''
}

function greatest(members: readonly WeightedMember[]): string {
  return members.reduce((greatest, { version }) => later(greatest, version), '')
}

function byName({ member: one }: WeightedMember, { member: other }: WeightedMember): number {
  return one < other ? -1 : one > other ? 1 : 0
}
