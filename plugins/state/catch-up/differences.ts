import type { StateKey } from '../../../core/index.ts'
import { bucketOf } from '../../../core/index.ts'
import type { Asking } from './asking.ts'
import type { Holdings } from './holdings.ts'
import { readAll, type Sighting, sightingOf } from './sightings.ts'
import type { Snapshot } from './snapshot.ts'

/** Groups whose buckets are asked for at once: some 90 KB. */
const GROUPS_AT_ONCE = 64
/** Buckets whose keys are asked for at once; the answer speaks of as many of these as fit. */
const BUCKETS_AT_ONCE = 1_024

/** A key of which the two sides do not hold the same. */
export interface Difference {
  readonly bucket: number
  readonly name: string
  readonly ours: (Sighting & { readonly key: StateKey }) | undefined
  readonly theirs: Sighting | undefined
}

/** What differs between this instance and the other end, some buckets at a time, from the top down. */
export async function* differences(
  asking: Asking,
  holdings: Holdings,
  { ours, groups, half }: { readonly ours: Snapshot; readonly groups: string; readonly half: number },
): AsyncGenerator<readonly Difference[]> {
  const differing = ours.differingGroups(groups)
  for (let at = 0; at < differing.length; at += GROUPS_AT_ONCE) {
    const some = differing.slice(at, at + GROUPS_AT_ONCE)
    const { lists = [] } = await asking.ask('buckets', { groups: some, half })
    const buckets = some.flatMap((group, index) => ours.differingBuckets(group, half, lists[index] ?? ''))
    for (let next = 0; next < buckets.length; ) {
      const asked = buckets.slice(next, next + BUCKETS_AT_ONCE)
      const { lists = [] } = await asking.ask('keys', { buckets: asked })
      if (lists.length === 0) throw new Error('the other side answered for no bucket')
      yield await compare(holdings, asked.slice(0, lists.length), lists)
      next += lists.length
    }
  }
}

async function compare(
  holdings: Holdings,
  buckets: readonly number[],
  lists: readonly string[],
): Promise<readonly Difference[]> {
  const found = new Map<string, Difference>()
  buckets.forEach((bucket, index) => {
    for (const theirs of readAll(lists[index] ?? '')) {
      found.set(theirs.name, { bucket, name: theirs.name, ours: undefined, theirs })
    }
  })
  for await (const entry of holdings.in(buckets)) {
    const sighting = sightingOf(entry)
    const { name } = sighting
    const theirs = found.get(name)?.theirs
    const { space, key } = entry
    const ours = { ...sighting, key: { space, key } }
    if (theirs?.digest === ours.digest) found.delete(name)
    else found.set(name, { bucket: bucketOf(entry), name, ours, theirs })
  }
  return [...found.values()]
}
