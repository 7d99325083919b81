import { expect } from 'chai'
import type { DueDelivery, Kernel, Plugin } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { type BenchOptions, bench, RETRY_DELAY_MS } from '../plugins/delivery/support.ts'
import { AWAY, applying, failing } from './applying.ts'
import { ManualRuntime } from './manual-runtime.ts'

const BACKOFF_CAP_MS = 60_000
const none = { acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }
const ids = (count: number) => Array.from({ length: count }, (_, at) => `m-${at + 1}`)
const one = (messageId: string, key = messageId) => ({ type: 'test.merged', messageId, key })
const strict = (messageId: string, key: string) => ({ type: 'test.ordered', messageId, key })

/** A bus with types that are applied as the test says. */
async function subject(options: BenchOptions = {}, seen = applying()) {
  const { plugins = [], ...rest } = options
  return Object.assign(await bench({ ...rest, plugins: [seen.plugin, ...plugins] }), { seen })
}

type Subject = Awaited<ReturnType<typeof subject>>

/** Publishes these so that they are applied in one run. */
async function publishTogether(bus: Subject, ...messages: readonly Readonly<Record<string, unknown>>[]) {
  let goOn = () => {}
  bus.seen.before = () =>
    new Promise<void>((resolve) => {
      goOn = resolve
    })
  await bus.publish(one('first'))
  await bus.publish(...messages)
  bus.seen.before = () => undefined
  bus.seen.calls.length = 0
  bus.seen.applied.length = 0
  goOn()
  await bus.rest()
  expect(bus.seen.applied.shift()).to.equal('first')
}

const self = ({ bus }: Subject) => bus.recipients().find(({ name }) => name === '@self')
const isReady = ({ seen }: Subject) =>
  seen.kernel
    .healthChecks()
    .find(({ name }) => name === 'apply')
    ?.check().ok

