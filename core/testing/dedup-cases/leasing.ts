import assert from 'node:assert/strict'
import { claimed, SHORT_MS, type TryingDedup } from '../dedup-trial.ts'

export const leasingCases: Readonly<Record<string, TryingDedup>> = {
  async 'lets a key be claimed whose lease is over, with a greater token'(trial) {
    const dead = await trial.open({ leaseMs: SHORT_MS })
    const first = await claimed(dead, 'key')
    await trial.pass(SHORT_MS)
    const backend = await trial.open()
    assert.equal(await backend.find('key'), undefined)
    assert.ok((await claimed(backend, 'key')) > first)
    assert.equal(await backend.find('key'), 'claimed')
  },

  async 'gives a key whose lease is over to one of many'(trial) {
    const dead = await trial.open({ leaseMs: SHORT_MS })
    await claimed(dead, 'key')
    await trial.pass(SHORT_MS)
    const backends = [await trial.open(), await trial.open(), await trial.open()]
    const verdicts = await Promise.all(backends.map((backend) => backend.claim('key')))
    assert.deepEqual(verdicts.map(({ status }) => status).sort(), ['busy', 'busy', 'claimed'])
  },

  async 'refuses whoever held a key before, whatever they ask'(trial) {
    const slow = await trial.open({ leaseMs: SHORT_MS })
    const first = await claimed(slow, 'key')
    await trial.pass(SHORT_MS)
    const backend = await trial.open()
    const second = await claimed(backend, 'key')
    assert.equal(await slow.extend('key', first), false)
    assert.equal(await slow.confirm('key', first), false)
    await slow.release('key', first)
    assert.equal(await backend.find('key'), 'claimed')
    assert.equal(await backend.confirm('key', second), true)
  },

  async 'holds a key that was extended for another lease'(trial) {
    const brief = await trial.open({ leaseMs: SHORT_MS })
    const token = await claimed(brief, 'key')
    const backend = await trial.open()
    assert.equal(await backend.extend('key', token), true)
    await trial.pass(SHORT_MS)
    assert.equal((await backend.claim('key')).status, 'busy')
  },

  async 'lets a lease that is over be extended while nobody else has claimed the key'(trial) {
    const brief = await trial.open({ leaseMs: SHORT_MS })
    const token = await claimed(brief, 'key')
    await trial.pass(SHORT_MS)
    const backend = await trial.open()
    assert.equal(await backend.extend('key', token), true)
    assert.equal((await backend.claim('key')).status, 'busy')
  },

  async 'lets a claim whose lease is over be confirmed while nobody else has claimed the key'(trial) {
    const brief = await trial.open({ leaseMs: SHORT_MS })
    const token = await claimed(brief, 'key')
    await trial.pass(SHORT_MS)
    assert.equal(await brief.confirm('key', token), true)
    assert.equal(await brief.find('key'), 'confirmed')
  },

  async 'forgets a claim that has been over for as long as confirmations are remembered'(trial) {
    const brief = await trial.open({ leaseMs: SHORT_MS, ttlMs: SHORT_MS })
    const token = await claimed(brief, 'key')
    await trial.pass(2 * SHORT_MS)
    const backend = await trial.open()
    assert.equal(await backend.extend('key', token), false)
    assert.equal(await backend.confirm('key', token), false)
    assert.ok((await claimed(backend, 'key')) > token)
  },
}
