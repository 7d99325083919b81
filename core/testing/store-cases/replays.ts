import assert from 'node:assert/strict'
import type { ReplayJob } from '../../replay.ts'
import { EVERYTHING, type StoreTrial, type Trying } from '../store-trial.ts'

/** Replay jobs: what they select, what they revive, and what is known of them. */
export const replayCases: Readonly<Record<string, Trying>> = {
  async 'selects for a replay what matches now, those with the oldest places first, and says how many are left over'(
    trial,
  ) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b', 'c', 'd'], [3, 1, 2, 0])
    const [d = 0, b = 0, c = 0, a = 0] = ids
    const { job, more } = await trial.freeze({ recipient: 'aws' }, { limit: 3 })
    assert.deepEqual([job.total, more], [3, 1])
    assert.deepEqual(await selected(trial, job), [a, b, c])
    assert.deepEqual(await selected(trial, job, 2), [a, b])
    const rest = await trial.freeze()
    assert.deepEqual([rest.job.total, rest.more, await selected(trial, rest.job)], [1, 0, [d]])
  },

  async 'selects for a replay only that for which all holds that is given'(trial) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b', 'c'])
    const { job } = await trial.freeze({ ids: [ids[0] ?? 0, ids[2] ?? 0, 4_711], reason: 'REJECTED', type: 'SK' })
    assert.deepEqual(await selected(trial, job), [ids[0], ids[2]])
    assert.equal((await trial.freeze({ recipient: 'nobody' })).job.total, 0)
  },

  async 'freezes the selection of a replay: what dies later is not in it'(trial) {
    await trial.open()
    const { aws, ids, places } = await graveyard(trial, ['a', 'b'])
    const { job } = await trial.freeze()
    const [seq = 0] = await trial.stored([trial.message()], [aws])
    await trial.die([{ recipient: aws, seq }])
    await trial.step(job.id, 1)
    await trial.die([{ recipient: aws, seq: places[0] ?? 0 }])
    await trial.reopen()
    assert.deepEqual(await selected(trial, job), ids.slice(1))
    assert.equal((await trial.step(job.id)).length, 1)
    assert.deepEqual([(await trial.replay(job.id)).state, (await trial.dead()).length], ['done', 2])
  },

  async 'selects nothing that belongs to an unfinished replay'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b'])
    const first = await trial.freeze()
    await trial.step(first.job.id, 1)
    const second = await trial.freeze()
    assert.deepEqual([second.job.total, second.more], [0, 0])
    assert.equal((await trial.step(first.job.id)).length, 1)
  },

  async 'is done with a replay that has nothing to select'(trial) {
    await trial.open()
    const { job } = await trial.freeze()
    assert.deepEqual([job.state, job.total, job.endedAt], ['done', 0, trial.runtime.now()])
    assert.deepEqual(await trial.replay(job.id), job)
  },

  async 'remembers of a replay who asked for it, and what'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b', 'c'])
    const filter = { recipient: 'aws', reason: 'REJECTED', diedBefore: trial.runtime.now() + 1 } as const
    const { job } = await trial.freeze(filter, { by: 'a-plugin', perSecond: 7, maxFailures: (total) => total + 1 })
    const expected: ReplayJob = {
      id: job.id,
      createdAt: trial.runtime.now(),
      by: 'a-plugin',
      filter,
      perSecond: 7,
      maxFailures: 4,
      total: 3,
      ...{ replayed: 0, failed: 0, superseded: 0, skipped: 0, state: 'waiting', reason: undefined, endedAt: undefined },
    }
    assert.deepEqual(job, expected)
    await trial.reopen()
    assert.deepEqual(await trial.replay(job.id), expected)
    assert.equal(await trial.store.replayJob(4_711), undefined)
  },

  async 'counts in a replay what it revived, and is done with the last one'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b', 'c'])
    const { job } = await trial.freeze()
    await trial.step(job.id, 2)
    await trial.reopen()
    const { state, replayed, endedAt } = await trial.replay(job.id)
    assert.deepEqual([state, replayed, endedAt], ['running', 2, undefined])
    trial.runtime.advance(1_000)
    await trial.step(job.id)
    const done = await trial.replay(job.id)
    assert.deepEqual([done.state, done.replayed, done.skipped], ['done', 3, 0])
    assert.equal(done.endedAt, trial.runtime.now())
    assert.deepEqual(await selected(trial, job), [])
  },

  async 'revives for a replay only what it has selected, and each once'(trial) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b', 'c'])
    const [a = 0, b = 0, c = 0] = ids
    const first = await trial.freeze([a])
    const second = await trial.freeze([b])
    assert.deepEqual(await trial.store.reviveDeadLetters(second.job.id, [a, c, 4_711]), [])
    assert.deepEqual(await trial.store.reviveDeadLetters(4_711, [a, c]), [])
    assert.equal((await trial.store.reviveDeadLetters(first.job.id, [a, a, b])).length, 1)
    assert.deepEqual(await trial.store.reviveDeadLetters(first.job.id, [a, b]), [])
    assert.deepEqual(
      (await trial.dead()).map(({ id }) => id),
      [b, c],
    )
    assert.equal((await trial.replay(first.job.id)).replayed, 1)
    assert.equal((await trial.replay(second.job.id)).state, 'waiting')
  },

  async 'counts for a replay what came too late, once, with its settlement'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b'])
    const { job } = await trial.freeze()
    const [late, good] = await trial.step(job.id)
    assert.ok(late && good)
    const { recipient } = late
    for (let times = 0; times < 2; times++) {
      await trial.settle({ recipient, seq: late.seq, superseded: true }, { recipient, seq: good.seq })
    }
    const { superseded, replayed } = await trial.replay(job.id)
    assert.deepEqual([replayed, superseded], [2, 1])
  },

  async 'skips in a replay what is gone, and what was for a recipient that is forgotten'(trial) {
    await trial.open()
    const { aws, ids } = await graveyard(trial, ['a', 'b', 'c'])
    const azure = await trial.recipient('azure')
    const [seq = 0] = await trial.stored([trial.message({ messageId: 'd' }), trial.message()], [azure])
    await trial.die([{ recipient: azure, seq }])
    await trial.store.forgetRecipient(azure)
    const { job } = await trial.freeze()
    assert.equal(job.total, 5)
    await trial.store.discardDeadLetters(ids.slice(1, 2))
    assert.equal((await trial.step(job.id)).length, 2)
    const { state, replayed, skipped } = await trial.replay(job.id)
    assert.deepEqual([state, replayed, skipped], ['done', 2, 3])
    assert.deepEqual(await trial.waiting(aws), ['a', 'c'])
    assert.equal((await trial.dead({ recipient: 'azure' })).length, 2)
    assert.equal((await trial.freeze({ recipient: 'azure' })).job.total, 2)
  },

  async 'is done with a replay whose selection is gone'(trial) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b'])
    const { job } = await trial.freeze()
    await trial.store.discardDeadLetters(ids)
    assert.equal((await trial.replay(job.id)).state, 'waiting')
    assert.deepEqual(await trial.step(job.id), [])
    const { state, replayed, skipped } = await trial.replay(job.id)
    assert.deepEqual([state, replayed, skipped], ['done', 0, 2])
  },

  async 'skips in a replay what waits already'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient('wss://azure.example'), await trial.recipient('azure')]
    const [seq = 0] = await trial.stored([trial.message()], [byUrl, byId])
    await trial.die([byUrl, byId].map((recipient) => ({ recipient, seq })))
    await trial.store.renameRecipient('wss://azure.example', 'azure')
    const { job } = await trial.freeze()
    await trial.step(job.id)
    const { state, replayed, skipped } = await trial.replay(job.id)
    assert.deepEqual([state, replayed, skipped, (await trial.dead()).length], ['done', 1, 1, 0])
  },

  async 'counts in a replay each delivery of it that dies again, once, however long after'(trial) {
    await trial.open()
    const { aws, places } = await graveyard(trial, ['a', 'b', 'c', 'd'])
    const [a = 0, b = 0, c = 0, d = 0] = places
    const { job } = await trial.freeze()
    await trial.step(job.id, 3)
    await trial.die([{ recipient: aws, seq: d }])
    assert.equal((await trial.replay(job.id)).failed, 0)
    const attempts = { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 }
    await trial.batch({ retries: [{ recipient: aws, seq: a, attempts, dueAt: 0 }] })
    await trial.die([a, a, d].map((seq) => ({ recipient: aws, seq })))
    assert.equal((await trial.replay(job.id)).failed, 1)
    await trial.settle({ recipient: aws, seq: b })
    await trial.step(job.id)
    await trial.reopen()
    await trial.die([b, c].map((seq) => ({ recipient: aws, seq })))
    const { state, failed } = await trial.replay(job.id)
    assert.deepEqual([state, failed], ['done', 2])

    const again = await trial.freeze()
    await trial.step(again.job.id)
    await trial.die([{ recipient: aws, seq: a }])
    assert.equal((await trial.replay(again.job.id)).failed, 1)
    assert.equal((await trial.replay(job.id)).failed, 2)
  },

  async 'counts in a replay what dies again when its recipient has got another name'(trial) {
    await trial.open()
    const { places } = await graveyard(trial, ['a'])
    const { job } = await trial.freeze()
    await trial.step(job.id)
    await trial.recipient('other')
    const { key } = await trial.store.renameRecipient('aws', 'other')
    await trial.die([{ recipient: key, seq: places[0] ?? 0 }])
    assert.equal((await trial.replay(job.id)).failed, 1)
  },

  async 'revives nothing more for a replay with too many failures'(trial) {
    await trial.open()
    const { aws, places } = await graveyard(trial, ['a', 'b', 'c', 'd'])
    const { job } = await trial.freeze({}, { maxFailures: () => 1 })
    await trial.step(job.id, 2)
    await trial.die([{ recipient: aws, seq: places[0] ?? 0 }])
    assert.equal((await trial.step(job.id, 1)).length, 1)
    await trial.die([{ recipient: aws, seq: places[1] ?? 0 }])
    await trial.reopen()
    assert.deepEqual(await trial.step(job.id), [])
    const { state, replayed, failed } = await trial.replay(job.id)
    assert.deepEqual([state, replayed, failed], ['running', 3, 2])
  },

  async 'ends a replay before it is done: what is left stays dead, and can be selected anew'(trial) {
    await trial.open()
    const { ids } = await graveyard(trial, ['a', 'b', 'c', 'd'])
    const { job } = await trial.freeze()
    await trial.step(job.id, 1)
    await trial.store.discardDeadLetters(ids.slice(1, 2))
    trial.runtime.advance(1_000)
    await trial.store.endReplay(job.id, { state: 'stopped', reason: 'too many' })
    await trial.reopen()
    const ended = await trial.replay(job.id)
    const { state, reason, replayed, skipped, total } = ended
    assert.deepEqual([state, reason, replayed, skipped, total], ['stopped', 'too many', 1, 1, 4])
    assert.equal(ended.endedAt, trial.runtime.now())
    assert.deepEqual([await selected(trial, job), (await trial.dead()).length], [[], 2])
    assert.deepEqual(await trial.store.reviveDeadLetters(job.id, ids), [])
    trial.runtime.advance(1_000)
    await trial.store.endReplay(job.id, { state: 'cancelled', reason: 'another' })
    await trial.store.endReplay(4_711, { state: 'cancelled', reason: 'another' })
    assert.deepEqual(await trial.replay(job.id), ended)
    assert.deepEqual(await selected(trial, (await trial.freeze()).job), ids.slice(2))
  },

  async 'lists replays, newest first: the unfinished ones, and the newest 1,000 that have ended'(trial) {
    await trial.open()
    await graveyard(trial, ['a', 'b'])
    const waiting = await trial.freeze()
    const ended: number[] = []
    for (let made = 0; made < 1_001; made++) ended.unshift((await trial.freeze()).job.id)
    await trial.reopen()
    const jobs = await trial.store.replays()
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [...ended.slice(0, 1_000), waiting.job.id],
    )
    assert.deepEqual(jobs.at(-1), waiting.job)
    await trial.store.endReplay(waiting.job.id, { state: 'cancelled', reason: 'enough' })
    assert.equal((await trial.store.replays()).length, 1_000)
    assert.equal(await trial.store.replayJob(waiting.job.id), undefined)
  },

  async 'gives the text of the message of a dead letter'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const message = trial.message({ value: '9007199254740993' })
    const [seq = 0] = await trial.stored([message, trial.message()], [aws])
    await trial.die([{ recipient: aws, seq }])
    await trial.store.forgetRecipient(aws)
    const [letter, summary] = await trial.dead()
    assert.equal(await trial.store.deadLetterText(letter?.id ?? 0), message.text)
    assert.equal(await trial.store.deadLetterText(summary?.id ?? 0), undefined)
    assert.equal(await trial.store.deadLetterText(4_711), undefined)
  },
}

async function selected(trial: StoreTrial, { id }: ReplayJob, limit = EVERYTHING.messages): Promise<readonly number[]> {
  return (await trial.store.replaySelection(id, limit)).map((letter) => letter.id)
}

/** Dead letters of messages with these ids for `aws`, died in the given order of their places. */
async function graveyard(trial: StoreTrial, messageIds: readonly string[], order = [...messageIds.keys()]) {
  const aws = await trial.recipient('aws')
  const messages = messageIds.map((messageId) => trial.message({ messageId }))
  const places = await trial.stored(messages, [aws])
  for (const at of order) await trial.die([{ recipient: aws, seq: places[at] ?? 0 }])
  const ids = (await trial.dead()).map(({ id }) => id)
  return { aws, places, ids }
}