describe('applying a message, the delivery to @self', () => {
  it('happens in order, to as many at once as wait, and settles each', async () => {
    const bus = await subject()
    await publishTogether(bus, ...ids(300).map((id) => one(id)))
    expect(bus.seen.calls.map(({ length }) => length)).to.deep.equal([256, 44])
    expect(bus.seen.applied).to.deep.equal(ids(300))
    await bus.pass(10)
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 301, acked: 301 })
  })

  it('splits a run that fails until the culprit stands alone, and applies all others once, in order', async () => {
    const bus = await subject()
    bus.seen.act = failing('m-100').act
    await publishTogether(bus, ...ids(256).map((id) => one(id)))
    expect(bus.seen.applied).to.deep.equal(ids(256).filter((id) => id !== 'm-100'))
    expect(bus.seen.calls.length).to.equal(1 + 2 * Math.log2(256))
    expect(bus.seen.calls).to.deep.include(['m-100'])
    await bus.pass(10)
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 257, acked: 256, pending: 1 })
  })

  it('counts a failure on disk before it tries again, later and later, and gives up in the name of the plugin', async () => {
    const bus = await subject()
    const { act } = failing('m-1')
    bus.seen.act = act
    bus.runtime.chance = 1 - Number.EPSILON
    await bus.publish(one('m-1'))
    for (const [failures, delay] of [
      [1, RETRY_DELAY_MS],
      [2, 2 * RETRY_DELAY_MS],
      [3, 4 * RETRY_DELAY_MS],
    ] as const) {
      expect(bus.seen.calls).to.have.length(failures)
      const attempts = { sends: failures, nacks: failures, timeouts: 0, disconnects: 0 }
      expect(await bus.attempts('@self')).to.deep.equal(attempts)
      await bus.pass(delay - 1)
      expect(bus.seen.calls).to.have.length(failures)
      await bus.pass(1)
    }
    expect(bus.seen.calls).to.have.length(4)
    const [letter] = await bus.dead()
    expect(letter).to.include({ messageId: 'm-1', recipient: '@self', reason: 'ATTEMPTS_EXHAUSTED' })
    expect(letter).to.include({ plugin: 'applying', pluginVersion: '3.2.1', error: 'cannot take m-1' })
    expect(letter?.attempts).to.deep.equal({ sends: 4, nacks: 4, timeouts: 0, disconnects: 0 })
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 1, dead: 1 })
    await bus.pass(BACKOFF_CAP_MS)
    expect(bus.seen.calls).to.have.length(4)
  })

  it('leaves half of the delay to chance', async () => {
    const bus = await subject()
    bus.seen.act = failing('m-1').act
    bus.runtime.chance = 0
    await bus.publish(one('m-1'))
    await bus.pass(RETRY_DELAY_MS / 2 - 1)
    expect(bus.seen.calls).to.have.length(1)
    await bus.pass(2)
    expect(bus.seen.calls).to.have.length(2)
  })

  it('tries again in time though the wall clock is set back', async () => {
    const bus = await subject()
    const { broken, act } = failing('m-1')
    bus.seen.act = act
    await bus.publish(one('m-1'))
    broken.clear()
    bus.runtime.step(-3_600_000)
    await bus.pass(RETRY_DELAY_MS)
    expect(bus.seen.applied).to.deep.equal(['m-1'])
  })

  it('goes on counting after a restart', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const seen = applying()
    seen.act = failing('m-1').act
    const before = await subject({ store, runtime }, seen)
    await before.publish(one('m-1'))
    await before.pass(10)
    await before.end()
    const after = await subject({ store, runtime }, seen)
    await after.rest()
    expect(seen.calls, 'it waits for its time').to.have.length(1)
    await after.pass(RETRY_DELAY_MS)
    expect((await after.attempts('@self'))?.nacks).to.equal(2)
  })

  it('lets what follows go on where types merge, and the failed one come later', async () => {
    const bus = await subject()
    const { broken, act } = failing('m-1')
    bus.seen.act = act
    await publishTogether(bus, one('m-1', 'k'), one('m-2', 'k'))
    expect(bus.seen.applied).to.deep.equal(['m-2'])
    broken.clear()
    await bus.pass(RETRY_DELAY_MS)
    expect(bus.seen.applied).to.deep.equal(['m-2', 'm-1'])
    expect(bus.sums('@self')).to.include({ acked: 3, pending: 0 })
  })

  it('holds back a key behind its failed message where types are strict, and no other key', async () => {
    const bus = await subject()
    const { broken, act } = failing('a-1')
    bus.seen.act = act
    await publishTogether(bus, strict('a-1', 'a'), strict('b-1', 'b'), strict('a-2', 'a'), strict('b-2', 'b'))
    await bus.publish(strict('a-3', 'a'), strict('b-3', 'b'))
    expect(bus.seen.applied).to.deep.equal(['b-1', 'b-2', 'b-3'])
    expect(self(bus)).to.include({ pending: 3, deferred: 1, inFlight: 0 })
    broken.clear()
    await bus.pass(RETRY_DELAY_MS)
    expect(bus.seen.applied.slice(3)).to.deep.equal(['a-1', 'a-2', 'a-3'])
    await bus.pass(10)
    expect(self(bus)).to.include({ pending: 0, deferred: 0 })
    await bus.publish(strict('a-4', 'a'), strict('a-5', 'a'))
    expect(bus.seen.applied.slice(6)).to.deep.equal(['a-4', 'a-5'])
  })

  it('holds back a strict key after a restart as before it', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const seen = applying()
    const { broken, act } = failing('a-1')
    seen.act = act
    const before = await subject({ store, runtime }, seen)
    await before.publish(strict('a-1', 'a'), strict('a-2', 'a'))
    await before.pass(10)
    await before.end()
    const after = await subject({ store, runtime }, seen)
    await after.publish(strict('a-3', 'a'), strict('b-1', 'b'))
    expect(seen.applied).to.deep.equal(['b-1'])
    broken.clear()
    await after.pass(RETRY_DELAY_MS)
    expect(seen.applied).to.deep.equal(['b-1', 'a-1', 'a-2', 'a-3'])
  })

  it('lets a strict key go on once its failed message is a dead letter', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    bus.seen.act = failing('a-1').act
    await bus.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('a-3', 'a'))
    await bus.pass(10)
    expect(bus.seen.applied).to.deep.equal(['a-2', 'a-3'])
    expect((await bus.dead()).map(({ messageId }) => messageId)).to.deep.equal(['a-1'])
  })

  it('gives up what has expired, before it is applied or between two attempts', async () => {
    const bus = await subject()
    bus.seen.act = failing('m-2').act
    const now = bus.runtime.now()
    await bus.publish({ ...one('m-1'), expiresAt: now - 1 }, { ...one('m-2'), expiresAt: now + RETRY_DELAY_MS / 2 - 1 })
    await bus.pass(RETRY_DELAY_MS)
    expect(bus.seen.calls).to.deep.equal([['m-2']])
    const dead = (await bus.dead()).map(({ messageId, reason, recipient }) => [messageId, reason, recipient])
    expect(dead).to.deep.equal([
      ['m-1', 'EXPIRED', '@self'],
      ['m-2', 'EXPIRED', '@self'],
    ])
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 2, dead: 2 })
  })

  it('applies a dead letter that is replayed', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    const { broken, act } = failing('m-1')
    bus.seen.act = act
    await bus.publish(one('m-1'), one('m-2'))
    await bus.pass(10)
    expect(bus.sums('@self')).to.include({ acked: 1, dead: 1 })
    broken.clear()
    const { deadLetters } = bus.seen.kernel
    const order = { by: 'test', filter: {}, perSecond: 1, limit: 1, maxFailures: () => 1 }
    const { job } = await deadLetters.freeze(order)
    const replaying = deadLetters.replayNext(job.id, 1)
    await bus.rest()
    await replaying
    await bus.pass(10)
    expect(bus.seen.applied).to.deep.equal(['m-2', 'm-1'])
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 2, acked: 2 })
  })

  it('takes a call that never ends for one that failed', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    bus.seen.act = ({ messageId }) => (messageId === 'm-2' ? new Promise(() => {}) : undefined)
    await publishTogether(bus, one('m-1'), one('m-2'), one('m-3'))
    await bus.pass(100_000)
    expect(bus.seen.applied).to.deep.equal(['m-1', 'm-3'])
    const [letter] = await bus.dead()
    expect(letter?.error).to.include('apply of test.merged did not finish within')
  })

  it('shows what is being applied, and what waits for its next attempt', async () => {
    const bus = await subject()
    let goOn = () => {}
    bus.seen.before = () =>
      new Promise<void>((resolve) => {
        goOn = resolve
      })
    bus.seen.act = failing('m-1').act
    await bus.publish(one('m-1'))
    expect(self(bus)).to.include({ pending: 1, inFlight: 1, deferred: 0 })
    goOn()
    await bus.rest()
    expect(self(bus)).to.include({ pending: 1, inFlight: 0, deferred: 1 })
  })

  it('is decided on by the taps of republish like every other delivery', async () => {
    const due: DueDelivery[] = []
    const decide = ({ deliveries }: Kernel, one: DueDelivery) => {
      const { messageId } = one.delivery.message
      if (messageId === 'm-1') deliveries.deadLetter(one, 'REJECTED')
      if (messageId === 'm-2') deliveries.retry(one, 1_000)
      if (messageId === 'm-3' && due.length < 8) deliveries.sendAgain([one])
    }
    const deciding: Plugin = {
      name: 'deciding',
      apply: (kernel) =>
        kernel.hooks.republish.tap((all) => {
          due.push(...all)
          for (const one of all) decide(kernel, one)
        }),
    }
    const bus = await subject({ republishes: false, plugins: [deciding] })
    const { broken, act } = failing(...ids(4))
    bus.seen.act = act
    await bus.publish(...ids(4).map((id) => one(id)))
    await bus.rest()
    expect(due.slice(0, 4).map(({ cause, recipient, plugin }) => [cause, recipient.name, plugin?.name])).to.deep.equal(
      ids(4).map(() => ['nack', '@self', 'applying']),
    )
    expect((await bus.dead()).map(({ reason, plugin }) => [reason, plugin])).to.deep.equal([['REJECTED', 'applying']])
    broken.clear()
    await bus.pass(1_000)
    expect(bus.seen.applied).to.deep.equal(['m-2'])
    await bus.pass(RETRY_DELAY_MS)
    expect(bus.seen.applied, 'nobody has decided on those').to.deep.equal(['m-2', 'm-3', 'm-4'])
    expect(bus.sums('@self')).to.include({ acked: 3, dead: 1, pending: 0 })
  })

  it('says what went wrong without any value', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    bus.seen.act = ({ body }) => {
      throw new Error(`WRONGTYPE for "${(body as { value: { iban: string } }).value.iban}" and 4711 at Secret-word`)
    }
    const value = { iban: 'DE02 1203 0000', amount: 4711, note: ['secret-WORD'] }
    await bus.publish({ ...one('m-1'), value })
    await bus.pass(10)
    expect((await bus.dead())[0]?.error).to.equal('WRONGTYPE for "…" and … at …')
  })
})

