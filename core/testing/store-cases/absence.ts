import assert from 'node:assert/strict'
import type { StoreTrial, Trying } from '../store-trial.ts'

const URL = 'wss://azure.example'

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
