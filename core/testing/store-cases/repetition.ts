import assert from 'node:assert/strict'
import type { Message } from '../../message.ts'
import type { RecipientKey, StoreVerdict } from '../../store.ts'
import { DAY_MS, EVERYTHING, HOUR_MS, START, type StoreTrial, type Trying } from '../store-trial.ts'

const USED = { messageId: 'used', key: 'k', value: '1' }

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

  async 'lifts a duplicate by id with a greater version: it is for whom its entry says'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const [first = 0] = await trial.stored([copy(trial, 2)], [aws, azure])
    const verdict = await lift(trial, copy(trial, 3, 'another'), [azure])
    assert.ok(verdict.status === 'lifted' && verdict.seq > first)
    assert.equal(verdict.recipients, 2)
    await trial.reopen()
    assert.deepEqual(await trial.waiting(aws), ['used'])
    assert.deepEqual(await trial.waiting(azure), ['used', 'used'])
    assert.deepEqual((await trial.sums('azure')).targeted, 2)
    assert.equal(trial.store.statistics().messages, 2)
    const [, lifted] = await trial.store.pending(azure, [], EVERYTHING)
    assert.equal(lifted?.message.version, at(3))
    assert.equal(lifted?.seq, verdict.seq)
  },

  async 'lifts no duplicate without a greater version, or whose entry names nobody, and none by its place'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const first = copy(trial, 2)
    await trial.stored([first], [aws])
    const again = { status: 'duplicate', recipients: 1 }
    assert.deepEqual(await lift(trial, copy(trial, 2, 'same'), [aws]), again)
    assert.deepEqual(await lift(trial, copy(trial, 1, 'older'), [aws]), again)
    assert.deepEqual(await lift(trial, trial.message({ ...USED, originInstanceId: 'bare' }), [aws]), again)
    assert.deepEqual(await trial.writeOne(copy(trial, 3, 'nobody'), [aws]), again)
    const { originInstanceId, originSequence } = first
    const placed = trial.message({ ...USED, originInstanceId, originSequence, version: at(3) })
    assert.deepEqual(await lift(trial, placed, [aws]), again)
    assert.deepEqual(await trial.waiting(aws), ['used'])
    const other = trial.message({ ...USED, value: '2', version: at(3) })
    assert.deepEqual(await lift(trial, other, [aws]), { status: 'conflict' })
    const waits = { messageId: 'waits', key: 'k', value: '1', notBefore: START + HOUR_MS }
    await trial.writeOne(trial.message({ ...waits, scheduledFor: waits.notBefore }))
    const entered = trial.message({ ...waits, originInstanceId: 'another', version: at(3) })
    assert.deepEqual(await lift(trial, entered, [aws]), { status: 'duplicate', recipients: 0 })
  },

  async 'lifts a message once, and again by a version that is greater still'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([copy(trial, 1)])
    const [second, third] = [copy(trial, 3, 'second'), copy(trial, 4, 'third')]
    assert.equal((await lift(trial, second, [aws])).status, 'lifted')
    assert.deepEqual(await lift(trial, second, [aws]), { status: 'duplicate', recipients: 0 })
    assert.deepEqual(await lift(trial, copy(trial, 2, 'between'), [aws]), { status: 'duplicate', recipients: 0 })
    assert.equal((await lift(trial, third, [aws])).status, 'lifted')
    assert.deepEqual(await trial.waiting(aws), ['used', 'used'])
  },

  async 'remembers the id of what was lifted for another 24 hours'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([copy(trial, 1)])
    trial.runtime.advance(DAY_MS - 1)
    assert.equal((await lift(trial, copy(trial, 2, 'second'), [aws])).status, 'lifted')
    trial.runtime.advance(DAY_MS - 1)
    assert.equal((await trial.writeOne(copy(trial, 1, 'third'))).status, 'duplicate')
    trial.runtime.advance(1)
    assert.equal((await trial.writeOne(copy(trial, 1, 'fourth'))).status, 'stored')
  },

  async 'gives what it lifts the lane of its priority'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const urgent = { ...USED, priority: 9 }
    await trial.stored([trial.message({ ...urgent, version: at(1) })])
    const verdict = await lift(trial, trial.message({ ...urgent, originInstanceId: 'b', version: at(2) }), [aws])
    assert.ok(verdict.status === 'lifted')
    assert.deepEqual([...(verdict.lanes ?? [])], [[aws, 9]])
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

const at = (n: number) => `${String(n).padStart(13, '0')}-00000-a`

/** The message as it came in at that origin, which gave it that stamp. */
function copy(trial: StoreTrial, stamp: number, originInstanceId = 'origin'): Message {
  return trial.message({ ...USED, originInstanceId, version: at(stamp) })
}

/** Writes a message that is for these if it turns out to be a repetition with a greater version, and else for nobody. */
async function lift(trial: StoreTrial, message: Message, lifts: readonly RecipientKey[]): Promise<StoreVerdict> {
  const [verdict] = await trial.batch({ entries: [{ message, recipients: [], lifts }] })
  return verdict ?? assert.fail('no verdict')
}
