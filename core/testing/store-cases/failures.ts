import assert from 'node:assert/strict'
import { EVERYTHING, NO_ATTEMPTS, type Trying } from '../store-trial.ts'

const ATTEMPTS = { sends: 9, nacks: 1, timeouts: 2, disconnects: 3 }

/** Deliveries that failed, and go again or are given up. */
export const failureCases: Readonly<Record<string, Trying>> = {
  async 'keeps the attempts of a failed delivery by cause, and when it is due, also when opened again'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const [seq = 0, other = 0] = await trial.stored([trial.message(), trial.message()], [aws, azure])
    const dueAt = trial.runtime.now() + 4_711
    await trial.batch({ retries: [{ recipient: aws, seq, attempts: { ...ATTEMPTS, sends: 1 }, dueAt: 1 }] })
    await trial.batch({ retries: [{ recipient: aws, seq, attempts: ATTEMPTS, dueAt }] })
    await trial.reopen()
    const pending = await trial.store.pending(aws, [], EVERYTHING)
    assert.deepEqual(
      pending.map((one) => ({ seq: one.seq, attempts: one.attempts, dueAt: one.dueAt })),
      [
        { seq, attempts: ATTEMPTS, dueAt },
        { seq: other, attempts: NO_ATTEMPTS, dueAt: 0 },
      ],
    )
    const [elsewhere] = await trial.store.pending(azure, [], EVERYTHING)
    assert.deepEqual(elsewhere?.attempts, NO_ATTEMPTS, 'of that recipient alone')
  },

  async 'changes nothing when a delivery fails or dies that is not pending'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [settled = 0, dead = 0] = await trial.stored([trial.message(), trial.message()], [aws])
    await trial.settle({ recipient: aws, seq: settled })
    await trial.die([{ recipient: aws, seq: dead }])
    for (const delivery of [
      { recipient: aws, seq: settled },
      { recipient: aws, seq: dead },
      { recipient: aws, seq: dead + 99 },
      { recipient: aws + 99, seq: dead },
    ]) {
      await trial.batch({ retries: [{ ...delivery, attempts: ATTEMPTS, dueAt: 0 }] })
      await trial.die([delivery])
      await trial.settle(delivery)
    }
    assert.deepEqual(await trial.waiting(aws), [])
    assert.equal((await trial.dead()).length, 1)
    const { targeted, acked, dead: died } = await trial.sums('aws')
    assert.deepEqual({ targeted, acked, died }, { targeted: 2, acked: 1, died: 1 })
  },

  async 'takes a delivery that is settled and given up in one batch for settled'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await trial.stored([trial.message()], [aws])
    const delivery = { recipient: aws, seq }
    await trial.batch({ settlements: [delivery], deaths: [trial.death(delivery)] })
    assert.deepEqual(await trial.dead(), [])
    assert.equal((await trial.sums('aws')).acked, 1)
  },

  async 'makes a delivery that is given up a dead letter, with all that is known of it but the value'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const message = trial.message({
      messageId: 'lost',
      type: 'SA',
      clusterGroupId: 'eu',
      orderingKey: 'account 7',
      path: ['pi-aws-1', 'origin'],
      value: '"secret"',
    })
    const [seq = 0] = await trial.stored([message], [aws, azure])
    trial.runtime.advance(5_000)
    await trial.batch({ deaths: [trial.death({ recipient: aws, seq }, { attempts: ATTEMPTS, reason: 'POISON' })] })
    const diedAt = trial.runtime.now()
    trial.runtime.advance(5_000)
    await trial.reopen()
    const letters = await trial.dead()
    assert.deepEqual(letters, [
      {
        id: letters[0]?.id,
        messageId: 'lost',
        clusterGroupId: 'eu',
        type: 'SA',
        orderingKey: 'account 7',
        recipient: 'aws',
        reason: 'POISON',
        error: 'no such account',
        attempts: ATTEMPTS,
        path: ['pi-aws-1', 'origin'],
        plugin: 'republish',
        pluginVersion: '1.2.3',
        diedAt,
        count: 1,
      },
    ])
    assert.ok(!JSON.stringify(letters).includes('secret'))
    assert.deepEqual([await trial.waiting(aws), await trial.waiting(azure)], [[], ['lost']])
    const { pending, dead } = trial.store.statistics()
    assert.deepEqual({ pending, dead }, { pending: 1, dead: 1 })
  },
}
