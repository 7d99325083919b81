import assert from 'node:assert/strict'
import type { Execution, ExecutionClaim } from '../../execution.ts'
import { DAY_MS, type StoreTrial, type Trying } from '../store-trial.ts'

/** Effects that happen at most once. */
export const executionCases: Readonly<Record<string, Trying>> = {
  async 'lets an effect be claimed once, and tells all others what is known of it, also after a restart'(trial) {
    await trial.open()
    const claimedAt = trial.runtime.now()
    assert.deepEqual(await trial.store.claimExecutions([claim('c-1'), claim('c-2')]), [undefined, undefined])
    trial.runtime.advance(1_000)
    const known = { ...claim('c-1'), claimedAt, ...OPEN }
    assert.deepEqual(await trial.store.claimExecutions([claim('c-1', { fingerprint: 'another' })]), [known])
    await trial.reopen()
    assert.deepEqual(await trial.store.claimExecutions([claim('c-3'), claim('c-1')]), [undefined, known])
  },

  async 'knows the second of two claims of one id in a call'(trial) {
    await trial.open()
    const [first, second] = await trial.store.claimExecutions([claim('c'), claim('c')])
    assert.equal(first, undefined)
    assert.equal(second?.messageId, 'c')
  },

  async 'keeps who asked and who is told where there is nobody to name'(trial) {
    await trial.open()
    const nameless = claim('c', { publisher: undefined, via: undefined })
    await trial.store.claimExecutions([nameless])
    assert.deepEqual(await find(trial, 'c'), { ...nameless, claimedAt: trial.runtime.now(), ...OPEN })
  },

  async 'keeps the first ending of an effect, to the byte, and nothing for an id that is not known'(trial) {
    await trial.open()
    await trial.store.claimExecutions([claim('c')])
    trial.runtime.advance(5)
    const finishedAt = trial.runtime.now()
    await trial.store.finishExecution('c', DONE)
    trial.runtime.advance(5)
    await trial.store.finishExecution('c', { outcome: 'failed', text: '{}' })
    await trial.store.finishExecution('unknown', DONE)
    await trial.reopen()
    const { outcome, text, finishedAt: at } = (await find(trial, 'c')) as Execution
    assert.deepEqual({ outcome, text, at }, { ...DONE, at: finishedAt })
    assert.equal(await find(trial, 'unknown'), undefined)
  },

  async 'ends what has begun and not ended, the oldest first, and nothing else'(trial) {
    await trial.open()
    await trial.store.claimExecutions([claim('late')])
    trial.runtime.advance(1)
    await trial.store.claimExecutions([claim('done'), claim('later')])
    await trial.store.finishExecution('done', DONE)
    await trial.reopen()
    const interrupted = await trial.store.interruptExecutions(CUT)
    assert.deepEqual(
      interrupted.map(({ messageId, outcome, text }) => ({ messageId, outcome, text })),
      [
        { messageId: 'late', ...CUT },
        { messageId: 'later', ...CUT },
      ],
    )
    assert.deepEqual(await trial.store.interruptExecutions(CUT), [])
    assert.equal((await find(trial, 'done'))?.outcome, 'done')
    assert.equal((await find(trial, 'later'))?.finishedAt, trial.runtime.now())
  },

  async 'forgets effects that ended before the time it is told, as many as it is told at most'(trial) {
    await trial.open()
    for (const id of ['a', 'b', 'c', 'd']) {
      await trial.store.claimExecutions([claim(id)])
      await trial.store.finishExecution(id, DONE)
      trial.runtime.advance(1_000)
    }
    await trial.store.claimExecutions([claim('open')])
    trial.runtime.advance(400 * DAY_MS)
    const before = trial.runtime.now() - 400 * DAY_MS - 1_000
    assert.equal(await trial.store.forgetExecutions(before, 2), 2)
    assert.equal(await trial.store.forgetExecutions(before, 2), 1)
    assert.equal(await trial.store.forgetExecutions(before, 2), 0)
    assert.equal((await find(trial, 'd'))?.outcome, 'done')
    assert.equal(await trial.store.forgetExecutions(trial.runtime.now(), 10), 1)
    assert.equal((await find(trial, 'open'))?.finishedAt, undefined, 'what has not ended stays')
    assert.deepEqual(await trial.store.claimExecutions([claim('a')]), [undefined], 'the id is free again')
  },
}

const OPEN = { finishedAt: undefined, outcome: undefined, text: undefined }
const DONE = { outcome: 'done', text: '{"value":9007199254740993}' }
const CUT = { outcome: 'interrupted', text: '{"error":{"code":"INTERRUPTED"}}' }

function claim(messageId: string, wish: Partial<ExecutionClaim> = {}): ExecutionClaim {
  const who = { publisher: 'ops-1', via: 'gcp-1' }
  return { messageId, fingerprint: 'f', name: 'cache.clear', ...who, ...wish }
}

function find(trial: StoreTrial, messageId: string): Promise<Execution | undefined> {
  return trial.store.execution(messageId)
}
