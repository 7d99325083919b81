import { type Digest, NO_DIGEST, type StateStatistics, xor } from '../../../core/index.ts'

/** What one transaction changes about the digests and figures. */
export class Account {
  keys = 0
  tombstones = 0
  bytes = 0
  readonly #buckets = new Map<number, Digest>()

  /** What was in a bucket is something else now: both digests, taken together. */
  change(bucket: number, digest: Digest): void {
    this.#buckets.set(bucket, xor(this.#buckets.get(bucket) ?? NO_DIGEST, digest))
  }

  get buckets(): ReadonlyMap<number, Digest> {
    return this.#buckets
  }

  get figures(): StateStatistics {
    return { keys: this.keys, tombstones: this.tombstones, bytes: this.bytes }
  }
}
