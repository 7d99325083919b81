import { hash } from 'node:crypto'
import { BUCKETS } from '../../../core/index.ts'

export const GROUPS = 256
const BUCKETS_OF_GROUP = BUCKETS / GROUPS
/** 64 bits in base64, without the padding. */
const DIGEST_LENGTH = 11
/** Half of a digest. */
const HALF_BYTES = 4

/** The digests of everything at one moment, in three levels: all, groups of buckets, buckets. */
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
   * Half of the digest of each bucket of a group. The other half is for another time: two buckets that differ have the same
   * half once in four thousand million times, and not for ever.
   */
  halves(group: number, half: number): string {
    return this.#halves(group, half).toString('base64')
  }

  /** Buckets of a group that are not as these. */
  differingBuckets(group: number, half: number, theirs: string): readonly number[] {
    const ours = this.#halves(group, half)
    const others = Buffer.from(theirs, 'base64')
    const differing: number[] = []
    for (let place = 0; place < BUCKETS_OF_GROUP; place++) {
      const [start, end] = [place * HALF_BYTES, (place + 1) * HALF_BYTES]
      if (ours.compare(others, start, Math.min(end, others.length), start, end) !== 0) {
        differing.push(group * BUCKETS_OF_GROUP + place)
      }
    }
    return differing
  }

  #halves(group: number, half: number): Buffer {
    const bytes = Buffer.alloc(BUCKETS_OF_GROUP * HALF_BYTES)
    const shift = half === 0 ? 0n : 32n
    for (let place = 0; place < BUCKETS_OF_GROUP; place++) {
      const digest = this.#buckets[group * BUCKETS_OF_GROUP + place] ?? 0n
      bytes.writeUInt32BE(Number((digest >> shift) & 0xffff_ffffn), place * HALF_BYTES)
    }
    return bytes
  }

  /** In an order of bytes that is the same on every machine. */
  #bytesOf(group: number): Buffer {
    const bytes = Buffer.alloc(BUCKETS_OF_GROUP * 8)
    for (let place = 0; place < BUCKETS_OF_GROUP; place++) {
      bytes.writeBigUInt64BE(this.#buckets[group * BUCKETS_OF_GROUP + place] ?? 0n, place * 8)
    }
    return bytes
  }
}
