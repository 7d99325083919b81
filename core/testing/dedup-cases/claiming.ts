import assert from 'node:assert/strict'
import { claimed, LONG_MS, type TryingDedup } from '../dedup-trial.ts'

/** Keys of many shapes. A key is text, and nothing else about it matters. */
const KEYS = ['singleton m-1', 'eu m-1', 'm-1', 'a:b.c_d-e', 'x'.repeat(257), '{tag} m', "it's 100%", '}{']

export const claimingCases: Readonly<Record<string, TryingDedup>> = {
  async 'lets a key be claimed that nobody has'(trial) {
    const backend = await trial.open()
    assert.equal(await backend.find('key'), undefined)
    const verdict = await backend.claim('key')
    assert.equal(verdict.status, 'claimed')
    assert.equal(await backend.find('key'), 'claimed')
  },

  async 'says that a key is busy which somebody holds, and for how long'(trial) {
    const [one, other] = [await trial.open(), await trial.open()]
    await claimed(one, 'key')
    for (const backend of [one, other]) {
      const verdict = await backend.claim('key')
      assert.equal(verdict.status, 'busy')
      assert.ok('forMs' in verdict && verdict.forMs > 0 && verdict.forMs <= LONG_MS)
    }
  },

  async 'keeps keys apart, whatever characters they have'(trial) {
    const backend = await trial.open()
    for (const key of KEYS) {
      const token = await claimed(backend, key)
      assert.equal(await backend.find(key), 'claimed')
      assert.equal(await backend.confirm(key, token), true)
    }
    for (const key of KEYS) assert.equal(await backend.find(key), 'confirmed')
    for (const key of KEYS) assert.equal(await backend.find(`${key} `), undefined)
  },

  async 'gives a key to one of many who claim it at once'(trial) {
    const backends = [await trial.open(), await trial.open(), await trial.open()]
    const keys = Array.from({ length: 20 }, (_, n) => `key-${n}`)
    const verdicts = await Promise.all(
      keys.map((key) => Promise.all([...backends, ...backends].map((backend) => backend.claim(key)))),
    )
    for (const ofKey of verdicts) {
      const counts = ['claimed', 'busy'].map((wanted) => ofKey.filter(({ status }) => status === wanted).length)
      assert.deepEqual(counts, [1, 5])
    }
  },

  async 'lets a key be claimed at once that was released, with a greater token'(trial) {
    const [one, other] = [await trial.open(), await trial.open()]
    let last = 0
    for (let round = 0; round < 20; round++) {
      const backend = round % 2 === 0 ? one : other
      const token = await claimed(backend, 'key')
      assert.ok(Number.isSafeInteger(token) && token > last)
      last = token
      await backend.release('key', token)
      assert.equal(await backend.find('key'), undefined)
    }
  },

  async 'releases nothing that is no longer there'(trial) {
    const backend = await trial.open()
    const first = await claimed(backend, 'key')
    await backend.release('key', first)
    const second = await claimed(backend, 'key')
    await backend.release('key', first)
    await backend.release('other', first)
    assert.equal(await backend.find('key'), 'claimed')
    assert.equal(await backend.confirm('key', second), true)
    await backend.release('key', second)
    assert.equal(await backend.find('key'), 'confirmed')
  },

  async 'keeps what was claimed when an instance is closed, until its lease is over'(trial) {
    const backend = await trial.open()
    const token = await claimed(backend, 'key')
    const again = await trial.reopen(backend)
    assert.equal((await again.claim('key')).status, 'busy')
    assert.equal(await again.confirm('key', token), true)
  },

  async 'may be closed twice'(trial) {
    const backend = await trial.open()
    await backend.close()
    await backend.close()
  },
}
