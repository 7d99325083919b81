import type { Message } from '../message.ts'
import type { StateEntry } from '../state.ts'

/** Ends the version of what is not for everybody. It is in no stamp. */
const MARK = '@'

/**
 * The version that a message gives to what it writes: its stamp, and behind that a mark when the message is for some
 * instances only. What is marked stays where it is: it is no part of what instances compare and give to each other.
 */
export function versionOf({ version = '', targetedTags, targetInstanceId }: Message): string {
  return targetedTags.length > 0 || targetInstanceId !== undefined ? `${version}${MARK}` : version
}

export function isForSome(version: string): boolean {
  return version.endsWith(MARK)
}

/** The version of a text that two went into: the greater stamp, marked if one of them was. */
export function versionOfBoth(one: string, other: string): string {
  const greater = [stampOf(one), stampOf(other)].sort().at(-1) as string
  return isForSome(one) || isForSome(other) ? `${greater}${MARK}` : greater
}

/** What of an entry is for everybody; undefined when nothing is. The same entry when all of it is. */
export function publicPart(entry: StateEntry): StateEntry | undefined {
  if (entry.shape !== 'weights') return isForSome(entry.version) ? undefined : entry
  if (!isForSome(entry.floor) && !entry.members.some(({ version }) => isForSome(version))) return entry
  const members = entry.members.filter(({ version }) => !isForSome(version))
  if (members.length === 0) return undefined
  const version = members
    .map(({ version }) => version)
    .sort()
    .at(-1) as string
  return { ...entry, version, floor: isForSome(entry.floor) ? '' : entry.floor, members }
}

/** The version without the mark: what clients are told. */
export function stampOf(version: string): string {
  return isForSome(version) ? version.slice(0, -MARK.length) : version
}
