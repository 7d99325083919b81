import { expect } from 'chai'
import { BUCKETS, bucketOf, SHARED_SPACE } from '../../../../core/index.ts'
import { bucketsIn, cellOf, MAX_FOLD, Snapshot } from '../../../../plugins/state/catch-up/snapshot.ts'
import { backends, filled, instance, speaker, until, value } from './support.ts'

/** Digests of every bucket, drawn by a number. */
function digests(): BigUint64Array {
  return BigUint64Array.from({ length: BUCKETS }, (_, bucket) => BigInt(bucket) * 0x9e37_79b9_7f4a_7c15n)
}

describe('buckets that are folded to cells', () => {
  const ours = new Snapshot(digests())
  const CHANGED = [0, 7, 255, 700, 65_535]
  const theirs = digests()
  for (const bucket of CHANGED) theirs[bucket] = (theirs[bucket] as bigint) ^ (BigInt(bucket + 1) * 0x1_0000_0001n)
  const other = new Snapshot(theirs)

  for (let fold = 0; fold <= MAX_FOLD; fold++) {
    it(`of ${2 ** fold} show which of them differ, by either half`, () => {
      const size = 2 ** fold
      const cells = [...new Set(CHANGED.map((bucket) => bucket - (bucket % size)))]
      for (const half of [0, 1]) {
        const found = ours
          .differingGroups(other.groups)
          .flatMap((group) => ours.differingCells(group, half, fold, other.halves(group, half, fold)))
        expect(found).to.deep.equal(cells)
      }
      const buckets = bucketsIn(cells, fold)
      expect(buckets)
        .to.include.members(CHANGED)
        .and.to.have.length(cells.length * size)
    })

    it(`of ${2 ** fold} all differ where nothing is said`, () => {
      expect(ours.differingCells(1, 0, fold, '')).to.have.length(256 / 2 ** fold)
    })
  }

  it('hold each key in one of them', () => {
    const key = { space: SHARED_SPACE, key: 'k' }
    expect(cellOf(key, 0)).to.equal(bucketOf(key))
    for (let fold = 0; fold <= MAX_FOLD; fold++) {
      expect(bucketsIn([cellOf(key, fold)], fold)).to.include(bucketOf(key))
    }
  })
})

describe('catch-up', () => {
  const { memory } = backends as { memory: () => ReturnType<(typeof backends)['memory'] & object> }

  it('compares bucket by bucket with one that does not fold', async () => {
    const entry = value('k', 1)
    const a = await instance('a', await filled(memory(), entry))
    const { answerAll } = await speaker(a)
    const empty = new Snapshot(new BigUint64Array(BUCKETS))
    const asked = await answerAll(({ ask, groups = [], half = 0, buckets = [] }) => {
      if (ask === 'begin') return { epoch: 'e', root: empty.root, digests: empty.groups }
      if (ask === 'buckets') return { lists: groups.map((group) => empty.halves(group, half, 0)) }
      return ask === 'keys' ? { lists: buckets.map(() => '') } : {}
    })
    expect(asked.map(({ ask, fold }) => [ask, fold])).to.deep.equal([
      ['begin', undefined],
      ['buckets', 8],
      ['keys', undefined],
      ['give', undefined],
      ['end', undefined],
    ])
    expect(asked.find(({ ask }) => ask === 'keys')?.buckets).to.deep.equal([bucketOf(entry)])
    await until(() => a.kernel.use('catchUp').figures.sent === 1)
  })

  it('is understood by one that does not fold', async () => {
    const entry = value('k', 1)
    const a = await instance('a', await filled(memory(), entry))
    const { ask } = await speaker(a)
    await ask({ ask: 'begin', epoch: 'e', root: 'x' })
    const group = Math.floor(bucketOf(entry) / 256)
    const { lists: digests = [] } = (await ask({ ask: 'buckets', groups: [group], half: 0 })) as { lists?: string[] }
    expect(Buffer.from(digests[0] ?? '', 'base64')).to.have.length(256 * 4)
    const { lists = [] } = (await ask({ ask: 'keys', buckets: [bucketOf(entry), 0] })) as { lists?: string[] }
    expect(lists.map(({ length }) => length)).to.deep.equal([24, 0])
  })
})
