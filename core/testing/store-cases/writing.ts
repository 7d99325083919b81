import assert from 'node:assert/strict'
import type { StateEntry } from '../../state.ts'
import type { Trying } from '../store-trial.ts'

/** What a batch does when nothing in it was seen before. */
export const writingCases: Readonly<Record<string, Trying>> = {
  async 'gives each message a greater place than all before it'(trial) {
    await trial.open()
    const places = [...(await trial.stored([trial.message(), trial.message()]))]
    places.push(...(await trial.stored([trial.message()])))
    await trial.reopen()
    places.push(...(await trial.stored([trial.message()])))
    assert.deepEqual(
      places,
      [...new Set(places)].sort((one, other) => one - other),
    )
    assert.equal(places.length, 4)
  },

  async 'gives one verdict per entry, in their order'(trial) {
    await trial.open()
    const message = trial.message()
    const verdicts = await trial.write([message, message, trial.message()])
    assert.deepEqual(
      verdicts.map(({ status }) => status),
      ['stored', 'duplicate', 'stored'],
    )
  },

  async 'has a delivery that waits of what would be joined into a state that it does not keep'(trial) {
    await trial.open()
    if (trial.store.joinsState) return
    const self = await trial.recipient('@self')
    const delta: StateEntry = { space: 'keys', key: 'k', shape: 'tombstone', version: '1' }
    const message = trial.message()
    const verdicts = await trial.batch({
      entries: [{ message, recipients: [self], joins: { recipient: self, delta } }],
    })
    assert.ok(verdicts[0]?.status === 'stored' && verdicts[0].joined === undefined)
    assert.deepEqual(await trial.waiting(self), [message.messageId])
  },

  async 'takes an empty batch'(trial) {
    await trial.open()
    assert.deepEqual(await trial.batch({}), [])
  },

  async 'keeps a delivery for each recipient of a message, and for nobody else'(trial) {
    await trial.open()
    const [aws, azure, gcp] = [
      await trial.recipient('aws'),
      await trial.recipient('azure'),
      await trial.recipient('gcp'),
    ]
    await trial.stored([trial.message({ messageId: 'both' })], [aws, azure])
    await trial.stored([trial.message({ messageId: 'one' })], [azure])
    await trial.stored([trial.message({ messageId: 'nobody' })])
    assert.deepEqual(await trial.waiting(aws), ['both'])
    assert.deepEqual(await trial.waiting(azure), ['both', 'one'])
    assert.deepEqual(await trial.waiting(gcp), [])
  },

  async 'keeps what it reported as stored when it is opened again'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([trial.message({ messageId: 'kept' })], [aws])
    await trial.reopen()
    assert.deepEqual(await trial.waiting(aws), ['kept'])
  },

  async 'removes settled deliveries, of that recipient alone, for good'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const messages = ['a', 'b', 'c', 'd', 'e'].map((messageId) => trial.message({ messageId }))
    const [a, b, , d] = (await trial.stored(messages, [aws, azure])) as [number, number, number, number]
    await trial.settle({ recipient: aws, seq: d }, { recipient: aws, seq: b }, { recipient: aws, seq: a })
    await trial.reopen()
    assert.deepEqual(await trial.waiting(aws), ['c', 'e'])
    assert.deepEqual(await trial.waiting(azure), ['a', 'b', 'c', 'd', 'e'])
  },

  async 'takes a settlement twice, and one of a delivery it never had'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await trial.stored([trial.message({ messageId: 'settled' })], [aws])
    await trial.stored([trial.message({ messageId: 'waiting' })], [aws])
    await trial.settle({ recipient: aws, seq })
    await trial.settle({ recipient: aws, seq }, { recipient: aws + 1, seq }, { recipient: aws, seq: seq + 99 })
    assert.deepEqual(await trial.waiting(aws), ['waiting'])
    assert.equal(trial.store.statistics().pending, 1)
  },

  async 'rejects an entry that cannot be written, and writes the others of its batch'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const culprit = trial.message({ messageId: 'culprit' })
    const verdicts = await trial.batch({
      entries: [
        { message: trial.message({ messageId: 'before' }), recipients: [aws] },
        { message: culprit, recipients: [aws, aws + 1_000] },
        { message: trial.message({ messageId: 'after' }), recipients: [aws] },
      ],
    })
    assert.deepEqual(
      verdicts.map(({ status }) => status),
      ['stored', 'rejected', 'stored'],
    )
    assert.deepEqual(await trial.waiting(aws), ['before', 'after'])
    assert.equal((await trial.writeOne(culprit, [aws])).status, 'stored', 'nothing of a rejected entry is kept')
  },

  async 'counts messages and deliveries, also after it was opened again'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const message = trial.message()
    const [seq = 0] = await trial.stored([message, trial.message(), trial.message()], [aws, azure])
    await trial.write([message], [aws])
    await trial.settle({ recipient: aws, seq })
    for (const when of ['before', 'after']) {
      const { messages, pending, bytes } = trial.store.statistics()
      assert.deepEqual({ messages, pending }, { messages: 3, pending: 5 }, when)
      assert.ok(bytes > 0)
      await trial.reopen()
    }
  },
}
