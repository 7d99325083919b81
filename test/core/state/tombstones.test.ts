import { expect } from 'chai'
import { isForSome } from '../../../core/state/audience.ts'
import { withoutTombstones, withoutUnmatched } from '../../../core/state/tombstones.ts'
import type { StateEntry } from '../../../core/state.ts'
import { array, at, deleted, letters, value, weights } from '../../../core/testing/state-trial.ts'

const members = (...written: readonly [string, number, string | null][]): StateEntry => ({
  ...weights('k', Math.max(...written.map(([, n]) => n)), { any: '1' }),
  members: written.map(([member, n, weight]) => ({ member, version: at(n), weight })),
})
const floored = (entry: StateEntry, n: number) => ({ ...entry, floor: at(n) }) as StateEntry
const forSome = <Entry extends StateEntry>(entry: Entry): Entry => ({ ...entry, version: `${entry.version}@` })

describe('what an entry remembers of things gone', () => {
  it('goes when it is older, and the version is that of a member that is left', () => {
    const entry = floored(members(['a', 3, '1'], ['b', 4, null], ['c', 6, null]), 2)
    expect(withoutTombstones(entry, at(5))).to.deep.equal(members(['a', 3, '1'], ['c', 6, null]))
    expect(withoutTombstones(entry, at(7))).to.deep.equal(members(['a', 3, '1']))
    expect(withoutTombstones(entry, at(2))).to.equal(entry)
  })

  it('stays when it is for some only', () => {
    expect(isForSome(forSome(deleted('k', 1)).version)).to.equal(true)
    expect(withoutTombstones(forSome(deleted('k', 1)), at(5))).to.deep.equal(forSome(deleted('k', 1)))
  })

  it('leaves the deletion for some only that members had replaced, when these are forgotten', () => {
    const entry = { ...members(['a', 4, null]), floor: `${at(2)}@` } as StateEntry
    expect(withoutTombstones(entry, at(5))).to.deep.equal(forSome(deleted('k', 2)))
    expect(withoutTombstones(floored(members(['a', 4, null]), 2), at(5))).to.equal(undefined)
  })
})

describe('what may stay of an entry of somebody who was away', () => {
  const left = (entry: StateEntry, other?: StateEntry) => withoutUnmatched(entry, other, at(5))

  it('is a whole value that is young enough, or of whose key others know something', () => {
    for (const write of [value, array]) {
      expect(left(write('k', 4))).to.equal(undefined)
      expect(left(write('k', 5))).to.deep.equal(write('k', 5))
      expect(left(write('k', 4), members(['a', 1, '1'])), 'it would take the member away').to.equal(undefined)
      for (const other of [value('k', 1), deleted('k', 1)]) {
        expect(left(write('k', 4), other)).to.deep.equal(write('k', 4))
      }
    }
  })

  it('is nothing that it remembers of things gone, however much others know', () => {
    expect(left(deleted('k', 4), value('k', 1))).to.equal(undefined)
    expect(left(deleted('k', 5), value('k', 1))).to.deep.equal(deleted('k', 5))
    const entry = floored(members(['a', 3, '1'], ['b', 4, null]), 2)
    expect(left(entry, members(['a', 1, '1'], ['b', 1, '1']))).to.deep.equal(members(['a', 3, '1']))
  })

  it('is of members those that are young enough, or that others have as well', () => {
    const entry = members(['a', 3, '1'], ['b', 4, '2'], ['c', 6, '3'])
    expect(left(entry)).to.deep.equal(members(['c', 6, '3']))
    expect(left(entry, members(['b', 1, null], ['d', 1, '1']))).to.deep.equal(members(['b', 4, '2'], ['c', 6, '3']))
    expect(left(members(['a', 3, '1']))).to.equal(undefined)
    expect(left(entry, value('k', 1))).to.equal(entry)
  })

  it('is what nobody deletes, and what is for some only', () => {
    expect(left(letters('k', 1, 'a'))).to.deep.equal(letters('k', 1, 'a'))
    expect(left(forSome(value('k', 1)))).to.deep.equal(forSome(value('k', 1)))
    expect(left(forSome(deleted('k', 1)))).to.deep.equal(forSome(deleted('k', 1)))
  })
})
