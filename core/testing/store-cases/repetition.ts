import assert from 'node:assert/strict'
import { HOUR_MS, type Trying } from '../store-trial.ts'

const DAY_MS = 24 * HOUR_MS

/** What a store makes of messages that it has seen before. */
export const repetitionCases: Readonly<Record<string, Trying>> = {
  async 'knows a place in a sequence again however long ago it was taken, by whatever id'(trial) {
    await trial.open()
    const originSequence = { epoch: 'epoch', n: 3 }
    await trial.stored([trial.message({ originSequence })])
    trial.runtime.advance(400 * DAY_MS)
    await trial.reopen()
    const again = await trial.writeOne(trial.message({ originSequence, messageId: 'another' }))
    assert.equal(again.status, 'duplicate')
  },

  async 'tells places of other origins and other epochs apart'(trial) {
    await trial.open()
    await trial.stored([
      trial.message({ originInstanceId: 'aws', originSequence: { epoch: 'one', n: 1 } }),
      trial.message({ originInstanceId: 'aws', originSequence: { epoch: 'two', n: 1 } }),
      trial.message({ originInstanceId: 'gcp', originSequence: { epoch: 'one', n: 1 } }),
    ])
  },

  async 'takes a sequence in any order, each place once'(trial) {
    await trial.open()
    for (const n of [5, 1, 3, 2, 9, 4, 8]) {
      const originSequence = { epoch: 'epoch', n }
      await trial.stored([trial.message({ originSequence })])
      assert.equal((await trial.writeOne(trial.message({ originSequence }))).status, 'duplicate', `${n} again`)
    }
    const missing = [6, 7, 10].map((n) => trial.message({ originSequence: { epoch: 'epoch', n } }))
    await trial.stored(missing)
  },

  async 'says of a duplicate how many recipients it had'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const wish = { messageId: 'once', key: 'k', value: '1' }
    const message = trial.message(wish)
    await trial.stored([message], [aws, azure])
    await trial.reopen()
    assert.deepEqual(await trial.writeOne(message, [aws]), { status: 'duplicate', recipients: 2 })
    const elsewhere = trial.message({ ...wish, originInstanceId: 'another' })
    assert.deepEqual(await trial.writeOne(elsewhere, [aws]), { status: 'duplicate', recipients: 2 })
  },

  async 'says it of that very message, when its id was used again after its time'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [first, second] = [trial.message({ messageId: 'used' }), trial.message({ messageId: 'used' })]
    await trial.stored([first], [aws])
    trial.runtime.advance(DAY_MS)
    await trial.stored([second])
    assert.deepEqual(await trial.writeOne(first), { status: 'duplicate', recipients: 1 })
    assert.deepEqual(await trial.writeOne(second), { status: 'duplicate', recipients: 0 })
  },

  async 'stores nothing of a duplicate'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const message = trial.message({ messageId: 'once' })
    await trial.stored([message], [aws])
    await trial.write([message], [aws, azure])
    assert.deepEqual(await trial.waiting(aws), ['once'])
    assert.deepEqual(await trial.waiting(azure), [])
    assert.equal(trial.store.statistics().messages, 1)
  },

  async 'knows an id again for 24 hours, and then stores it anew'(trial) {
    await trial.open()
    const again = () => trial.message({ messageId: 'used', key: 'k', value: '1' })
    const [first = 0] = await trial.stored([again()])
    trial.runtime.advance(DAY_MS - 1)
    assert.equal((await trial.writeOne(again())).status, 'duplicate')
    trial.runtime.advance(1)
    const [second = 0] = await trial.stored([again()])
    assert.ok(second > first)
    assert.equal((await trial.writeOne(again())).status, 'duplicate')
    trial.runtime.advance(DAY_MS)
    await trial.stored([again()])
  },

  async 'keeps both messages of an id that was used again after its time'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([trial.message({ messageId: 'used', value: '1' })], [aws])
    trial.runtime.advance(DAY_MS)
    await trial.stored([trial.message({ messageId: 'used', value: '2' })], [aws])
    assert.deepEqual(await trial.waiting(aws), ['used', 'used'])
  },

  async 'does not forget an id because the wall clock was set back'(trial) {
    await trial.open()
    const again = () => trial.message({ messageId: 'used', key: 'k', value: '1' })
    await trial.stored([again()])
    trial.runtime.step(-48 * HOUR_MS)
    assert.equal((await trial.writeOne(again())).status, 'duplicate')
  },

  async 'takes one id in two cluster groups for two messages'(trial) {
    await trial.open()
    await trial.stored([
      trial.message({ messageId: 'used', clusterGroupId: 'eu' }),
      trial.message({ messageId: 'used', clusterGroupId: 'us' }),
      trial.message({ messageId: 'used' }),
    ])
  },

  async 'marks the place of a duplicate by id as taken'(trial) {
    await trial.open()
    const wish = { messageId: 'used', key: 'k', value: '1' }
    await trial.stored([trial.message(wish)])
    const elsewhere = trial.message({ ...wish, originInstanceId: 'another' })
    assert.equal((await trial.writeOne(elsewhere)).status, 'duplicate')
    trial.runtime.advance(DAY_MS)
    assert.equal((await trial.writeOne(elsewhere)).status, 'duplicate')
  },

  async 'calls a used id with another fingerprint a conflict, and stores it nowhere'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([trial.message({ messageId: 'used', value: '1' })])
    const other = trial.message({ messageId: 'used', value: '2' })
    assert.deepEqual(await trial.writeOne(other, [aws]), { status: 'conflict' })
    assert.deepEqual(await trial.waiting(aws), [])
    assert.equal(trial.store.statistics().messages, 1)
    await trial.stored([trial.message({ originSequence: other.originSequence })])
  },

  async 'calls a used id from another named publisher a conflict'(trial) {
    await trial.open()
    const from = (...path: string[]) => trial.message({ messageId: 'used', path, key: 'k', value: '1' })
    await trial.stored([from('pi-aws-1', 'origin')])
    assert.equal((await trial.writeOne(from('pi-aws-2', 'origin'))).status, 'conflict')
    assert.equal((await trial.writeOne(from('pi-aws-1', 'origin'))).status, 'duplicate')
    assert.equal((await trial.writeOne(from('origin'))).status, 'duplicate', 'a publisher without a name is no other')
  },

  async 'treats two of a kind in one batch like two batches'(trial) {
    await trial.open()
    const wish = { messageId: 'used', key: 'k', value: '1' }
    const verdicts = await trial.write([
      trial.message(wish),
      trial.message(wish),
      trial.message({ ...wish, value: '2' }),
    ])
    assert.deepEqual(
      verdicts.map(({ status }) => status),
      ['stored', 'duplicate', 'conflict'],
    )
  },

  async 'stores each message once when a batch is written again'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const batch = Array.from({ length: 20 }, () => trial.message())
    await trial.stored(batch, [aws])
    const again = await trial.write(batch, [aws])
    assert.ok(again.every(({ status }) => status === 'duplicate'))
    assert.equal((await trial.waiting(aws)).length, 20)
  },
}
