import type { Message } from '../message.ts'
import type { StateEntry } from '../state.ts'

/** In the version of what is not for everybody, between the stamp and whom it is for. It is in no stamp. */
const MARK = '@'

/** An instance, by what messages are for it. */
export interface Bearer {
  readonly instanceId: string
  readonly tags: readonly string[]
}

/**
 * The version that a message gives to what it writes: its stamp, and behind that, when the message is for some instances only,
 * a mark with the instance and the tags that it is for, as JSON. What is marked is no part of what instances compare and give
 * to each other as everybody's; between two whom it is for, it is.
 */
export function versionOf({
  version = '',
  targetedTags,
  targetInstanceId,
}: Pick<Message, 'version' | 'targetedTags' | 'targetInstanceId'>): string {
  if (targetedTags.length === 0 && targetInstanceId === undefined) return version
  const named = JSON.stringify([targetInstanceId ?? '', ...new Set([...targetedTags].sort())])
  // A backend may end a version with a space.
  return `${version}${MARK}${named.replaceAll(' ', '\\u0020')}`
}

export function isForSome(version: string): boolean {
  return version.includes(MARK)
}

/** Whether what is marked so is for that instance. A mark that names nobody is for no other instance. */
export function isForBearer(version: string, { instanceId, tags }: Bearer): boolean {
  const [target, ...targetedTags] = namedBy(markOf(version))
  if (target === undefined || (target !== '' && target !== instanceId)) return false
  return targetedTags.length === 0 || targetedTags.some((tag) => tags.includes(tag))
}

/** The version of a text that two went into: the greater stamp, for whom both are. Two different marks name nobody. */
export function versionOfBoth(one: string, other: string): string {
  const greater = [stampOf(one), stampOf(other)].sort().at(-1) as string
  const marks = new Set([markOf(one), markOf(other)])
  marks.delete('')
  return marks.size > 1 ? `${greater}${MARK}` : `${greater}${[...marks].join('')}`
}

/** What of an entry is for everybody; undefined when nothing is. The same entry when all of it is. */
export function publicPart(entry: StateEntry): StateEntry | undefined {
  return partOf(entry, (version) => !isForSome(version))
}

/** What of an entry has these versions; undefined when nothing has. The same entry when all of it has. */
export function partOf(entry: StateEntry, isIn: (version: string) => boolean): StateEntry | undefined {
  if (entry.shape !== 'weights') return isIn(entry.version) ? entry : undefined
  const floor = entry.floor === '' || isIn(entry.floor) ? entry.floor : ''
  const members = entry.members.filter(({ version }) => isIn(version))
  if (floor === entry.floor && members.length === entry.members.length) return entry
  if (members.length === 0) return undefined
  const version = members
    .map(({ version }) => version)
    .sort()
    .at(-1) as string
  return { ...entry, version, floor, members }
}

/** The version without the mark: what clients are told. */
export function stampOf(version: string): string {
  return isForSome(version) ? version.slice(0, version.indexOf(MARK)) : version
}

/** The mark of a version, with what it names; '' when it has none. */
function markOf(version: string): string {
  return isForSome(version) ? version.slice(version.indexOf(MARK)) : ''
}

/** An instance, '' for any, and then tags; nothing when the mark names nobody, or is none. */
function namedBy(mark: string): readonly string[] {
  try {
    const named: unknown = JSON.parse(mark.slice(MARK.length))
    return Array.isArray(named) && named.every((one) => typeof one === 'string') ? named : []
  } catch {
    return []
  }
}
