import assert from 'node:assert/strict'
import type { Message } from '../../message.ts'
import type { Entry, ScheduledMessage, StoreVerdict } from '../../store.ts'
import type { TestMessage } from '../messages.ts'
import { DAY_MS, EVERYTHING, HOUR_MS, type StoreTrial, type Trying } from '../store-trial.ts'

const SCHEDULED: StoreVerdict = { status: 'scheduled' }
const WISH = { messageId: 'later', key: 'k', value: '1', path: ['pi-aws-1'] }

/** Messages that wait for their time. */
export const schedulingCases: Readonly<Record<string, Trying>> = {
  async 'keeps a scheduled message without a place and without deliveries, also when it is opened again'(trial) {
    const { instanceId: originInstanceId, epoch } = await trial.open()
    const aws = await trial.recipient('aws')
    const message = later(trial, HOUR_MS, { ...WISH, originInstanceId, originSequence: { epoch, n: 0 } })
    assert.deepEqual(await trial.writeOne(message, [aws]), SCHEDULED)
    assert.equal((await trial.reopen()).lastSequence, 0)
    assert.deepEqual(await trial.waiting(aws), [])
    assert.equal((await trial.sums('aws')).targeted, 0)
    const { messages, scheduled, bytes } = trial.store.statistics()
    assert.deepEqual({ messages, scheduled }, { messages: 0, scheduled: 1 })
    assert.ok(bytes > 0)
  },

  async 'gives back what was scheduled, byte for byte'(trial) {
    await trial.open()
    const value = '[9007199254740993,  1.10, "\u{1f680} \\ud83d\\ude80 \\u0000 é"]'
    const message = later(trial, HOUR_MS, { type: 'SA', clusterGroupId: 'eu', path: ['pi-aws-1'], value })
    await trial.writeOne(message)
    await trial.reopen()
    const { type, messageId, clusterGroupId, text, path, scheduledFor: dueAt } = message
    const [due] = await dueNow(trial)
    assert.deepEqual(due, { key: due?.key, dueAt, type, messageId, clusterGroupId, text, path })
  },

  async 'gives what is due, the earliest first, those of one time as they were accepted, and when the next one is'(
    trial,
  ) {
    await trial.open()
    const now = trial.runtime.now()
    for (const [messageId, delay] of Object.entries({ e: 300, a: 100, c: 200, d: 200, b: 101 })) {
      await trial.writeOne(later(trial, delay, { messageId }))
    }
    const until = async (dueBy: number) => {
      const { due, nextDueAt } = await trial.store.scheduled(now + dueBy, EVERYTHING)
      return [idsOf(due), nextDueAt && nextDueAt - now]
    }
    assert.deepEqual(await until(99), [[], 100])
    assert.deepEqual(await until(100), [['a'], 101])
    assert.deepEqual(await until(299), [['a', 'b', 'c', 'd'], 300])
    assert.deepEqual(await until(300), [['a', 'b', 'c', 'd', 'e'], undefined])
  },

  async 'gives as many of what is due as fit into the limit, one at least, and goes on behind the last'(trial) {
    await trial.open()
    const wishes = ['a', 'b', 'c', 'd', 'e'].map((messageId) => ({ messageId, key: 'k', value: '1' }))
    const messages = wishes.map((wish) => later(trial, 0, wish))
    await trial.write(messages)
    const [size = 0] = messages.map(({ text }) => Buffer.byteLength(text))
    const met: string[] = []
    let last: ScheduledMessage | undefined
    for (const limit of [{ messages: 2 }, { bytes: 2 * size + 5 }, { bytes: 1 }, {}]) {
      const { due } = await trial.store.scheduled(trial.runtime.now(), { ...EVERYTHING, ...limit }, last)
      met.push(idsOf(due).join(''))
      last = due.at(-1)
    }
    assert.deepEqual(met, ['ab', 'cd', 'e', ''])
  },

  async 'stores the release of a scheduled message in its stead'(trial) {
    const { instanceId: originInstanceId, epoch } = await trial.open()
    const aws = await trial.recipient('aws')
    await trial.write([later(trial, 0, WISH), later(trial, 0, { messageId: 'other' })])
    const wish = { ...WISH, originInstanceId, originSequence: { epoch, n: 7 } }
    const { status } = await writeRelease(trial, await scheduledAs(trial, 'later'), wish, [aws])
    assert.equal(status, 'stored')
    for (const when of ['before', 'after']) {
      assert.deepEqual(await trial.waiting(aws), ['later'], when)
      assert.deepEqual(idsOf(await dueNow(trial)), ['other'], when)
      const { messages, scheduled } = trial.store.statistics()
      assert.deepEqual({ messages, scheduled }, { messages: 1, scheduled: 1 }, when)
      assert.equal((await trial.sums('aws')).targeted, 1, when)
      assert.equal((await trial.reopen()).lastSequence, 7, when)
    }
  },

  async 'calls a second release a duplicate, and stores it nowhere'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.writeOne(later(trial, 0, WISH))
    const scheduled = await scheduledAs(trial, 'later')
    await writeRelease(trial, scheduled, WISH, [aws])
    await trial.writeOne(later(trial, 0, { messageId: 'next' }))
    for (let time = 0; time < 2; time++) {
      const again = await writeRelease(trial, scheduled, WISH, [aws])
      assert.deepEqual(again, { status: 'duplicate', recipients: 1 })
      await trial.reopen()
    }
    assert.deepEqual(await trial.waiting(aws), ['later'])
    assert.deepEqual(idsOf(await dueNow(trial)), ['next'], 'its key is given to no other')
    assert.equal(trial.store.statistics().messages, 1)
  },

  async 'keeps a scheduled message whose release is rejected'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.writeOne(later(trial, 0, WISH))
    const scheduled = await scheduledAs(trial, 'later')
    const { status } = await writeRelease(trial, scheduled, WISH, [aws, aws + 1_000])
    assert.equal(status, 'rejected')
    assert.deepEqual([await trial.waiting(aws), trial.store.statistics().scheduled], [[], 1])
    assert.equal((await writeRelease(trial, scheduled, WISH, [aws])).status, 'stored')
  },

  async 'knows the id of a scheduled message for as long as it waits, and says how many it would have been for'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const wish = { ...WISH, notBefore: trial.runtime.now() + 300 * DAY_MS }
    await trial.writeOne(later(trial, 300 * DAY_MS, wish), [aws, azure])
    trial.runtime.advance(299 * DAY_MS)
    await trial.reopen()
    const again = { status: 'duplicate', recipients: 2 }
    assert.deepEqual(await trial.writeOne(trial.message(wish), [aws]), again)
    assert.deepEqual(await trial.writeOne(later(trial, DAY_MS, wish), [aws]), again)
    const elsewhere = trial.message({ ...wish, originInstanceId: 'another' })
    assert.deepEqual(await trial.writeOne(elsewhere, [aws]), again)
    assert.deepEqual([await trial.waiting(aws), trial.store.statistics().scheduled], [[], 1])
    await writeRelease(trial, await scheduledAs(trial, 'later', 300 * DAY_MS), wish)
    trial.runtime.advance(2 * DAY_MS)
    assert.equal((await trial.writeOne(elsewhere, [aws])).status, 'duplicate', 'its place in the sequence was taken')
  },

  async 'calls the id of a scheduled message with another fingerprint or publisher a conflict'(trial) {
    await trial.open()
    const wish = { ...WISH, notBefore: trial.runtime.now() + HOUR_MS }
    await trial.writeOne(later(trial, HOUR_MS, wish))
    for (const other of [{ value: '2' }, { path: ['pi-aws-2'] }, { notBefore: wish.notBefore + 1 }]) {
      assert.equal((await trial.writeOne(trial.message({ ...wish, ...other }))).status, 'conflict')
      assert.equal((await trial.writeOne(later(trial, HOUR_MS, { ...wish, ...other }))).status, 'conflict')
    }
    assert.equal((await trial.writeOne(trial.message({ ...wish, clusterGroupId: 'eu' }))).status, 'stored')
    const { messages, scheduled } = trial.store.statistics()
    assert.deepEqual({ messages, scheduled }, { messages: 1, scheduled: 1 })
  },

  async 'knows the id of a released message for 24 hours more'(trial) {
    await trial.open()
    const wish = { ...WISH, notBefore: trial.runtime.now() + 2 * DAY_MS }
    await trial.writeOne(later(trial, 2 * DAY_MS, wish))
    trial.runtime.advance(2 * DAY_MS)
    await writeRelease(trial, await scheduledAs(trial, 'later'), wish)
    trial.runtime.advance(DAY_MS - 1)
    assert.equal((await trial.writeOne(trial.message(wish))).status, 'duplicate')
    assert.equal((await trial.writeOne(trial.message({ ...wish, value: '2' }))).status, 'conflict')
    trial.runtime.advance(1)
    assert.equal((await trial.writeOne(later(trial, HOUR_MS, { ...wish, value: '2' }))).status, 'scheduled')
  },

  async 'schedules no message whose id was used within 24 hours'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const notBefore = trial.runtime.now() + 2 * DAY_MS
    const again = (wish: TestMessage = {}) => later(trial, DAY_MS, { ...WISH, notBefore, ...wish })
    await trial.stored([trial.message({ ...WISH, notBefore })], [aws])
    assert.deepEqual(await trial.writeOne(again()), { status: 'duplicate', recipients: 1 })
    assert.deepEqual(await trial.writeOne(again({ value: '2' })), { status: 'conflict' })
    trial.runtime.advance(DAY_MS)
    assert.deepEqual(await trial.writeOne(again({ value: '2' })), SCHEDULED)
  },

  async 'stores a release though its id was used before, where the clock was set back since'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.stored([trial.message({ ...WISH, value: '2' })])
    trial.runtime.advance(DAY_MS)
    await trial.writeOne(later(trial, 0, WISH))
    const scheduled = await scheduledAs(trial, 'later')
    trial.runtime.step(-HOUR_MS)
    assert.equal((await writeRelease(trial, scheduled, WISH, [aws])).status, 'stored')
    assert.deepEqual(await trial.waiting(aws), ['later'])
    assert.equal(trial.store.statistics().messages, 2)
  },

  async 'treats scheduled messages of one id in one batch like those of two batches'(trial) {
    await trial.open()
    const notBefore = trial.runtime.now() + HOUR_MS
    const wish = { ...WISH, notBefore }
    const verdicts = await trial.write([
      later(trial, HOUR_MS, wish),
      later(trial, HOUR_MS, wish),
      trial.message(wish),
      later(trial, HOUR_MS, { ...wish, value: '2' }),
    ])
    assert.deepEqual(
      verdicts.map(({ status }) => status),
      ['scheduled', 'duplicate', 'duplicate', 'conflict'],
    )
  },
}

/** A message that is accepted now and due after that many milliseconds. */
function later(trial: StoreTrial, delay: number, wish: TestMessage = {}): Message {
  return trial.message({ ...wish, scheduledFor: trial.runtime.now() + delay })
}

async function dueNow(trial: StoreTrial, ahead = HOUR_MS): Promise<readonly ScheduledMessage[]> {
  return (await trial.store.scheduled(trial.runtime.now() + ahead, EVERYTHING)).due
}

async function scheduledAs(trial: StoreTrial, messageId: string, ahead?: number): Promise<ScheduledMessage> {
  const due = await dueNow(trial, ahead)
  return due.find((one) => one.messageId === messageId) ?? assert.fail(`${messageId} is not due`)
}

async function writeRelease(
  trial: StoreTrial,
  { key, dueAt }: ScheduledMessage,
  wish: TestMessage,
  recipients: Entry['recipients'] = [],
): Promise<StoreVerdict> {
  const message = trial.message({ notBefore: dueAt, ...wish })
  const [verdict] = await trial.batch({ entries: [{ message, recipients, releases: key }] })
  return verdict ?? assert.fail('no verdict')
}

function idsOf(due: readonly ScheduledMessage[]): readonly string[] {
  return due.map(({ messageId }) => messageId)
}
