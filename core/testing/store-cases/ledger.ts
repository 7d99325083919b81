import assert from 'node:assert/strict'
import type { Trying } from '../store-trial.ts'

const URL = 'wss://azure.example'
const NONE = { targeted: 0, acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

/** The sums of each recipient. `trial.sums` checks each time that they hold. */
export const ledgerCases: Readonly<Record<string, Trying>> = {
  async 'counts what becomes of deliveries, each once, also when opened again'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    assert.deepEqual(await trial.sums('aws'), NONE)
    const messages = Array.from({ length: 6 }, () => trial.message())
    const [a = 0, b = 0, c = 0, d = 0] = await trial.stored(messages, [aws, azure])
    await trial.write(messages, [aws, azure])
    await trial.settle({ recipient: aws, seq: a }, { recipient: aws, seq: b }, { recipient: azure, seq: a })
    await trial.settle({ recipient: aws, seq: a })
    await trial.die([
      { recipient: aws, seq: c },
      { recipient: aws, seq: d },
      { recipient: aws, seq: a },
    ])
    await trial.reopen()
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 6, acked: 2, pending: 2, dead: 2 })
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 6, acked: 1, pending: 5 })
    assert.equal(trial.store.ledger().length, 2)
  },

  async 'counts nothing of an entry that was rejected'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    for (const recipients of [
      [aws, aws + 1_000],
      [aws, aws],
    ]) {
      const good = { message: trial.message(), recipients: [aws] }
      const verdicts = await trial.batch({ entries: [{ message: trial.message(), recipients }, good] })
      assert.equal(verdicts[0]?.status, 'rejected')
    }
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 2, pending: 2 })
  },

  async 'counts a revived delivery as pending again, and a discarded dead letter as dead for good'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const places = await trial.stored([trial.message(), trial.message(), trial.message()], [aws])
    await trial.die(places.map((seq) => ({ recipient: aws, seq })))
    const [first, second, third] = (await trial.dead()).map(({ id }) => id) as [number, number, number]
    await trial.revive([first])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, pending: 1, dead: 2 })
    await trial.store.discardDeadLetters([second])
    await trial.store.purge({ settledBefore: 0, deadBefore: trial.runtime.now() + 1, limit: 10 })
    assert.deepEqual(await trial.revive([third]), [])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, pending: 1, dead: 2 })
  },

  async 'unites the sums of both names; what waited under both is collapsed, what passed is acked'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL, { url: URL }), await trial.recipient('azure')]
    const [a = 0, b = 0] = await trial.stored([trial.message(), trial.message(), trial.message()], [byUrl])
    await trial.stored([trial.message()], [byUrl, byId])
    const [c = 0] = await trial.stored([trial.message()], [byId])
    await trial.stored([trial.message({ path: ['azure'] })], [byUrl])
    await trial.settle({ recipient: byUrl, seq: a }, { recipient: byId, seq: c })
    await trial.die([{ recipient: byUrl, seq: b }])
    await trial.store.renameRecipient(URL, 'azure')
    await trial.reopen()
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 7, acked: 3, pending: 2, dead: 1, collapsed: 1 })
    assert.deepEqual(
      trial.store.ledger().map(({ recipient }) => recipient),
      ['azure'],
    )
  },

  async 'keeps the sums of a recipient that gets another name'(trial) {
    await trial.open()
    const key = await trial.recipient(URL, { url: URL })
    const [seq = 0] = await trial.stored([trial.message(), trial.message({ path: ['azure'] }), trial.message()], [key])
    await trial.settle({ recipient: key, seq })
    await trial.store.renameRecipient(URL, 'azure')
    await trial.store.renameRecipient(URL, 'azure')
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 3, acked: 2, pending: 1 })
  },

  async 'counts two dead letters of one delivery as one delivery again when both are revived'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL), await trial.recipient('azure')]
    const [seq = 0] = await trial.stored([trial.message()], [byUrl, byId])
    await trial.die([byUrl, byId].map((recipient) => ({ recipient, seq })))
    await trial.store.renameRecipient(URL, 'azure')
    const ids = (await trial.dead({ recipient: 'azure' })).map(({ id }) => id)
    assert.equal((await trial.revive(ids)).length, 1)
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 2, pending: 1, collapsed: 1 })
    assert.equal(trial.store.statistics().dead, 0)
  },

  async 'counts what waited for a forgotten recipient as forgotten, as long as it has dead letters'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await trial.stored([trial.message(), trial.message(), trial.message()], [aws])
    await trial.settle({ recipient: aws, seq })
    await trial.store.forgetRecipient(aws)
    await trial.settle({ recipient: aws, seq: seq + 1 })
    await trial.reopen()
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, acked: 1, forgotten: 2 })

    const again = await trial.recipient('aws')
    await trial.stored([trial.message()], [again])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 4, acked: 1, pending: 1, forgotten: 2 })

    await trial.store.discardDeadLetters((await trial.dead()).map(({ id }) => id))
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 1, pending: 1 })
    await trial.settle({ recipient: again, seq: seq + 3 })
    await trial.store.forgetRecipient(again)
    assert.deepEqual(trial.store.ledger(), [])
  },
}
