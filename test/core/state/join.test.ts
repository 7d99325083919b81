import { expect } from 'chai'
import fc from 'fast-check'
import { bucketOf, digestOf } from '../../../core/state/digest.ts'
import { isSameEntry, type JoinTexts, join, weightsOf } from '../../../core/state/join.ts'
import { isLive, tombstonesIn, withoutTombstones } from '../../../core/state/tombstones.ts'
import type { StateEntry } from '../../../core/state.ts'

const place = { space: 'keys', key: 'key' }

/** A few stamps only, so that equal ones are frequent. */
const version = fc.constantFrom('1', '2', '3', '4', '5', '6')
const text = fc.constantFrom('1', '"a"', '9007199254740993')
const member = fc.record({
  member: fc.constantFrom('a', 'b', 'c', 'é', '😀'),
  weight: fc.option(text, { nil: null }),
  version,
})

const written: fc.Arbitrary<StateEntry> = fc.oneof(
  fc
    .record({ shape: fc.constantFrom('value', 'array'), version, value: text })
    .map((whole) => ({ ...place, ...whole })),
  version.map((version) => ({ ...place, shape: 'tombstone' as const, version })),
  fc
    .array(member, { minLength: 1, maxLength: 4 })
    .map((members) => weightsOf(place.space, place.key, members) as StateEntry),
)

/** An `own` value is a set of letters. */
const own: fc.Arbitrary<StateEntry> = fc
  .record({ version, value: fc.constantFrom('a', 'b', 'ab', 'bc') })
  .map((value) => ({ ...place, shape: 'own' as const, ...value }))

const letters: JoinTexts = (one, other) => [...new Set(`${one}${other}`)].sort().join('')
const united = (space: string) => (space === 'keys' ? letters : undefined)
const newest = () => undefined

for (const [what, write, joinedBy] of [
  ['built-in writes', written, newest],
  ['built-in writes and values of a type that joins its own', fc.oneof(written, own), united],
  ['built-in writes and own values of a type that is unknown', fc.oneof(written, own), newest],
] as const) {
  describe(`joining ${what}`, () => {
    /** What has become of some writes: a delta as well. */
    const entry = fc.array(write, { minLength: 1, maxLength: 5 }).map((writes) => all(writes) as StateEntry)
    const both = (one: StateEntry, other: StateEntry) => join(one, other, joinedBy).entry
    const all = (writes: readonly StateEntry[]) =>
      writes.reduce<StateEntry | undefined>((entry, write) => join(entry, write, joinedBy).entry, undefined)

    it('is commutative', () => {
      fc.assert(fc.property(entry, entry, (one, other) => same(both(one, other), both(other, one))))
    })

    it('is associative', () => {
      const property = fc.property(entry, entry, entry, (one, other, third) =>
        same(both(both(one, other), third), both(one, both(other, third))),
      )
      fc.assert(property, { numRuns: 1_000 })
    })

    it('is idempotent, and gives the very entry when nothing changes', () => {
      const property = fc.property(entry, write, (one, other) => {
        expect(both(one, one)).to.equal(one)
        const joined = both(one, other)
        expect(both(joined, other)).to.equal(joined)
        expect(both(joined, one)).to.equal(joined)
      })
      fc.assert(property)
    })

    it('gives the same for all orders of the writes', () => {
      const shuffled = fc
        .array(write, { minLength: 1, maxLength: 6 })
        .chain((writes) => fc.tuple(fc.constant(writes), fc.shuffledSubarray(writes, { minLength: writes.length })))
      fc.assert(fc.property(shuffled, ([writes, others]) => same(all(writes), all(others))))
    })

    it('says that a write is superseded exactly if nothing of it holds', () => {
      const property = fc.property(entry, written, (one, other) => {
        const { entry: joined, outcome } = join(one, other, joinedBy)
        expect(outcome).to.equal(holds(other, joined) ? 'applied' : 'superseded')
      })
      fc.assert(property)
    })

    it('gives one digest for what reads the same, tombstones forgotten or not', () => {
      const property = fc.property(entry, version, (one, before) => {
        const left = withoutTombstones(one, before)
        const none = { high: 0, low: 0 }
        expect(left ? digestOf(left) : none).to.deep.equal(digestOf(one))
        expect(left ? isLive(left) : false).to.equal(isLive(one))
        expect(left ? tombstonesIn(left) : 0).to.be.at.most(tombstonesIn(one))
      })
      fc.assert(property)
    })
  })
}

describe('the digest of an entry', () => {
  const value = { ...place, shape: 'value', version: '1', value: '1' } as const

  it('is the beginning of the SHA-256 of all that is said, each part behind its length', () => {
    expect(digestOf(value)).to.deep.equal({ high: 3302914302, low: 4262405135 })
  })

  it('stands in a bucket that stays the same, and the buckets are filled evenly', () => {
    expect(bucketOf(place)).to.equal(36809)
    const filled = new Map<number, number>()
    for (let n = 0; n < 65_536; n++) {
      const bucket = bucketOf({ space: 'keys', key: `order:${n}` })
      filled.set(bucket, (filled.get(bucket) ?? 0) + 1)
    }
    expect(filled.size).to.be.greaterThan(40_000)
    expect(Math.max(...filled.values())).to.be.lessThan(12)
  })

  it('differs with everything that is said', () => {
    const others: readonly StateEntry[] = [
      value,
      { ...value, space: 'key', key: 'skey' },
      { ...value, key: 'other' },
      { ...value, shape: 'array' },
      { ...value, version: '2' },
      { ...value, value: '1.0' },
      weightsOf('keys', 'key', [{ member: 'a', weight: '1', version: '1' }]) as StateEntry,
      weightsOf('keys', 'key', [{ member: 'a', weight: '2', version: '1' }]) as StateEntry,
      weightsOf('keys', 'key', [{ member: 'b', weight: '1', version: '1' }]) as StateEntry,
    ]
    expect(new Set(others.map((entry) => JSON.stringify(digestOf(entry)))).size).to.equal(others.length)
  })
})

function same(one: StateEntry | undefined, other: StateEntry | undefined): void {
  expect(one).to.deep.equal(other)
  expect(isSameEntry(one, other)).to.equal(true)
}

function holds(write: StateEntry, entry: StateEntry): boolean {
  if (write.shape !== 'weights') return isSameEntry(write, entry)
  if (entry.shape !== 'weights') return false
  return write.members.some((written) =>
    entry.members.some((member) => JSON.stringify(member) === JSON.stringify(written)),
  )
}
