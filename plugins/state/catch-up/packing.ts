import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type StateEntry, stampOf, weightsOf } from '../../../core/index.ts'
import { MAX_ENTRIES_LENGTH, MAX_FRAME_LENGTH } from './frames.ts'

/** What a frame may become when it is inflated, in bytes. */
const MAX_INFLATED = 16 * 1024 * 1024
/** A version names 32 tags at most, each of 64 characters, which JSON may write with six. */
const MAX_VERSION = 16 * 1024
const STAMP = /^\d{13}-\d{5}-[A-Za-z0-9._:-]{1,128}$/

/**
 * An entry, or some members of a large one, as JSON. Entries of more members than fit into a frame go in pieces: each of these
 * is a write of its own to whoever joins them.
 */
export function piecesOf(entry: StateEntry): readonly string[] {
  const { space, key, shape, version } = entry
  if (entry.shape !== 'weights') {
    return [JSON.stringify('value' in entry ? [space, key, shape, version, entry.value] : [space, key, shape, version])]
  }
  const pieces: string[] = []
  let members: unknown[] = []
  let length = 0
  for (const { member, weight, version } of entry.members) {
    members.push([member, version, weight])
    length += member.length + version.length + (weight?.length ?? 0)
    if (length < MAX_ENTRIES_LENGTH / 2) continue
    pieces.push(JSON.stringify([space, key, shape, entry.floor, members]))
    members = []
    length = 0
  }
  if (members.length > 0) pieces.push(JSON.stringify([space, key, shape, entry.floor, members]))
  return pieces
}

export interface Pack {
  /** Undefined when the first piece is too large for any frame. */
  readonly text: string | undefined
  /** How many pieces are in it, or are left out. */
  readonly count: number
}

/** As many of the pieces as fit into a frame, but one at least. */
export function pack(pieces: readonly string[]): Pack {
  let count = 0
  let length = 0
  while (count < pieces.length) {
    length += (pieces[count] as string).length
    if (count > 0 && length > MAX_ENTRIES_LENGTH) break
    count++
  }
  const text = deflateRawSync(`[${pieces.slice(0, count).join()}]`).toString('base64')
  return { text: text.length > MAX_FRAME_LENGTH ? undefined : text, count }
}

/** Throws when the text is not what `pack` makes. */
export function unpack(text: string): readonly StateEntry[] {
  const json = inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: MAX_INFLATED }).toString()
  const items: unknown = JSON.parse(json)
  if (!Array.isArray(items)) throw new TypeError('entries are not a list')
  return items.map(entryOf)
}

function entryOf(item: unknown): StateEntry {
  const [space, key, shape, version, content] = Array.isArray(item) ? (item as unknown[]) : []
  if (typeof space !== 'string' || typeof key !== 'string') throw new TypeError('an entry has no key')
  if (shape === 'weights') {
    const floor = version === '' ? '' : stamp(version)
    const entry = weightsOf(space, key, listOf(content).map(memberOf), floor)
    if (entry) return entry
  } else if (shape === 'tombstone') {
    return { space, key, shape, version: stamp(version) }
  } else if ((shape === 'value' || shape === 'array' || shape === 'own') && typeof content === 'string') {
    JSON.parse(content)
    return { space, key, shape, version: stamp(version), value: content }
  }
  throw new TypeError('an entry has no such shape')
}

function memberOf(item: unknown) {
  const [member, version, weight] = listOf(item)
  if (typeof member !== 'string') throw new TypeError('a member has no name')
  if (weight !== null && (typeof weight !== 'string' || typeof JSON.parse(weight) !== 'number')) {
    throw new TypeError('a weight is no number')
  }
  return { member, weight, version: stamp(version) }
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new TypeError('a list is missing')
}

function stamp(version: unknown): string {
  if (typeof version === 'string' && version.length <= MAX_VERSION && STAMP.test(stampOf(version))) return version
  throw new TypeError('a version is no stamp')
}