describe('while the state is away', () => {
  it('nothing counts, everything waits, readiness says so; it goes on by itself, in order', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    bus.runtime.chance = 1 - Number.EPSILON
    bus.seen.before = () => {
      throw AWAY()
    }
    await bus.publish(one('m-1'), strict('m-2', 'a'))
    await bus.publish(strict('m-3', 'a'), one('m-4'))
    expect(isReady(bus)).to.equal(false)
    expect(self(bus)).to.include({ pending: 4, inFlight: 0, deferred: 0 })
    await bus.pass(3_600_000)
    const calls = bus.seen.calls.length
    expect(calls).to.be.within(60, 70)
    expect(await bus.attempts('@self')).to.include({ sends: 0, nacks: 0 })
    bus.seen.before = () => undefined
    await bus.pass(BACKOFF_CAP_MS)
    expect(bus.seen.applied).to.deep.equal(ids(4))
    expect(isReady(bus)).to.equal(true)
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 4, acked: 4 })
  })

  it('waits longer with each attempt, and quickly again after the next outage', async () => {
    const bus = await subject()
    bus.runtime.chance = 1 - Number.EPSILON
    bus.seen.before = () => {
      throw AWAY()
    }
    await bus.publish(one('m-1'))
    const calls = async (passed: number) => {
      await bus.pass(passed)
      return bus.seen.calls.length
    }
    expect([await calls(RETRY_DELAY_MS - 10), await calls(20)]).to.deep.equal([1, 2])
    expect([await calls(2 * RETRY_DELAY_MS - 20), await calls(20)]).to.deep.equal([2, 3])
    bus.seen.before = () => undefined
    expect(await calls(BACKOFF_CAP_MS)).to.equal(4)
    bus.seen.before = () => {
      throw AWAY()
    }
    await bus.publish(one('m-2'))
    expect([await calls(RETRY_DELAY_MS - 10), await calls(20)]).to.deep.equal([5, 6])
  })

  it('sees through what a plugin wraps around the error, and burns nothing in the middle of a split run', async () => {
    const bus = await subject({ maxRepublishAttempts: 0 })
    const { broken, act } = failing('m-3')
    let away = true
    bus.seen.act = (message) => {
      act(message)
      if (away && message.messageId === 'm-2') throw new Error('could not write', { cause: AWAY() })
    }
    await publishTogether(bus, ...ids(4).map((id) => one(id)))
    expect(await bus.dead()).to.deep.equal([])
    expect(isReady(bus)).to.equal(false)
    away = false
    broken.clear()
    await bus.pass(RETRY_DELAY_MS)
    expect([...new Set(bus.seen.applied)]).to.deep.equal(ids(4))
    expect(bus.sums('@self')).to.include({ acked: 5, pending: 0, dead: 0 })
  })

  it('nothing counts either when it is closed while the instance ends', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const seen = applying()
    let fail = (_error: Error) => {}
    seen.before = () =>
      new Promise<void>((_, reject) => {
        fail = reject
      })
    const before = await subject({ store, runtime, maxRepublishAttempts: 0 }, seen)
    await before.publish(one('m-1'))
    await before.end()
    fail(new Error('it is not open'))
    await before.rest()
    expect(runtime.timers, 'nobody tries to write it down').to.deep.equal([])
    seen.before = () => undefined
    const after = await subject({ store, runtime }, seen)
    await after.pass(10)
    expect(seen.applied).to.deep.equal(['m-1'])
    expect(after.sums('@self')).to.deep.equal({ ...none, targeted: 1, acked: 1 })
  })

  it('survives a restart', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const seen = applying()
    seen.before = () => {
      throw AWAY()
    }
    const before = await subject({ store, runtime }, seen)
    await before.publish(one('m-1'), one('m-2'))
    await before.end()
    seen.before = () => undefined
    const after = await subject({ store, runtime }, seen)
    await after.rest()
    expect(seen.applied).to.deep.equal(['m-1', 'm-2'])
    expect(isReady(after)).to.equal(true)
  })
})

