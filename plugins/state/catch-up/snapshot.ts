import { hash } from 'node:crypto'
import { endianness } from 'node:os'
import { BUCKETS, bucketOf, type StateKey } from '../../../core/index.ts'

export const GROUPS = 256
const BUCKETS_OF_GROUP = BUCKETS / GROUPS
/** 64 bits in base64, without the padding. */
const DIGEST_LENGTH = 11
/** Half of a digest. */
const HALF_BYTES = 4

/** So often may a group be folded in two: then its buckets are one cell. */
export const MAX_FOLD = 8

/** How many of the buckets make a cell. */
export function bucketsOfCell(fold: number): number {
  return 2 ** Math.min(fold, MAX_FOLD)
}

/** The cell of a key, by its first bucket. */
export function cellOf(key: StateKey, fold: number): number {
  const bucket = bucketOf(key)
  return bucket - (bucket % bucketsOfCell(fold))
}

/** All buckets of these cells, which are named by their first ones. */
export function bucketsIn(cells: readonly number[], fold: number): readonly number[] {
  if (fold === 0) return cells
  return cells.flatMap((cell) => Array.from({ length: bucketsOfCell(fold) }, (_, place) => cell + place))
}

/** The digests of everything at one moment, in three levels: all, groups of buckets, cells of one bucket or several. */
export class Snapshot {
  readonly root: string
  /** Of all groups, one behind the other. */
  readonly groups: string
  readonly #buckets: BigUint64Array

  constructor(buckets: BigUint64Array) {
    this.#buckets = buckets
    let groups = ''
    for (let group = 0; group < GROUPS; group++) {
      groups += hash('sha256', this.#bytesOf(group), 'base64').slice(0, DIGEST_LENGTH)
    }
    this.groups = groups
    this.root = hash('sha256', groups, 'base64').slice(0, 2 * DIGEST_LENGTH)
  }

  /** Groups that are not as these. */
  differingGroups(theirs: string): readonly number[] {
    const differing: number[] = []
    for (let group = 0; group < GROUPS; group++) {
      const at = group * DIGEST_LENGTH
      if (this.groups.slice(at, at + DIGEST_LENGTH) !== theirs.slice(at, at + DIGEST_LENGTH)) differing.push(group)
    }
    return differing
  }

  /**
   * Half of the digest of each cell of a group. The other half is for another time: two cells that differ have the same
   * half once in four thousand million times, and not for ever.
   */
  halves(group: number, half: number, fold: number): string {
    return this.#halves(group, half, fold).toString('base64')
  }

  /** Cells of a group that are not as these, by their first buckets. */
  differingCells(group: number, half: number, fold: number, theirs: string): readonly number[] {
    const ours = this.#halves(group, half, fold)
    const others = Buffer.from(theirs, 'base64')
    const differing: number[] = []
    for (let start = 0; start < ours.length; start += HALF_BYTES) {
      const end = start + HALF_BYTES
      if (ours.compare(others, Math.min(start, others.length), Math.min(end, others.length), start, end) !== 0) {
        differing.push(group * BUCKETS_OF_GROUP + (start / HALF_BYTES) * bucketsOfCell(fold))
      }
    }
    return differing
  }

  #halves(group: number, half: number, fold: number): Buffer {
    const size = bucketsOfCell(fold)
    const bytes = Buffer.alloc((BUCKETS_OF_GROUP / size) * HALF_BYTES)
    const shift = half === 0 ? 0n : 32n
    for (let start = 0; start < BUCKETS_OF_GROUP; start += size) {
      let digest = 0n
      for (let place = start; place < start + size; place++) {
        digest ^= this.#buckets[group * BUCKETS_OF_GROUP + place] ?? 0n
      }
      bytes.writeUInt32BE(Number((digest >> shift) & 0xffff_ffffn), (start / size) * HALF_BYTES)
    }
    return bytes
  }

  /** In an order of bytes that is the same on every machine. */
  #bytesOf(group: number): Buffer {
    const first = group * BUCKETS_OF_GROUP
    const { buffer, byteOffset, byteLength } = this.#buckets.subarray(first, first + BUCKETS_OF_GROUP)
    // Copied as a whole: to write one bigint after the other takes ten times as long.
    const bytes = Buffer.from(new Uint8Array(buffer, byteOffset, byteLength))
    return endianness() === 'LE' ? bytes.swap64() : bytes
  }
}
