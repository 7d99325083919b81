import assert from 'node:assert/strict'
import type { PurgeLimits } from '../../store.ts'
import { DAY_MS, type StoreTrial, type Trying } from '../store-trial.ts'

/** Forgetting what is no longer needed. */
export const purgingCases: Readonly<Record<string, Trying>> = {
  async 'forgets messages that wait for nobody and were received before the time it is told'(trial) {
    await trial.open()
    await trial.stored([trial.message(), trial.message()])
    trial.runtime.advance(DAY_MS)
    const settledBefore = trial.runtime.now()
    await trial.stored([trial.message({ messageId: 'young' })])
    trial.runtime.advance(2 * DAY_MS)
    assert.equal(await purgeMessages(trial, { settledBefore: settledBefore - DAY_MS }), 0)
    assert.equal(await purgeMessages(trial, { settledBefore }), 2)
    assert.equal(trial.store.statistics().messages, 1)
    await trial.reopen()
    assert.equal(trial.store.statistics().messages, 1)
  },

  async 'forgets no message whose id is still remembered, whatever it is told'(trial) {
    await trial.open()
    const again = () => trial.message({ messageId: 'used', key: 'k', value: '1' })
    await trial.stored([again()])
    trial.runtime.advance(DAY_MS)
    assert.equal(await purgeMessages(trial), 0)
    trial.runtime.advance(1)
    assert.equal(await purgeMessages(trial), 1)
    await trial.stored([again()])
  },

  async 'forgets no message that waits for somebody, however old, and does once it is settled'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const [seq = 0] = await trial.stored([trial.message({ messageId: 'waiting' })], [aws, azure])
    await trial.stored([trial.message()])
    await trial.settle({ recipient: aws, seq })
    trial.runtime.advance(400 * DAY_MS)
    assert.equal(await purgeMessages(trial), 1)
    assert.deepEqual(await trial.waiting(azure), ['waiting'])
    await trial.settle({ recipient: azure, seq })
    assert.equal(await purgeMessages(trial), 1)
  },

  async 'forgets no message of which there is a dead letter'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await trial.stored([trial.message({ messageId: 'dead' })], [aws])
    await trial.die([{ recipient: aws, seq }])
    trial.runtime.advance(400 * DAY_MS)
    assert.equal(await purgeMessages(trial), 0)
    const [letter] = await trial.dead()
    assert.equal(letter?.messageId, 'dead')
    await trial.store.discardDeadLetters([letter.id])
    assert.equal(await purgeMessages(trial), 1)
  },

  async 'forgets as many as it is told at most, and goes on with the next call'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const waits = ['waits 1', 'waits 2', 'waits 3'].map((messageId) => trial.message({ messageId }))
    await trial.stored(waits, [aws])
    await trial.stored(Array.from({ length: 25 }, () => trial.message()))
    trial.runtime.advance(2 * DAY_MS)
    let purged = 0
    for (let calls = 0; calls < 10; calls++) {
      const count = await purgeMessages(trial, { limit: 10 })
      assert.ok(count <= 10)
      purged += count
    }
    assert.equal(purged, 25)
    assert.deepEqual(await trial.waiting(aws), ['waits 1', 'waits 2', 'waits 3'])
  },

  async 'forgets dead letters from before the time it is told, as many as it is told at most'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const messages = ['a', 'b', 'c', 'd'].map((messageId) => trial.message({ messageId }))
    for (const seq of await trial.stored(messages, [aws])) {
      await trial.die([{ recipient: aws, seq }])
      trial.runtime.advance(1_000)
    }
    const limits = { settledBefore: 0, deadBefore: trial.runtime.now() - 1_000, limit: 2 }
    assert.deepEqual(await trial.store.purge(limits), { messages: 0, deadLetters: 2, deliveries: 0 })
    assert.deepEqual(await trial.store.purge(limits), { messages: 0, deadLetters: 1, deliveries: 0 })
    assert.deepEqual(await trial.store.purge(limits), { messages: 0, deadLetters: 0, deliveries: 0 })
    assert.deepEqual(
      (await trial.dead()).map(({ messageId }) => messageId),
      ['d'],
    )
    assert.equal(trial.store.statistics().dead, 1)
  },

  async 'knows the place of a forgotten message in its sequence for ever'(trial) {
    await trial.open()
    const message = trial.message()
    const [first = 0] = await trial.stored([message])
    trial.runtime.advance(2 * DAY_MS)
    assert.equal(await purgeMessages(trial), 1)
    await trial.reopen()
    assert.equal((await trial.writeOne(message)).status, 'duplicate')
    const [second = 0] = await trial.stored([trial.message()])
    assert.ok(second > first, 'nor is its place in the store given again')
  },
}

async function purgeMessages(trial: StoreTrial, limits: Partial<PurgeLimits> = {}): Promise<number> {
  const { messages } = await trial.store.purge({
    settledBefore: trial.runtime.now(),
    deadBefore: 0,
    limit: 100,
    ...limits,
  })
  return messages
}