describe('waiting for what is pending to be applied', () => {
  async function held() {
    const bus = await subject()
    let goOn = () => {}
    bus.seen.before = () =>
      new Promise<void>((resolve) => {
        goOn = resolve
      })
    await bus.publish(one('m-1', 'a'))
    await bus.publish(one('m-2', 'b'))
    bus.seen.before = () => undefined
    const asked = (wish?: { key?: string; withinMs?: number }) => {
      const answer: { applied: boolean | undefined } = { applied: undefined }
      void bus.seen.kernel.selfApplied(wish).then((applied) => {
        answer.applied = applied
      })
      return answer
    }
    return Object.assign(bus, { asked, goOn: () => goOn() })
  }

  it('ends when it is: the one of that key, or all', async () => {
    const bus = await held()
    const answers = [bus.asked({ key: 'a' }), bus.asked({ key: 'b' }), bus.asked()]
    await bus.rest()
    expect(answers.map(({ applied }) => applied)).to.deep.equal([undefined, undefined, undefined])
    bus.goOn()
    await bus.rest()
    expect(answers.map(({ applied }) => applied)).to.deep.equal([true, true, true])
  })

  it('takes no time for a key of which nothing waits', async () => {
    const bus = await held()
    const answer = bus.asked({ key: 'c' })
    await bus.rest()
    expect(answer.applied).to.equal(true)
  })

  it('is in vain when its time is over', async () => {
    const bus = await held()
    const answer = bus.asked({ key: 'a', withinMs: 100 })
    await bus.pass(99)
    expect(answer.applied).to.equal(undefined)
    await bus.pass(1)
    expect(answer.applied).to.equal(false)
  })

  it('does not wait for what comes later', async () => {
    const bus = await held()
    const answer = bus.asked({ key: 'a' })
    await bus.rest()
    bus.seen.act = ({ messageId }) => (messageId === 'm-3' ? new Promise(() => {}) : undefined)
    await bus.publish(strict('m-3', 'a'))
    bus.goOn()
    await bus.rest()
    expect(bus.seen.calls.at(-1)).to.deep.equal(['m-3'])
    expect(answer.applied).to.equal(true)
  })

  it('waits for no message that is put aside', async () => {
    const bus = await held()
    bus.seen.act = failing('m-2').act
    const answer = bus.asked({ key: 'b' })
    bus.goOn()
    await bus.rest()
    expect(answer.applied).to.equal(true)
  })

  it('waits for what a restart has found', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const seen = applying()
    seen.before = () => {
      throw AWAY()
    }
    const before = await subject({ store, runtime }, seen)
    await before.publish(one('m-1', 'a'))
    await before.end()
    const after = await subject({ store, runtime }, seen)
    const waiting = seen.kernel.selfApplied({ key: 'a' })
    await after.pass(1_000)
    seen.before = () => undefined
    await after.pass(RETRY_DELAY_MS)
    expect(await waiting).to.equal(true)
    expect(seen.applied).to.deep.equal(['m-1'])
  })

  it('sees what was acknowledged, though it is asked while its group is still under way', async () => {
    const answers: boolean[] = []
    const reading: Plugin = {
      name: 'reading',
      apply: (kernel) =>
        kernel.hooks.ack.tap(() => {
          const asked = kernel.selfApplied({ key: 'z', withinMs: 500 })
          void asked.then((applied) => answers.push(applied))
        }),
    }
    const bus = await subject({ plugins: [reading] })
    bus.seen.act = () => new Promise(() => {})
    await bus.publish(one('m-1', 'z'))
    await bus.pass(499)
    expect(answers).to.deep.equal([])
    await bus.pass(1)
    expect(answers).to.deep.equal([false])
  })
})
