import type { StateEntry, WeightedMember } from '../state.ts'
import { isForSome } from './audience.ts'
import { later } from './join.ts'

/** Whether anybody who reads the key finds something. */
export function isLive(entry: StateEntry): boolean {
  if (entry.shape === 'weights') return entry.members.some(({ weight }) => weight !== null)
  return entry.shape !== 'tombstone'
}

/** How much of the entry only remembers what is gone. */
export function tombstonesIn(entry: StateEntry): number {
  if (entry.shape === 'weights') return entry.members.filter(({ weight }) => weight === null).length
  return entry.shape === 'tombstone' ? 1 : 0
}

/** Whether any of the entry only remembers what is gone. */
export function remembers(entry: StateEntry): boolean {
  return tombstonesIn(entry) > 0 || (entry.shape === 'weights' && entry.floor !== '')
}

/**
 * What is left of an entry without what is remembered of things gone before that version: the same entry when nothing goes.
 * What is for some only stays.
 */
export function withoutTombstones(entry: StateEntry, beforeVersion: string): StateEntry | undefined {
  const goes = (version: string) => version < beforeVersion && !isForSome(version)
  if (entry.shape === 'tombstone') return goes(entry.version) ? undefined : entry
  if (entry.shape !== 'weights') return entry
  const members = entry.members.filter(({ weight, version }) => weight !== null || !goes(version))
  return withMembers(entry, members, goes(entry.floor) ? '' : entry.floor)
}

/**
 * What is left of an entry of somebody who was away while others may have forgotten what was deleted before that version, if
 * `other` is what they hold of the key. Whatever is older must stand there as well: they may have deleted what does not. An
 * `own` value is never deleted, and what is for some only is nothing that others must hold.
 */
export function withoutUnmatched(
  entry: StateEntry,
  other: StateEntry | undefined,
  beforeVersion: string,
): StateEntry | undefined {
  const left = withoutTombstones(entry, beforeVersion)
  const isSafe = (version: string) => version >= beforeVersion || isForSome(version)
  if (!left || left.shape === 'own' || (other && other.shape !== 'weights')) return left
  // It would take members away that others have.
  if (left.shape !== 'weights') return isSafe(left.version) ? left : undefined
  const matched = new Set(other?.members.map(({ member }) => member))
  const members = left.members.filter(({ member, version }) => matched.has(member) || isSafe(version))
  return withMembers(left, members, left.floor)
}

/** The same entry when it has these. When there is nobody left: a tombstone of the whole write that they had replaced, if that counts still. */
function withMembers(
  entry: Extract<StateEntry, { shape: 'weights' }>,
  members: readonly WeightedMember[],
  floor: string,
): StateEntry | undefined {
  if (members.length === entry.members.length && floor === entry.floor) return entry
  if (members.length === 0) {
    const { space, key } = entry
    return floor === '' ? undefined : { space, key, shape: 'tombstone', version: floor }
  }
  return { ...entry, members, floor, version: members.map(({ version }) => version).reduce(later) }
}
