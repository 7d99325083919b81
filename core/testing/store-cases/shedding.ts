import assert from 'node:assert/strict'
import { DAY_MS, type StoreTrial, type Trying } from '../store-trial.ts'

/** Giving up the texts of what nobody needs any more, before its time. */
export const sheddingCases: Readonly<Record<string, Trying>> = {
  async 'gives up texts of messages that wait for nobody, and uses less room then'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const value = JSON.stringify('x'.repeat(2_000))
    const messages = Array.from({ length: 200 }, () => trial.message({ value }))
    const places = await trial.stored(messages, [aws])
    const used = () => trial.store.statistics().usedBytes
    const before = used()
    assert.ok(before >= 400_000)
    assert.equal(await shedAll(trial), 0)
    await trial.settle(...places.map((seq) => ({ recipient: aws, seq })))
    assert.equal(await shedAll(trial), 200)
    assert.ok(used() < before / 2)
    assert.equal(await shedAll(trial), 0)
    assert.equal(trial.store.statistics().messages, 200)
  },

  async 'keeps what waits for somebody and what has a dead letter as it is'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const ids = ['waits', 'dead', 'settled', 'for nobody']
    const [, dead = 0, settled = 0] = await trial.stored(
      ids.slice(0, 3).map((messageId) => trial.message({ messageId })),
      [aws, azure],
    )
    await trial.stored([trial.message({ messageId: 'for nobody' })])
    for (const recipient of [aws, azure]) await trial.settle({ recipient, seq: settled })
    await trial.settle({ recipient: azure, seq: dead })
    await trial.die([{ recipient: aws, seq: dead }])
    assert.equal(await shedAll(trial), 2)
    await trial.reopen()
    const all = async () => trial.store.pending(aws, [], { messages: 10, bytes: 100_000 })
    assert.deepEqual(
      (await all()).map(({ message }) => [message.messageId, message.text.includes('"value"')]),
      [['waits', true]],
    )
    const [letter] = await trial.dead()
    await trial.revive([letter?.id ?? assert.fail()])
    assert.deepEqual(
      (await all()).map(({ message }) => [message.messageId, message.text.includes('"value"')]),
      [
        ['waits', true],
        ['dead', true],
      ],
    )
  },

  async 'knows a message without its text again, by its place and by its id, and purges it in its time'(trial) {
    await trial.open()
    const again = () => trial.message({ messageId: 'used', key: 'k', value: '1' })
    const message = again()
    await trial.stored([message])
    assert.equal(await shedAll(trial), 1)
    assert.equal((await trial.writeOne(message)).status, 'duplicate')
    assert.equal((await trial.writeOne(again())).status, 'duplicate')
    assert.equal((await trial.writeOne(trial.message({ messageId: 'used', key: 'k', value: '2' }))).status, 'conflict')
    trial.runtime.advance(2 * DAY_MS)
    const { messages } = await trial.store.purge({ settledBefore: trial.runtime.now(), deadBefore: 0, limit: 10 })
    assert.equal(messages, 1)
    await trial.stored([again()])
  },

  async 'gives up as many as it is told at most, and comes back to what waited before'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await trial.stored([trial.message()], [aws])
    await trial.stored(Array.from({ length: 25 }, () => trial.message()))
    const given: number[] = []
    for (let done = false; !done; ) {
      const shed = await trial.store.shed(10)
      given.push(shed.texts)
      done = shed.done
    }
    assert.deepEqual(
      given.filter((texts) => texts > 0),
      [10, 10, 5],
    )
    await trial.settle({ recipient: aws, seq })
    await trial.stored([trial.message()])
    assert.equal(await shedAll(trial), 2)
  },
}

/** Goes on until everything has been looked at once. Resolves to how many texts were given up. */
async function shedAll({ store }: StoreTrial): Promise<number> {
  let count = 0
  for (let done = false; !done; ) {
    const shed = await store.shed(10)
    count += shed.texts
    done = shed.done
  }
  return count
}
