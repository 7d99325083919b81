import type { StateKey } from '../../../core/index.ts'
import type { Asking, Content } from './asking.ts'
import { type Difference, differences } from './differences.ts'
import { fetch } from './fetching.ts'
import type { Holdings } from './holdings.ts'

/** What this instance and another one do not hold alike. */
export interface Divergence {
  readonly peer: string
  /** How many keys that are. */
  readonly count: number
  /** Some of them, as many as were asked for. */
  readonly keys: readonly DivergentKey[]
  /** Whether what differed was exchanged afterwards; undefined when that was not asked for. */
  readonly repaired: boolean | undefined
}

/** A key, and who knows something of it. */
export interface DivergentKey extends StateKey {
  readonly here: boolean
  readonly there: boolean
}

/** Finds what differs, and changes nothing. Of keys that only the other side has, their entries are fetched to learn their names. */
export async function findDivergence(
  asking: Asking,
  holdings: Holdings,
  options: { readonly epoch: string; readonly half: number; readonly limit: number; readonly said: Content },
): Promise<Pick<Divergence, 'count' | 'keys'>> {
  const ours = await holdings.snapshot()
  const { digests } = await asking.ask('begin', {
    epoch: options.epoch,
    root: ours.root,
    ...options.said,
  })
  const keys: DivergentKey[] = []
  let count = 0
  if (digests === undefined) return { count, keys }
  for await (const some of differences(asking, holdings, { ours, groups: digests, half: options.half })) {
    count += some.length
    keys.push(...(await named(asking, some.slice(0, options.limit - keys.length))))
  }
  return { count, keys }
}

async function named(asking: Asking, some: readonly Difference[]): Promise<readonly DivergentKey[]> {
  const known = some.flatMap(({ ours, theirs }) => {
    return ours ? [{ ...ours.key, here: true, there: theirs !== undefined }] : []
  })
  const unnamed = some.filter(({ ours }) => !ours)
  const named = new Map<string, DivergentKey>()
  for await (const entries of fetch(asking, unnamed)) {
    for (const { space, key } of entries)
      named.set(JSON.stringify([space, key]), { space, key, here: false, there: true })
  }
  return [...known, ...named.values()]
}
