import { BUCKETS, type StateKey } from '../../../core/index.ts'
import type { Asking } from './asking.ts'
import type { Holdings } from './holdings.ts'
import { readAll, type Sighting, sightingOf } from './sightings.ts'
import { bucketsIn, bucketsOfCell, cellOf, MAX_FOLD, type Snapshot } from './snapshot.ts'

/** Groups whose cells are asked for at once: some 90 KB at most. */
const GROUPS_AT_ONCE = 64
/** Buckets whose keys are asked for at once; the answer speaks of as many of their cells as fit. */
const BUCKETS_AT_ONCE = 1_024

/** A key of which the two sides do not hold the same. */
export interface Difference {
  /** The cell, by its first bucket, and how large cells are. */
  readonly bucket: number
  readonly fold: number
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
  const wish = foldFor(holdings.keys)
  for (let at = 0; at < differing.length; at += GROUPS_AT_ONCE) {
    const some = differing.slice(at, at + GROUPS_AT_ONCE)
    // Whoever does not know of folding does not say so, and tells of each bucket.
    const { lists = [], fold = 0 } = await asking.ask('buckets', {
      groups: some,
      half,
      ...(wish > 0 && { fold: wish }),
    })
    const cells = some.flatMap((group, index) => ours.differingCells(group, half, fold, lists[index] ?? ''))
    for (let next = 0; next < cells.length; ) {
      const asked = cells.slice(next, next + Math.max(1, BUCKETS_AT_ONCE / bucketsOfCell(fold)))
      const { lists = [] } = await asking.ask('keys', { buckets: asked, ...(fold > 0 && { fold }) })
      if (lists.length === 0) throw new Error('the other side answered for no bucket')
      yield await compare(holdings, asked.slice(0, lists.length), { lists, fold })
      next += lists.length
    }
  }
}

/** So many buckets are a cell that there are no more cells than keys: digests of what is empty would be most of all that is moved. */
function foldFor(keys: number): number {
  return Math.min(MAX_FOLD, Math.max(0, Math.ceil(Math.log2(BUCKETS / Math.max(1, keys)))))
}

async function compare(
  holdings: Holdings,
  cells: readonly number[],
  { lists, fold }: { readonly lists: readonly string[]; readonly fold: number },
): Promise<readonly Difference[]> {
  const found = new Map<string, Difference>()
  cells.forEach((bucket, index) => {
    for (const theirs of readAll(lists[index] ?? '')) {
      found.set(theirs.name, { bucket, fold, name: theirs.name, ours: undefined, theirs })
    }
  })
  for await (const entry of holdings.in(bucketsIn(cells, fold))) {
    const sighting = sightingOf(entry)
    const { name } = sighting
    const theirs = found.get(name)?.theirs
    const { space, key } = entry
    const ours = { ...sighting, key: { space, key } }
    if (theirs?.digest === ours.digest) found.delete(name)
    else found.set(name, { bucket: cellOf(entry, fold), fold, name, ours, theirs })
  }
  return [...found.values()]
}
