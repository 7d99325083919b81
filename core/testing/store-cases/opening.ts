import assert from 'node:assert/strict'
import type { Trying } from '../store-trial.ts'

/** Opening, and what a store knows then. */
export const openingCases: Readonly<Record<string, Trying>> = {
  async 'draws an instance id when it begins, and keeps it'(trial) {
    const { instanceId } = await trial.open()
    assert.notEqual(instanceId, '')
    assert.equal((await trial.reopen()).instanceId, instanceId)
  },

  async 'takes the instance id that is wished for when it begins, and keeps it'(trial) {
    assert.equal((await trial.open('aws-1')).instanceId, 'aws-1')
    assert.equal((await trial.reopen()).instanceId, 'aws-1')
    assert.equal((await trial.reopen('aws-1')).instanceId, 'aws-1')
  },

  async 'refuses a wish for another instance id, and opens without it'(trial) {
    await trial.open('aws-1')
    await assert.rejects(trial.reopen('aws-2'), { code: 'SLP_INSTANCE_ID_CHANGED' })
    assert.equal((await trial.open()).instanceId, 'aws-1')
  },

  async 'keeps its epoch as long as it keeps its data'(trial) {
    const { epoch } = await trial.open()
    assert.notEqual(epoch, '')
    assert.equal((await trial.reopen()).epoch, epoch)
  },

  async 'begins its own sequence at 0 and without a version'(trial) {
    const { lastSequence, lastVersion } = await trial.open()
    assert.equal(lastSequence, 0)
    assert.equal(lastVersion, undefined)
  },

  async 'goes on after the last place in its own sequence, and counts no other'(trial) {
    const { instanceId: originInstanceId, epoch } = await trial.open()
    await trial.stored([
      trial.message({ originInstanceId, originSequence: { epoch, n: 7 } }),
      trial.message({ originInstanceId, originSequence: { epoch, n: 5 } }),
      trial.message({ originInstanceId, originSequence: { epoch: 'before', n: 900 } }),
      trial.message({ originInstanceId: 'another', originSequence: { epoch, n: 800 } }),
    ])
    assert.equal((await trial.reopen()).lastSequence, 7)
  },

  async 'knows the last version that it was told of, whatever the messages bear'(trial) {
    const [early, late] = ['1767225600001-00000-here', '1767225600009-00000-here']
    await trial.open()
    const write = (lastVersion: string | undefined, version: string) =>
      trial.batch({ entries: [{ message: trial.message({ version }), recipients: [] }], lastVersion })
    await write(late, '9999999999999-99999-far')
    await write(early, '1767225600010-00000-far')
    await write(undefined, '1767225600011-00000-far')
    assert.equal((await trial.reopen()).lastVersion, late)
    await write(early, '1767225600012-00000-far')
    assert.equal((await trial.reopen()).lastVersion, late)
  },

  async 'remembers all recipients and how much waits for each'(trial) {
    await trial.open()
    const group = { clusterGroupId: 'eu', url: 'ws://azure' }
    const record = { name: 'azure', role: 'client', tags: ['a', 'b'], ...group, lastSeenAt: 4_711 } as const
    const azure = await trial.store.saveRecipient(record)
    const stranger = { name: 'gcp', role: 'instance', tags: [], clusterGroupId: undefined, url: undefined } as const
    const gcp = await trial.store.saveRecipient({ ...stranger, lastSeenAt: 815 })
    await trial.stored([trial.message(), trial.message()], [azure])
    const { recipients } = await trial.reopen()
    assert.deepEqual(
      [...recipients].sort((one, other) => one.key - other.key),
      [
        { ...record, key: azure, pending: 2 },
        { ...stranger, lastSeenAt: 815, key: gcp, pending: 0 },
      ],
    )
  },

  async 'refuses a second instance while the first is open, which goes on'(trial) {
    await trial.open()
    const { store } = trial
    await assert.rejects(trial.open(), { code: 'SLP_STORE_IN_USE' })
    assert.equal(trial.store, store)
    await trial.stored([trial.message()])
  },

  async 'may be closed twice, and does nothing once it is closed'(trial) {
    await trial.open()
    const { store } = trial
    await store.close()
    await store.close()
    await assert.rejects(trial.write([trial.message()]), { code: 'SLP_STORE_FAILED' })
    await assert.rejects(trial.waiting(1), { code: 'SLP_STORE_FAILED' })
  },
}
