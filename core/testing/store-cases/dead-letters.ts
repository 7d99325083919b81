import assert from 'node:assert/strict'
import type { DeadLetterFilter } from '../../store.ts'
import { EVERYTHING, NO_ATTEMPTS, type StoreTrial, type Trying } from '../store-trial.ts'

/** Looking at dead letters, making them deliveries again, and throwing them away. */
export const deadLetterCases: Readonly<Record<string, Trying>> = {
  async 'lists dead letters oldest first, behind the one it is told, and says how many there are'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b', 'c', 'd', 'e'])
    const first = await trial.store.deadLetters({}, { limit: 2 })
    assert.deepEqual([first.total, ...first.items.map(({ messageId }) => messageId)], [5, 'a', 'b'])
    const after = first.items[1]?.id ?? 0
    const second = await trial.store.deadLetters({}, { after, limit: 10 })
    assert.deepEqual([second.total, ...second.items.map(({ messageId }) => messageId)], [5, 'c', 'd', 'e'])
    const none = await trial.store.deadLetters({}, { after: second.items[2]?.id ?? 0, limit: 10 })
    assert.deepEqual(none, { total: 5, items: [] })
  },

  async 'lists those for which all holds that is given'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const [seq = 0] = await trial.stored([trial.message({ messageId: 'a', type: 'SK', orderingKey: 'eu/1' })], [aws])
    const [next = 0] = await trial.stored([trial.message({ messageId: 'b', type: 'SA', orderingKey: 'eu%' })], [azure])
    const [last = 0] = await trial.stored([trial.message({ messageId: 'c', type: 'SA' })], [aws])
    await trial.die([{ recipient: aws, seq }])
    trial.runtime.advance(1_000)
    const diedBefore = trial.runtime.now()
    await trial.die([{ recipient: azure, seq: next }], { reason: 'EXPIRED' })
    await trial.die([{ recipient: aws, seq: last }], { reason: 'EXPIRED' })
    const [a, b, c] = (await trial.dead()).map(({ id }) => id) as [number, number, number]
    const expected: readonly [DeadLetterFilter, readonly number[]][] = [
      [{ ids: [c, a, 4_711] }, [a, c]],
      [{ ids: [] }, []],
      [{ recipient: 'aws' }, [a, c]],
      [{ recipient: 'nobody' }, []],
      [{ type: 'SA' }, [b, c]],
      [{ exceptTypes: ['SA'] }, [a]],
      [{ exceptTypes: ['SK', 'GK'], reason: 'EXPIRED' }, [b, c]],
      [{ exceptTypes: [] }, [a, b, c]],
      [{ keyPrefix: 'eu' }, [a, b]],
      [{ keyPrefix: 'eu%' }, [b]],
      [{ reason: 'EXPIRED' }, [b, c]],
      [{ diedBefore }, [a]],
      [{ type: 'SA', recipient: 'aws' }, [c]],
      [{ ids: [a, b], keyPrefix: 'eu', reason: 'EXPIRED', recipient: 'azure' }, [b]],
    ]
    for (const [filter, ids] of expected) {
      const { total, items } = await trial.store.deadLetters(filter, { limit: 10 })
      assert.deepEqual(
        items.map(({ id }) => id),
        ids,
        JSON.stringify(filter),
      )
      assert.equal(total, ids.length)
    }
  },

  async 'makes deliveries of dead letters again, as they were, in their places, without attempts'(trial) {
    await trial.open()
    const { aws, ids, places } = await graveyard(trial, ['a', 'b', 'c'])
    await trial.stored([trial.message({ messageId: 'later' })], [aws])
    const revived = await trial.revive([ids[2] ?? 0, ids[0] ?? 0])
    await trial.reopen()
    const pending = await trial.store.pending(aws, [], EVERYTHING)
    assert.deepEqual(
      revived,
      pending.slice(0, 2).map((delivery) => ({ recipient: aws, ...delivery })),
    )
    assert.deepEqual(
      revived.map(({ seq, message, attempts, dueAt }) => [seq, message.messageId, attempts, dueAt]),
      [
        [places[0], 'a', NO_ATTEMPTS, 0],
        [places[2], 'c', NO_ATTEMPTS, 0],
      ],
    )
    assert.deepEqual(await trial.waiting(aws), ['a', 'c', 'later'])
    assert.equal((await trial.dead())[0]?.messageId, 'b')
    assert.equal(trial.store.statistics().dead, 1)
  },

  async 'revives once what it is told twice to revive, and settles and gives it up like any other'(trial) {
    await trial.open()
    const { aws, ids } = await graveyard(trial, ['a', 'b'])
    assert.equal((await trial.revive([...ids, ...ids])).length, 2)
    assert.deepEqual(await trial.revive(ids), [])
    assert.equal((await trial.sums('aws')).pending, 2)
    const [a, b] = await trial.store.pending(aws, [], EVERYTHING)
    await trial.settle({ recipient: aws, seq: a?.seq ?? 0 })
    await trial.die([{ recipient: aws, seq: b?.seq ?? 0 }])
    const [again] = await trial.dead()
    assert.equal(again?.messageId, 'b')
    assert.ok(!ids.includes(again?.id ?? 0), 'an id is never given twice')
  },

  async 'leaves out of a revival what is gone, and what was for a recipient that is forgotten'(trial) {
    await trial.open()
    const { aws, ids } = await graveyard(trial, ['a', 'b'])
    await trial.stored([trial.message()], [aws])
    await trial.store.discardDeadLetters(ids.slice(0, 1))
    await trial.store.forgetRecipient(aws)
    const all = (await trial.dead()).map(({ id }) => id)
    assert.equal(all.length, 2)
    assert.deepEqual(await trial.revive([...ids, ...all, 4_711]), [])
    assert.equal((await trial.dead()).length, 2)
  },

  async 'forgets dead letters for good, and says how many there were'(trial) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b', 'c'])
    assert.equal(await trial.store.discardDeadLetters([ids[0] ?? 0, ids[2] ?? 0, 4_711]), 2)
    assert.equal(await trial.store.discardDeadLetters(ids.slice(0, 1)), 0)
    await trial.reopen()
    assert.deepEqual(
      (await trial.dead()).map(({ messageId }) => messageId),
      ['b'],
    )
    assert.equal(trial.store.statistics().dead, 1)
  },

  async 'keeps dead letters of a forgotten recipient until they are purged'(trial) {
    await trial.open()
    const { aws } = await graveyard(trial, ['a'])
    await trial.stored([trial.message(), trial.message()], [aws])
    trial.runtime.advance(1_000)
    await trial.store.forgetRecipient(aws)
    await trial.store.forgetRecipient(aws)
    const forgottenAt = trial.runtime.now()
    await trial.reopen()
    const [letter, summary, ...others] = await trial.dead({ recipient: 'aws' })
    assert.deepEqual(others, [])
    assert.equal(letter?.messageId, 'a')
    assert.equal(summary?.reason, 'RECIPIENT_FORGOTTEN')
    assert.deepEqual(
      [summary.messageId, summary.type, summary.path, summary.count, summary.diedAt],
      [undefined, undefined, [], 2, forgottenAt],
    )
    const limits = { settledBefore: 0, deadBefore: forgottenAt + 1, limit: 10 }
    assert.equal((await trial.store.purge(limits)).deadLetters, 2)
    assert.deepEqual(await trial.dead(), [])
  },

  async 'leaves no dead letter of a recipient for whom nothing waited'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await trial.store.forgetRecipient(aws)
    assert.deepEqual(await trial.dead(), [])
  },

  async 'lists the dead letters of a renamed recipient under its new name, and revives them for it'(trial) {
    await trial.open()
    const { aws, ids } = await graveyard(trial, ['a'])
    await trial.store.renameRecipient('aws', 'first')
    assert.equal((await trial.dead({ recipient: 'first' })).length, 1)
    const other = await trial.recipient('second')
    const { key } = await trial.store.renameRecipient('first', 'second')
    assert.deepEqual([key, (await trial.dead({ recipient: 'second' })).length], [other, 1])
    assert.deepEqual(
      (await trial.revive(ids)).map(({ recipient }) => recipient),
      [other],
    )
    assert.deepEqual([await trial.waiting(other), await trial.waiting(aws)], [['a'], []])
  },
}

/** Dead letters of messages with these ids for `aws`, died one after the other. */
async function graveyard(trial: StoreTrial, messageIds: readonly string[]) {
  const aws = await trial.recipient('aws')
  const places = await trial.stored(
    messageIds.map((messageId) => trial.message({ messageId })),
    [aws],
  )
  for (const seq of places) await trial.die([{ recipient: aws, seq }])
  const ids = (await trial.dead()).map(({ id }) => id)
  return { aws, places, ids }
}
