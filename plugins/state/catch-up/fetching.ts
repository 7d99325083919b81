import type { StateEntry } from '../../../core/index.ts'
import type { Asking } from './asking.ts'
import type { Difference } from './differences.ts'
import { unpack } from './packing.ts'

/** Keys whose entries are asked for with one question. */
const KEYS_AT_ONCE = 512

/**
 * The other side's entries of these keys, a frame at a time. What is gone there by now is left out; of what is too large for a
 * frame, `missed` is told the number.
 */
export async function* fetch(
  asking: Asking,
  wanted: readonly Difference[],
  missed: (count: number) => void = () => {},
): AsyncGenerator<readonly StateEntry[]> {
  for (let at = 0; at < wanted.length; at += KEYS_AT_ONCE) {
    const some = wanted.slice(at, at + KEYS_AT_ONCE)
    const buckets = [...new Set(some.map(({ bucket }) => bucket))]
    const names = some.map(({ name }) => name).join('')
    const fold = some[0]?.fold ?? 0
    let from = 0
    for (let isMore = true; isMore; ) {
      const {
        entries,
        count = 0,
        more = false,
      } = await asking.ask('want', { buckets, names, from, ...(fold > 0 && { fold }) })
      if (entries !== undefined) yield unpack(entries)
      else missed(count)
      from += count
      isMore = more && count > 0
    }
  }
}
