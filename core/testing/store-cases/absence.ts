import assert from 'node:assert/strict'
import { DAY_MS, type StoreTrial, type Trying } from '../store-trial.ts'

const URL = 'wss://azure.example'
const NONE = { targeted: 0, acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

/** Recipients that are away: when they were last seen, and what waits for them meanwhile. */
export const absenceCases: Readonly<Record<string, Trying>> = {
  async 'takes note of when recipients were last seen, also when opened again'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws', { lastSeenAt: 1 }), await trial.recipient('azure')]
    await trial.recipient('gcp', { lastSeenAt: 3 })
    await trial.store.noteSeen([aws, azure, azure + 1_000], 2)
    assert.deepEqual(await lastSeen(trial), { aws: 2, azure: 2, gcp: 3 })
    await trial.recipient('azure', { lastSeenAt: 4 })
    assert.deepEqual(await lastSeen(trial), { aws: 2, azure: 4, gcp: 3 })
    await trial.store.noteSeen([], 5)
    await trial.store.forgetRecipient(aws)
    await trial.store.noteSeen([aws], 6)
    assert.deepEqual(await lastSeen(trial), { azure: 4, gcp: 3 })
  },

  async 'keeps the later time of two names that turn out to be one recipient'(trial) {
    await trial.open()
    for (const [id, byUrl, byId] of [
      ['azure', 10, 20],
      ['gcp', 40, 30],
    ] as const) {
      await trial.recipient(`${URL}/${id}`, { lastSeenAt: byUrl })
      await trial.recipient(id, { lastSeenAt: byId })
      await trial.store.renameRecipient(`${URL}/${id}`, id)
    }
    assert.deepEqual(await lastSeen(trial), { azure: 20, gcp: 40 })
  },

  async 'knows when the first message was received that waits for each recipient'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    await trial.recipient('gcp')
    const began = trial.runtime.now()
    const places: number[] = []
    for (const recipients of [[aws], [aws, azure], [aws, azure]]) {
      places.push(...(await trial.stored([trial.message()], recipients)))
      trial.runtime.advance(1_000)
    }
    assert.deepEqual(oldest(trial), { aws: began, azure: began + 1_000, gcp: undefined })
    await trial.settle({ recipient: aws, seq: places[0] as number })
    await trial.die([{ recipient: azure, seq: places[1] as number }])
    assert.deepEqual(oldest(trial), { aws: began + 1_000, azure: began + 2_000, gcp: undefined })
    await trial.store.forgetRecipient(aws)
    assert.deepEqual(oldest(trial), { aws: undefined, azure: began + 2_000, gcp: undefined })
    await trial.stored([trial.message()], [await trial.recipient('aws')])
    await trial.reopen()
    assert.deepEqual(oldest(trial), { aws: began + 3_000, azure: began + 2_000, gcp: undefined })
  },

  async 'forgets what waits for a recipient and leaves one dead letter with the number, but not the recipient'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws', { url: URL }), await trial.recipient('azure')]
    const [seq = 0] = await trial.stored([trial.message(), trial.message(), trial.message()], [aws, azure])
    await trial.settle({ recipient: aws, seq })
    assert.equal(await trial.store.forgetBacklog(aws), 2)
    assert.deepEqual([await trial.waiting(aws), (await trial.waiting(azure)).length], [[], 3])
    assert.deepEqual(await trial.store.recall(aws, [seq + 1]), [])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, acked: 1, forgotten: 2 })
    const [summary, ...none] = await trial.dead()
    assert.deepEqual(none, [])
    const { reason, recipient, count, messageId } = summary ?? assert.fail()
    assert.deepEqual([reason, recipient, count, messageId], ['RECIPIENT_FORGOTTEN', 'aws', 2, undefined])
    const { recipients } = await trial.reopen()
    const [again] = recipients
    assert.deepEqual([again?.name, again?.key, again?.url, again?.pending], ['aws', aws, URL, 0])
  },

  async 'goes on for a recipient whose backlog was forgotten as if nothing had waited'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [dead = 0, old = 0] = await trial.stored([trial.message({ messageId: 'dead' }), trial.message()], [aws])
    await trial.die([{ recipient: aws, seq: dead }])
    await trial.store.forgetBacklog(aws)
    await trial.stored([trial.message({ messageId: 'new' })], [aws])
    const attempts = { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 }
    const forgotten = { recipient: aws, seq: old }
    await trial.batch({ settlements: [forgotten], deaths: [trial.death(forgotten)] })
    await trial.batch({ retries: [{ ...forgotten, attempts, dueAt: 1 }] })
    const [letter] = await trial.dead({ reason: 'REJECTED' })
    const revived = await trial.revive([letter?.id ?? assert.fail()])
    assert.deepEqual(
      revived.map(({ message }) => message.messageId),
      ['dead'],
    )
    assert.deepEqual(await trial.waiting(aws), ['dead', 'new'])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, pending: 2, forgotten: 1 })
    await trial.store.renameRecipient('aws', 'aws-2')
    assert.equal(await trial.store.forgetBacklog(aws), 2)
    assert.deepEqual(await trial.sums('aws-2'), { ...NONE, targeted: 3, forgotten: 3 })
  },

  async 'leaves no dead letter where nothing waited, and does nothing for a recipient it does not know'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    assert.equal(await trial.store.forgetBacklog(aws), 0)
    await trial.stored([trial.message()], [azure])
    await trial.store.forgetRecipient(azure)
    assert.equal(await trial.store.forgetBacklog(azure), 0)
    assert.equal(await trial.store.forgetBacklog(4_711), 0)
    assert.equal((await trial.dead()).length, 1)
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 1, forgotten: 1 })
  },

  async 'changes nothing when a delivery is settled, fails or dies that was forgotten with its recipient'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const places = await trial.stored([trial.message(), trial.message(), trial.message()], [aws])
    const [a = 0, b = 0, c = 0] = places
    await trial.store.forgetRecipient(aws)
    const attempts = { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 }
    await trial.batch({
      settlements: [{ recipient: aws, seq: a }],
      retries: [{ recipient: aws, seq: b, attempts, dueAt: 1 }],
      deaths: [trial.death({ recipient: aws, seq: c })],
    })
    assert.deepEqual(await trial.store.recall(aws, places), [])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, forgotten: 3 })
    assert.equal((await trial.dead()).length, 1)
    assert.equal((await trial.writeOne(trial.message(), [aws])).status, 'rejected')
  },

  async 'forgets messages that waited only for somebody who is forgotten, and all that is left of their deliveries'(
    trial,
  ) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const messages = Array.from({ length: 25 }, () => trial.message())
    await trial.stored(messages, [aws, azure])
    await trial.store.forgetRecipient(azure)
    await trial.store.forgetBacklog(aws)
    await trial.stored([trial.message({ messageId: 'new' })], [aws])
    trial.runtime.advance(2 * DAY_MS)
    let purged = 0
    for (let calls = 0; calls < 15; calls++) {
      const { messages, deliveries } = await trial.store.purge({
        settledBefore: trial.runtime.now(),
        deadBefore: 0,
        limit: 10,
      })
      assert.ok(deliveries <= 10)
      purged += messages
    }
    assert.equal(purged, 25)
    assert.deepEqual(await trial.waiting(aws), ['new'])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 26, pending: 1, forgotten: 25 })
    assert.equal((await trial.store.purge({ settledBefore: 0, deadBefore: 0, limit: 10 })).deliveries, 0)
  },

  async 'weighs what waits for a recipient, so many at a time, each as its text is stored'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const messages = ['"a"', '"ä€"', `"${'x'.repeat(9_000)}"`].map((value) => trial.message({ value }))
    const places = await trial.stored(messages, [aws])
    await trial.stored([trial.message()], [azure])
    const [a = 0, b = 0, c = 0] = messages.map(({ text }) => Buffer.byteLength(text))
    assert.deepEqual(await trial.store.weigh(aws, 0, 10), { bytes: a + b + c, last: places[2] })
    assert.deepEqual(await trial.store.weigh(aws, 0, 2), { bytes: a + b, last: places[1] })
    assert.deepEqual(await trial.store.weigh(aws, places[1] as number, 2), { bytes: c, last: places[2] })
    assert.equal(await trial.store.weigh(aws, places[2] as number, 2), undefined)
    await trial.settle({ recipient: aws, seq: places[0] as number })
    assert.deepEqual(await trial.store.weigh(aws, 0, 10), { bytes: b + c, last: places[2] })
    await trial.store.forgetBacklog(aws)
    assert.equal(await trial.store.weigh(aws, 0, 10), undefined)
    assert.equal(await trial.store.weigh(4_711, 0, 10), undefined)
  },

  async 'counts each delivery that was forgotten with its recipient as given up, since it was opened'(trial) {
    await trial.open()
    const givenUp = () => trial.store.statistics().givenUp
    const [aws, azure, gcp] = [await trial.recipient('aws'), await trial.recipient('azure'), await trial.recipient(URL)]
    const [seq = 0] = await trial.stored([trial.message(), trial.message()], [aws, azure, gcp])
    await trial.die([{ recipient: aws, seq }])
    await trial.store.renameRecipient(URL, 'gcp')
    assert.deepEqual(givenUp(), { INTEGRITY: 0, RECIPIENT_FORGOTTEN: 0 })
    await trial.store.forgetRecipient(aws)
    await trial.store.forgetRecipient(azure)
    await trial.store.forgetRecipient(azure)
    assert.deepEqual(givenUp(), { INTEGRITY: 0, RECIPIENT_FORGOTTEN: 3 })
    await trial.reopen()
    assert.deepEqual(givenUp(), { INTEGRITY: 0, RECIPIENT_FORGOTTEN: 0 })
  },
}

/** When each recipient was last seen, as it is remembered. */
async function lastSeen(trial: StoreTrial): Promise<Record<string, number>> {
  const { recipients } = await trial.reopen()
  return Object.fromEntries(recipients.map(({ name, lastSeenAt }) => [name, lastSeenAt]))
}

function oldest(trial: StoreTrial): Record<string, number | undefined> {
  return Object.fromEntries(trial.store.ledger().map(({ recipient, oldestPendingAt }) => [recipient, oldestPendingAt]))
}
