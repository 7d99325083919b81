import { hash } from 'node:crypto'
import { BUCKETS, type StateEntry, type StateKey, type WeightedMember } from '../state.ts'

/** 64 bits, as two unsigned numbers of 32: JavaScript computes with these an order of magnitude faster than with bigints. */
export interface Digest {
  readonly high: number
  readonly low: number
}

export const NO_DIGEST: Digest = Object.freeze({ high: 0, low: 0 })

/** The bucket of a key: the same at every instance. */
export function bucketOf({ space, key }: StateKey): number {
  return digestOfParts([space, key]).low % BUCKETS
}

/**
 * What is compared between instances. Tombstones, removed members and floors do not count: each instance forgets them at a
 * time of its own. That of `weights` is the XOR of its members', so that one member's change needs no look at the others.
 */
export function digestOf(entry: StateEntry): Digest {
  if (entry.shape === 'tombstone') return NO_DIGEST
  if (entry.shape !== 'weights') {
    return digestOfParts([entry.space, entry.key, entry.shape, entry.version, entry.value])
  }
  return entry.members.reduce((sum, member) => xor(sum, digestOfMember(entry, member)), NO_DIGEST)
}

export function digestOfMember({ space, key }: StateKey, { member, version, weight }: WeightedMember): Digest {
  return weight === null ? NO_DIGEST : digestOfParts([space, key, 'weights', version, member, weight])
}

export function xor(one: Digest, other: Digest): Digest {
  return { high: (one.high ^ other.high) >>> 0, low: (one.low ^ other.low) >>> 0 }
}

/** The first 64 bits of SHA-256. Each part goes with its length, so that no two lists give one text. */
function digestOfParts(parts: readonly string[]): Digest {
  let text = ''
  for (const part of parts) text += `${part.length}:${part}`
  const bytes = hash('sha256', text, 'binary')
  return { high: uint32(bytes, 0), low: uint32(bytes, 4) }
}

function uint32(bytes: string, at: number): number {
  const high = (bytes.charCodeAt(at) << 8) | bytes.charCodeAt(at + 1)
  const low = (bytes.charCodeAt(at + 2) << 8) | bytes.charCodeAt(at + 3)
  return high * 0x1_0000 + low
}
