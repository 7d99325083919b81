import assert from 'node:assert/strict'
import type { RecipientKey, Spaces } from '../../store.ts'
import type { TestMessage } from '../messages.ts'
import type { StoreTrial, Trying } from '../store-trial.ts'

/** Of SK and SA the newest message of a key counts, of either; of `rate` as well, in a space of its own. */
const SPACES: Spaces = new Map([
  ['SK', 'state'],
  ['SA', 'state'],
  ['rate', 'rate'],
])
const NONE = { targeted: 0, acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

/** Newer writes take the place of older ones. */
export const collapsingCases: Readonly<Record<string, Trying>> = {
  async 'keeps the greatest version of each key, where it is, and counts the others as collapsed'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    await writes(trial, [aws, azure], ['k1 v1', 'k2 v3', 'k1 v2', 'k3 v4', 'k2 v1', 'k1 v5', 'k1 v3'])
    assert.equal(await collapse(trial, aws), 4)
    assert.deepEqual(await trial.waiting(aws), ['k2 v3', 'k3 v4', 'k1 v5'])
    assert.equal((await trial.waiting(azure)).length, 7)
    await trial.reopen()
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 7, pending: 3, collapsed: 4 })
    assert.deepEqual(await trial.sums('azure'), { ...NONE, targeted: 7, pending: 7 })
    assert.equal(await collapse(trial, aws), 0)
  },

  async 'lets types of one space replace each other, and none of another space or of another kind'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const types = ['SK', 'SW', 'SA', 'rate', 'rate', 'CMD', 'CMD']
    await writes(
      trial,
      [aws],
      types.map((_, index) => `k v${index}`),
      (index) => ({ type: types[index] as string }),
    )
    assert.equal(await collapse(trial, aws), 2)
    assert.deepEqual(await trial.waiting(aws), ['k v1', 'k v2', 'k v4', 'k v5', 'k v6'])
  },

  async 'keeps messages apart that are for different audiences'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const audiences: readonly TestMessage[] = [
      {},
      { targetedTags: [] },
      { targetedTags: ['eu'] },
      { targetedTags: ['us'] },
      { targetedTags: ['eu', 'us'] },
      { targetInstanceId: 'aws' },
      { targetInstanceId: 'gcp' },
      { targetedTags: ['us'] },
      { targetInstanceId: 'gcp' },
    ]
    await writes(
      trial,
      [aws],
      audiences.map((_, index) => `k v${index}`),
      (index) => audiences[index] ?? {},
    )
    assert.equal(await collapse(trial, aws), 3)
    assert.deepEqual(await trial.waiting(aws), ['k v1', 'k v2', 'k v4', 'k v5', 'k v7', 'k v8'])
  },

  async 'leaves alone what has no ordering key, no version, or the same version'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const wishes: readonly TestMessage[] = [
      { orderingKey: 'k' },
      { orderingKey: 'k' },
      { version: 'v1' },
      { version: 'v2' },
      { orderingKey: 'k', version: 'v3' },
      { orderingKey: 'k', version: 'v3' },
    ]
    await trial.stored(wishes.map(trial.message), [aws])
    assert.equal(await collapse(trial, aws), 0)
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 6, pending: 6 })
  },

  async 'lets nothing be replaced by what expires'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const expiresAt = trial.runtime.now() + 1_000
    await writes(trial, [aws], ['k v1', 'k v2', 'l v2', 'l v1'], (index) =>
      index === 1 || index === 2 ? { expiresAt } : {},
    )
    assert.equal(await collapse(trial, aws), 0)
    await writes(trial, [aws], ['k v3'])
    assert.ok((await collapse(trial, aws)) >= 1)
    const waiting = await trial.waiting(aws)
    assert.ok(!waiting.includes('k v1') && waiting.includes('k v3') && waiting.includes('l v1'))
  },

  async 'looks at as many as it is told at most, and the next call goes on'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await writes(
      trial,
      [aws],
      Array.from({ length: 95 }, (_, index) => `k${index % 3} v${String(index).padStart(3, '0')}`),
    )
    const collapsed: number[] = []
    for (let done = false; !done; ) {
      const call = await trial.store.collapse(aws, SPACES, 10)
      assert.equal(call.pending, (await trial.waiting(aws)).length)
      collapsed.push(call.deliveries)
      done = call.done
    }
    assert.ok(collapsed.length >= 10)
    assert.ok(collapsed.every((count) => count <= 10))
    assert.deepEqual(await trial.waiting(aws), ['k2 v092', 'k0 v093', 'k1 v094'])
  },

  async 'takes away nothing whose successor has gone meanwhile'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await writes(trial, [aws], ['k v9', 'l v1', 'k v5'])
    await trial.store.collapse(aws, SPACES, 2)
    await trial.die([{ recipient: aws, seq }])
    while (!(await trial.store.collapse(aws, SPACES, 2)).done);
    assert.deepEqual(await trial.waiting(aws), ['l v1', 'k v5'])
    assert.deepEqual(await trial.sums('aws'), { ...NONE, targeted: 3, pending: 2, dead: 1 })
  },

  async 'collapses nothing for a recipient it does not know, and begins anew for another one'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    await writes(trial, [aws, azure], ['k v1', 'k v2', 'k v3'])
    await trial.store.collapse(aws, SPACES, 1)
    assert.equal(await collapse(trial, azure), 2)
    assert.equal(await collapse(trial, aws), 2)
    assert.deepEqual(await trial.store.collapse(4_711, SPACES, 10), { deliveries: 0, pending: 0, done: true })
    await writes(trial, [azure], ['k v4'])
    await trial.store.forgetBacklog(azure)
    assert.equal(await collapse(trial, azure), 0)
  },

  async 'forgets messages that are collapsed for all whom they were for'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    await writes(trial, [aws, azure], ['k v1', 'k v2'])
    await collapse(trial, aws)
    const purge = async () => {
      trial.runtime.advance(48 * 60 * 60 * 1_000)
      return (await trial.store.purge({ settledBefore: trial.runtime.now(), deadBefore: 0, limit: 10 })).messages
    }
    assert.equal(await purge(), 0)
    await collapse(trial, azure)
    assert.equal(await purge(), 1)
    assert.deepEqual(await trial.waiting(aws), ['k v2'])
  },
}

/** Collapses all that waits for a recipient. Resolves to how many deliveries have gone. */
async function collapse({ store }: StoreTrial, recipient: RecipientKey): Promise<number> {
  let count = 0
  for (let done = false; !done; ) {
    const call = await store.collapse(recipient, SPACES, 3)
    count += call.deliveries
    done = call.done
  }
  return count
}

/** Stores messages of type SK whose id says key and version, unless the case says otherwise. Resolves to their places. */
function writes(
  trial: StoreTrial,
  recipients: readonly RecipientKey[],
  ids: readonly string[],
  wish: (index: number) => TestMessage = () => ({}),
): Promise<readonly number[]> {
  const messages = ids.map((messageId, index) => {
    const [orderingKey, version] = messageId.split(' ') as [string, string]
    return trial.message({ messageId, orderingKey, version, ...wish(index) })
  })
  return trial.stored(messages, recipients)
}
