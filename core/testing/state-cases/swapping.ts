import assert from 'node:assert/strict'
import type { StateEntry } from '../../state.ts'
import { at, deleted, type TryingState, value, weights } from '../state-trial.ts'

/** Compare and set. */
export const swappingCases: Readonly<Record<string, TryingState>> = {
  async 'swaps an entry that is as expected, and keeps the new one'(trial) {
    const backend = await trial.open()
    assert.equal(await backend.swap(undefined, value('key', 1)), true)
    assert.equal(await backend.swap(value('key', 1), weights('key', 2, { a: '1', b: null })), true)
    assert.equal(await backend.swap(weights('key', 2, { a: '1', b: null }), deleted('key', 3)), true)
    await trial.reopen()
    assert.deepEqual(await trial.read('key'), deleted('key', 3))
  },

  async 'swaps to what is older, for that is the business of whoever asks'(trial) {
    const backend = await trial.open()
    await trial.join(value('key', 5))
    assert.equal(await backend.swap(value('key', 5), value('key', 1)), true)
    assert.deepEqual(await trial.read('key'), value('key', 1))
  },

  async 'swaps nothing when anything differs from what is expected'(trial) {
    const backend = await trial.open()
    const there = { ...weights('key', 2, { a: '1' }), floor: at(1) }
    await trial.join(there, value('whole', 1))
    const { members } = weights('key', 2, { a: '2' })
    const others = [
      undefined,
      value('key', 2),
      { ...there, floor: '' },
      { ...there, members },
      weights('key', 3, { a: '1' }),
    ]
    for (const expected of others) assert.equal(await backend.swap(expected, value('key', 9)), false)
    for (const expected of [undefined, value('whole', 2), value('whole', 1, '"else"'), deleted('whole', 1)]) {
      assert.equal(await backend.swap(expected, value('whole', 9)), false)
    }
    assert.equal(await backend.swap(value('none', 1), value('none', 9)), false)
    assert.deepEqual(await trial.read('key'), there)
    assert.deepEqual(await trial.read('whole'), value('whole', 1))
    assert.equal(await trial.read('none'), undefined)
  },

  async 'takes an entry away that is as expected, as if it had never been'(trial) {
    const backend = await trial.open()
    await trial.join(value('other', 1))
    const [digests, statistics] = [await trial.digests(), backend.statistics()]
    const entries = [value('value', 1), deleted('tombstone', 1), weights('weights', 1, { a: '1', b: null })]
    await trial.join(...entries)
    for (const entry of entries) {
      const { key } = entry
      assert.equal(await backend.swap({ ...entry, version: at(7) } as StateEntry, undefined), false)
      assert.deepEqual(await trial.read(key), entry)
      assert.equal(await backend.swap(entry, undefined), true)
      assert.equal(await backend.swap(entry, undefined), false)
      assert.equal(await trial.read(key), undefined)
    }
    await trial.reopen()
    assert.deepEqual(await trial.all(), [value('other', 1)])
    assert.deepEqual([await trial.digests(), trial.backend.statistics()], [digests, statistics])
  },

  async 'lets one of many that expect the same have its way'(trial) {
    const backend = await trial.open()
    await trial.join(value('key', 1))
    const won = await Promise.all([2, 3, 4, 5].map((n) => backend.swap(value('key', 1), value('key', n))))
    assert.deepEqual(won.filter(Boolean), [true])
    assert.deepEqual(await trial.read('key'), value('key', 2 + won.indexOf(true)))
  },
}
