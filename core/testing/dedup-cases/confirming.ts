import assert from 'node:assert/strict'
import type { DedupBackend } from '../../dedup.ts'
import { claimed, SHORT_MS, type TryingDedup } from '../dedup-trial.ts'

async function confirmed(backend: DedupBackend, key: string): Promise<number> {
  const token = await claimed(backend, key)
  assert.equal(await backend.confirm(key, token), true)
  return token
}

export const confirmingCases: Readonly<Record<string, TryingDedup>> = {
  async 'knows a key that was confirmed, through every instance, also when opened again'(trial) {
    const [one, other] = [await trial.open(), await trial.open()]
    await confirmed(one, 'key')
    const again = await trial.reopen(one)
    for (const backend of [again, other]) {
      assert.deepEqual(await backend.claim('key'), { status: 'duplicate' })
      assert.equal(await backend.find('key'), 'confirmed')
    }
  },

  async 'confirms once more what was confirmed under the same token'(trial) {
    const backend = await trial.open()
    const token = await confirmed(backend, 'key')
    assert.equal(await backend.confirm('key', token), true)
    assert.equal(await backend.confirm('key', token + 1), false)
  },

  async 'confirms nothing that was not claimed, was released, or is somebody else’s by now'(trial) {
    const [one, other] = [await trial.open(), await trial.open()]
    assert.equal(await one.confirm('never', 1), false)
    const first = await claimed(one, 'key')
    await one.release('key', first)
    assert.equal(await one.confirm('key', first), false)
    const second = await claimed(other, 'key')
    assert.equal(await one.confirm('key', first), false)
    assert.equal(await one.find('key'), 'claimed')
    assert.equal(await other.confirm('key', second), true)
    assert.equal(await one.confirm('key', first), false)
  },

  async 'extends nothing that was confirmed, was released, or is somebody else’s by now'(trial) {
    const backend = await trial.open()
    assert.equal(await backend.extend('never', 1), false)
    const first = await claimed(backend, 'key')
    assert.equal(await backend.extend('key', first), true)
    await backend.release('key', first)
    assert.equal(await backend.extend('key', first), false)
    assert.equal(await backend.find('key'), undefined)
    const second = await confirmed(backend, 'key')
    assert.equal(await backend.extend('key', first), false)
    assert.equal(await backend.extend('key', second), false)
    assert.equal(await backend.find('key'), 'confirmed')
  },

  async 'forgets what was confirmed when its time is over, and gives a greater token then'(trial) {
    const backend = await trial.open({ ttlMs: SHORT_MS })
    const first = await confirmed(backend, 'key')
    await trial.pass(SHORT_MS)
    assert.equal(await backend.find('key'), undefined)
    const second = await claimed(backend, 'key')
    assert.ok(second > first)
  },

  async 'remembers it for as long as whoever confirms it says'(trial) {
    const brief = await trial.open({ ttlMs: SHORT_MS })
    const token = await claimed(brief, 'key')
    const lasting = await trial.open()
    assert.equal(await lasting.confirm('key', token), true)
    await trial.pass(SHORT_MS)
    assert.equal(await lasting.find('key'), 'confirmed')
  },
}
