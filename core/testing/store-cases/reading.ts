import assert from 'node:assert/strict'
import { EVERYTHING, HOUR_MS, NO_ATTEMPTS, type Trying } from '../store-trial.ts'

/** How deliveries that wait are read. */
export const readingCases: Readonly<Record<string, Trying>> = {
  async 'gives back what was stored, byte for byte'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const expiresAt = trial.runtime.now() + HOUR_MS
    const message = trial.message({
      type: 'SA',
      clusterGroupId: 'eu',
      orderingKey: 'k',
      version: '1767225600000-00007-aws-1',
      expiresAt,
      path: ['pi-aws-1', 'origin'],
      value: '[9007199254740993,  1.10, "\u{1f680} \\ud83d\\ude80 \\u0000 é"]',
    })
    const receivedAt = trial.runtime.now()
    const [seq = 0] = await trial.stored([message], [aws])
    trial.runtime.advance(1_000)
    await trial.reopen()
    const { type, messageId, clusterGroupId, text, path, version } = message
    assert.deepEqual(await trial.store.pending(aws, [], EVERYTHING), [
      {
        seq,
        lane: 4,
        message: { seq, type, messageId, clusterGroupId, text, path, orderingKey: 'k', version, expiresAt, receivedAt },
        attempts: NO_ATTEMPTS,
        dueAt: 0,
      },
    ])
  },

  async 'gives the oldest first, behind the place it is told'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const messages = ['a', 'b', 'c', 'd'].map((messageId) => trial.message({ messageId }))
    const [, b = 0, , d = 0] = await trial.stored(messages, [aws])
    assert.deepEqual(await trial.waiting(aws), ['a', 'b', 'c', 'd'])
    assert.deepEqual(await trial.waiting(aws, b), ['c', 'd'])
    assert.deepEqual(await trial.waiting(aws, d), [])
  },

  async 'gives as many as fit into the limit'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const messages = ['a', 'b', 'c', 'd'].map((messageId) => trial.message({ messageId, key: 'k', value: '1' }))
    await trial.stored(messages, [aws])
    const [size = 0] = messages.map(({ text }) => Buffer.byteLength(text))
    assert.deepEqual(await trial.waiting(aws, 0, { messages: 3 }), ['a', 'b', 'c'])
    assert.deepEqual(await trial.waiting(aws, 0, { bytes: 2 * size + 5 }), ['a', 'b'])
  },

  async 'gives one at least, however large'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const value = JSON.stringify('x'.repeat(100_000))
    await trial.stored([trial.message({ messageId: 'large', value }), trial.message()], [aws])
    assert.deepEqual(await trial.waiting(aws, 0, { bytes: 1 }), ['large'])
  },

  async 'reads single deliveries anew: those that still wait, each once, oldest first'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const messages = ['a', 'b', 'c', 'd', 'e'].map((messageId) => trial.message({ messageId }))
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = await trial.stored(messages, [aws])
    const [other = 0] = await trial.stored([trial.message()], [azure])
    await trial.settle({ recipient: aws, seq: b })
    await trial.die([{ recipient: aws, seq: c }])
    const attempts = { sends: 2, nacks: 1, timeouts: 0, disconnects: 0 }
    await trial.batch({ retries: [{ recipient: aws, seq: d, attempts, dueAt: 4_711 }] })
    await trial.reopen()
    const recalled = await trial.store.recall(aws, [d, a, c, b, a, other, 4_711])
    const all = await trial.store.pending(aws, [], EVERYTHING)
    assert.deepEqual(
      recalled,
      all.filter(({ seq }) => seq !== e),
    )
    assert.deepEqual([recalled.length, recalled[1]?.attempts], [2, attempts])
    assert.deepEqual(await trial.store.recall(aws, []), [])
  },

  async 'gives nothing for a recipient it does not know'(trial) {
    await trial.open()
    const [seq = 0] = await trial.stored([trial.message()], [await trial.recipient('aws')])
    assert.deepEqual(await trial.waiting(4_711), [])
    assert.deepEqual(await trial.store.recall(4_711, [seq]), [])
  },
}
