import type { StateEntry } from '../state.ts'

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

/** What is left of an entry without what is remembered of things gone before that version: the same entry when nothing goes. */
export function withoutTombstones(entry: StateEntry, beforeVersion: string): StateEntry | undefined {
  if (entry.shape === 'tombstone') return entry.version < beforeVersion ? undefined : entry
  if (entry.shape !== 'weights') return entry
  const members = entry.members.filter(({ weight, version }) => weight !== null || version >= beforeVersion)
  const floor = entry.floor < beforeVersion ? '' : entry.floor
  if (members.length === entry.members.length && floor === entry.floor) return entry
  return members.length === 0 ? undefined : { ...entry, members, floor }
}
