import { expect } from 'chai'
import type { Attempts, Kernel, LogFields, Plugin } from '../../../core/index.ts'
import { circuitBreaker } from '../../../plugins/delivery/circuit-breaker.ts'
import { setArray } from '../../../plugins/messages/sa.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { applying } from '../../core/applying.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { type Answer, type Answers, type BenchOptions, bench, RETRY_DELAY_MS } from './support.ts'

const HOUR_MS = 60 * 60 * 1_000
/** Chance is 0 here, so every delay is half of what it could be. */
const FIRST_PROBE_MS = RETRY_DELAY_MS / 2
const LAST_PROBE_MS = 30_000
const DOWN: Answer = { code: 'INTERNAL', retryable: true }
const acks: Answers = () => 'ACK'
const down: Answers = () => DOWN
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `m-${from + at}`)
const sa = (messageId: string) => ({ type: 'SA', messageId, key: messageId, value: [] })

/** A bus with a circuit breaker, loaded behind `republish`: where it stands must not matter. */
async function breakerBench({ plugins = [], ...options }: BenchOptions = {}) {
  let kernel: Kernel | undefined
  const records: { readonly event: string; readonly fields: LogFields }[] = []
  const spy: Plugin = {
    name: 'spy',
    apply(given) {
      kernel = given
      given.logSink((_, event, fields) => void records.push({ event, fields }))
    },
  }
  const subject = await bench({ ...options, plugins: [circuitBreaker(), setArray(), spy, ...plugins] })
  const circuits = () => (kernel as Kernel).use('circuits')
  const states = () => circuits().open.map(({ recipient, type, state }) => `${recipient.name} ${type} ${state}`)
  const logged = (event: string) => records.filter((one) => one.event === event).map(({ fields }) => fields)
  return Object.assign(subject, { circuits, states, logged, kernel: () => kernel as Kernel })
}

type Subject = Awaited<ReturnType<typeof breakerBench>>

/** What is counted on disk of everything that waits for the application, by message. */
async function onDisk({ store }: Subject, name = 'app'): Promise<Readonly<Record<string, Attempts>>> {
  const record = { role: 'client', tags: [], clusterGroupId: undefined, url: undefined, lastSeenAt: 0 } as const
  const key = await store.saveRecipient({ name, ...record })
  const all = await store.pending(key, [], { messages: 100_000, bytes: Number.POSITIVE_INFINITY })
  return Object.fromEntries(all.map(({ message, attempts }) => [message.messageId, attempts]))
}

/** An application whose handler of SK is down until the test says otherwise. */
function failing() {
  const handler = { down: true }
  const answers: Answers = (id) => (handler.down && id.startsWith('m-') ? DOWN : 'ACK')
  return Object.assign(handler, { answers })
}

describe('a circuit breaker', () => {
  describe('opens', () => {
    it('when five different messages of a type have failed in a row, and sends no others', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', down)
      await subject.publish(...ids(1, 4))
      expect(subject.states()).to.deep.equal([])
      await subject.publish('m-5', 'm-6')
      expect(subject.states()).to.deep.equal(['app SK open'])
      await subject.publish(...ids(7, 100))
      expect(app.got).to.deep.equal(ids(1, 6))
      expect(subject.logged('circuit opened')).to.deep.equal([{ recipient: 'app', type: 'SK', count: 5 }])
      expect(subject.circuits().openings).to.equal(1)
    })

    it('by timeouts as by refusals', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (id) => (id === 'other' ? 'ACK' : undefined))
      await subject.publish(...ids(1, 5), sa('other'))
      await subject.pass(RETRY_DELAY_MS)
      expect(subject.states()).to.deep.equal(['app SK open'])
      expect(app.got).to.deep.equal([...ids(1, 5), 'other'])
    })

    it('after as many failures as it is told', async () => {
      expect(circuitBreaker({ failures: 2 }).options).to.deep.equal({ failures: 2 })
      const subject = await bench({ plugins: [circuitBreaker({ failures: 2 })] })
      const app = await subject.connect('app', down)
      await subject.publish('m-1')
      await subject.publish('m-2')
      await subject.publish('m-3')
      expect(app.got).to.deep.equal(ids(1, 2))
    })

    it('not when one of the type was acknowledged in between', async () => {
      const subject = await breakerBench()
      await subject.connect('app', (id) => (id === 'm-5' ? 'ACK' : DOWN))
      await subject.publish(...ids(1, 9))
      expect(subject.states()).to.deep.equal([])
      await subject.publish('m-10')
      expect(subject.states()).to.deep.equal(['app SK open'])
    })

    it('though messages of other types are acknowledged in between', async () => {
      const subject = await breakerBench()
      await subject.connect('app', failing().answers)
      for (const id of ids(1, 5)) await subject.publish(id, sa(`other-${id}`))
      expect(subject.states()).to.deep.equal(['app SK open'])
    })

    it('never by one message that fails alone: it is a dead letter after as many attempts as ever', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (id) => (id === 'm-1' ? DOWN : 'ACK'))
      await subject.publish('m-1')
      await subject.pass(HOUR_MS)
      expect(app.got).to.deep.equal(['m-1', 'm-1', 'm-1', 'm-1'])
      expect((await subject.dead()).map(({ messageId, reason }) => `${messageId} ${reason}`)).to.deep.equal([
        'm-1 ATTEMPTS_EXHAUSTED',
      ])
      expect(subject.circuits().openings).to.equal(0)
    })

    it('never by one message, however often it may fail', async () => {
      const subject = await breakerBench({ maxRepublishAttempts: 20 })
      const app = await subject.connect('app', down)
      await subject.publish('m-1')
      await subject.pass(HOUR_MS)
      expect(app.got).to.have.length(21)
      expect(subject.sums()).to.include({ dead: 1 })
      expect(subject.circuits().openings).to.equal(0)
    })

    it('never by refusals for good, and never because a recipient is busy, silent or away', async () => {
      const subject = await breakerBench()
      const rejecting = await subject.connect('rejecting', () => ({ code: 'INVALID_MESSAGE', retryable: false }))
      await subject.connect('busy', () => ({ code: 'BUSY', retryable: true, retryAfterMs: 1_000 }))
      const gone = await subject.connect('gone')
      await subject.connect('silent')
      await subject.publish(...ids(1, 20))
      gone.close()
      await subject.pass(3 * RETRY_DELAY_MS)
      expect(rejecting.got).to.deep.equal(ids(1, 20))
      expect(subject.sums('rejecting')).to.include({ dead: 20 })
      expect(subject.circuits().openings).to.equal(0)
    })
  })

  describe('while it is open', () => {
    it('lets hours pass and burns nothing: counts on disk are what they were, and nothing is a dead letter', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', down)
      await subject.publish(...ids(1, 20))
      const before = await onDisk(subject)
      expect(Object.values(before).map(({ nacks }) => nacks)).to.deep.equal([1, 1, 1, 1, ...Array(16).fill(0)])
      await subject.pass(6 * HOUR_MS)
      expect(await onDisk(subject)).to.deep.equal(before)
      expect(await subject.dead()).to.deep.equal([])
      expect(subject.sums()).to.include({ targeted: 20, pending: 20 })
      const probes = app.got.length - 20
      expect(probes).to.be.within(3, (6 * HOUR_MS) / LAST_PROBE_MS + 3)
      expect(subject.circuits().openings).to.equal(1)
    })

    it('counts nothing of what was in flight when it opened, and fails after', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app')
      await subject.publish(...ids(1, 64))
      for (const id of ids(1, 64)) app.nack(id, DOWN)
      await subject.rest()
      const counted = Object.entries(await onDisk(subject)).filter(([, { nacks }]) => nacks > 0)
      expect(counted.map(([id]) => id)).to.deep.equal(ids(1, 4))
      expect(subject.sums()).to.include({ pending: 64, dead: 0 })
    })

    it('holds up no other type and no other recipient', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', failing().answers)
      const other = await subject.connect('other', acks)
      await subject.publish(...ids(1, 10))
      await subject.publish(sa('free-1'), { type: 'test.strict', messageId: 'free-2', key: 'k' }, 'm-11')
      expect(app.got.slice(-2)).to.deep.equal(['free-1', 'free-2'])
      await subject.pass(10)
      expect(subject.sums()).to.include({ acked: 2, pending: 11 })
      expect(other.got).to.have.length(13)
      expect(subject.sums('other')).to.include({ acked: 13, pending: 0 })
      expect(subject.states()).to.deep.equal(['app SK open'])
    })

    it('stays open over a lost link, and sends nothing of the type on the next one', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', down)
      await subject.publish(...ids(1, 10))
      app.close()
      await subject.rest()
      const again = await subject.connect('app', acks)
      await subject.publish('m-11', sa('other'))
      expect(again.got).to.deep.equal(['other'])
      expect(subject.states()).to.deep.equal(['app SK open'])
      await subject.pass(FIRST_PROBE_MS)
      expect(again.got.slice(1).sort()).to.deep.equal([...ids(1, 11)].sort())
    })

    it('begins closed after a restart, and what waited goes', async () => {
      const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
      const before = await breakerBench({ store, runtime })
      await before.connect('app', down)
      await before.publish(...ids(1, 30))
      await before.pass(LAST_PROBE_MS)
      await before.end()
      const after = await breakerBench({ store, runtime })
      const app = await after.connect('app', acks)
      await after.pass(RETRY_DELAY_MS)
      expect(app.got).to.deep.equal(ids(1, 30))
      expect(after.sums()).to.include({ acked: 30, pending: 0, dead: 0 })
    })

    it('closes when the recipient acknowledges late what it had been sent', async () => {
      const subject = await breakerBench()
      const timers = subject.runtime.timers.length
      const app = await subject.connect('app', (id) => (id === 'other' ? 'ACK' : undefined))
      await subject.publish(...ids(1, 6), sa('other'))
      await subject.pass(RETRY_DELAY_MS + 1)
      expect(subject.states()).to.deep.equal(['app SK open'])
      app.ack('m-6')
      await subject.rest()
      expect(subject.states()).to.deep.equal([])
      expect(app.got.slice(7)).to.deep.equal(['m-5'])
      app.ack(...ids(1, 5))
      await subject.pass(10)
      expect(subject.sums()).to.include({ acked: 7, pending: 0 })
      expect(subject.runtime.timers.filter((left) => left < LAST_PROBE_MS)).to.have.length.at.most(timers)
    })

    it('leaves no timer behind, whether the bus stops or the recipient is forgotten', async () => {
      const runtime = new ManualRuntime()
      const stopping = await breakerBench({ runtime })
      await stopping.connect('app', down)
      await stopping.publish(...ids(1, 10))
      await stopping.end()
      expect(runtime.timers).to.deep.equal([])

      const subject = await breakerBench()
      const timers = subject.runtime.timers.length
      await subject.connect('app', down)
      await subject.publish(...ids(1, 10))
      const forgetting = subject.kernel().forget('app')
      await subject.rest()
      expect(await forgetting).to.equal(true)
      await subject.pass(HOUR_MS)
      expect(subject.states()).to.deep.equal([])
      expect(subject.runtime.timers).to.have.length(timers)
    })
  })

  describe('when it is half-open', () => {
    it('has sent exactly one, however long that takes to be answered', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (_, before) => (before < 10 ? DOWN : undefined))
      await subject.publish(...ids(1, 10))
      await subject.publish(...ids(11, 30))
      await subject.pass(FIRST_PROBE_MS - 1)
      expect(app.got).to.have.length(10)
      await subject.pass(1)
      expect(app.got).to.deep.equal([...ids(1, 10), 'm-5'])
      expect(subject.states()).to.deep.equal(['app SK half-open'])
      await subject.pass(RETRY_DELAY_MS - 1)
      expect(app.got).to.have.length(11)
    })

    it('goes on waiting for its probe though others fail that were in flight before', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app')
      await subject.publish(...ids(1, 10))
      for (const id of ids(1, 5)) app.nack(id, DOWN)
      await subject.pass(FIRST_PROBE_MS)
      expect(app.got.slice(10)).to.deep.equal(['m-5'])
      for (const id of ids(6, 10)) app.nack(id, DOWN)
      await subject.rest()
      expect(subject.states()).to.deep.equal(['app SK half-open'])
      app.nack('m-5', DOWN)
      await subject.rest()
      expect(subject.states()).to.deep.equal(['app SK open'])
      expect(app.got).to.have.length(11)
    })

    it('waits twice as long after each probe that fails, a minute at most, and tries another message each time', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', down)
      await subject.publish(...ids(1, 5))
      await subject.publish(...ids(6, 20))
      const probes: string[] = []
      for (const delay of [2_500, 5_000, 10_000, 20_000, 30_000, 30_000]) {
        await subject.pass(delay - 1)
        expect(app.got.length).to.equal(5 + probes.length)
        await subject.pass(1)
        expect(app.got.length).to.equal(6 + probes.length)
        probes.push(app.got.at(-1) as string)
      }
      expect(probes).to.deep.equal(ids(5, 10))
    })

    it('closes with the first acknowledgement, and all goes in its old order', async () => {
      const subject = await breakerBench()
      const handler = failing()
      const app = await subject.connect('app', handler.answers)
      await subject.publish(...ids(1, 5))
      await subject.publish(...ids(6, 300))
      handler.down = false
      await subject.pass(FIRST_PROBE_MS)
      await subject.pass(10)
      expect(app.got.slice(5)).to.deep.equal(['m-5', ...ids(1, 4), ...ids(6, 300)])
      expect(subject.sums()).to.include({ targeted: 300, acked: 300, pending: 0 })
      expect(subject.states()).to.deep.equal([])
      expect(subject.logged('circuit closed')).to.deep.equal([
        { recipient: 'app', type: 'SK', count: 299, milliseconds: FIRST_PROBE_MS },
      ])
      await subject.publish('m-301')
      expect(app.got.at(-1)).to.equal('m-301')
    })

    it('closes although one of those that wait is at fault itself, which dies of its own failures then', async () => {
      const subject = await breakerBench()
      let isDown = true
      const app = await subject.connect('app', (id) => (isDown || id === 'm-5' ? DOWN : 'ACK'))
      await subject.publish(...ids(1, 10))
      isDown = false
      await subject.pass(FIRST_PROBE_MS)
      expect(app.got.at(-1)).to.equal('m-5')
      await subject.pass(HOUR_MS)
      expect(subject.sums()).to.include({ acked: 9, dead: 1, pending: 0 })
      const [letter] = await subject.dead()
      expect(letter).to.deep.include({ messageId: 'm-5', reason: 'ATTEMPTS_EXHAUSTED' })
      expect(letter?.attempts).to.include({ nacks: 4 })
    })

    it('sends the next message that comes as its probe when none waits', async () => {
      const subject = await breakerBench()
      const expiresAt = subject.runtime.now() + 1
      const app = await subject.connect('app')
      await subject.publish(...ids(1, 5).map((messageId) => ({ messageId, key: messageId, expiresAt })))
      for (const id of ids(1, 5)) app.nack(id, DOWN)
      await subject.pass(FIRST_PROBE_MS)
      expect((await subject.dead()).map(({ reason }) => reason)).to.deep.equal(Array(5).fill('EXPIRED'))
      expect(subject.states()).to.deep.equal(['app SK half-open'])
      await subject.publish('m-6', 'm-7')
      expect(app.got.slice(5)).to.deep.equal(['m-6'])
      app.ack('m-6')
      await subject.rest()
      expect(app.got.slice(5)).to.deep.equal(['m-6', 'm-7'])
    })

    it('tries another one when its probe is refused for good, which says nothing of the handler', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (id, before) => {
        if (before < 10) return DOWN
        return id === 'm-7' ? 'ACK' : { code: 'INVALID_MESSAGE', retryable: false }
      })
      await subject.publish(...ids(1, 10))
      await subject.pass(FIRST_PROBE_MS)
      expect(app.got.slice(10, 13)).to.deep.equal(['m-5', 'm-6', 'm-7'])
      expect(subject.states()).to.deep.equal([])
    })

    it('sends its probe again when the recipient is busy: that is no failure', async () => {
      const subject = await breakerBench()
      let answer: Answer = DOWN
      const app = await subject.connect('app', () => answer)
      await subject.publish(...ids(1, 10))
      answer = { code: 'BUSY', retryable: true, retryAfterMs: 7_000 }
      await subject.pass(FIRST_PROBE_MS)
      await subject.pass(6_999)
      expect(app.got.slice(10)).to.deep.equal(['m-5'])
      expect(subject.states()).to.deep.equal(['app SK half-open'])
      answer = 'ACK'
      await subject.pass(1)
      expect(app.got.slice(10, 12)).to.deep.equal(['m-5', 'm-5'])
      expect(subject.states()).to.deep.equal([])
    })

    it('sends its probe on the next link when there is none', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', down)
      await subject.publish(...ids(1, 10))
      app.close()
      await subject.pass(HOUR_MS)
      expect(subject.states()).to.deep.equal(['app SK half-open'])
      const again = await subject.connect('app')
      expect(again.got).to.deep.equal(['m-5'])
      await subject.pass(1)
      again.ack('m-5')
      await subject.rest()
      expect(again.got).to.deep.equal(['m-5', ...ids(1, 4), ...ids(6, 10)])
    })

    it('tries another message when the link was lost with the probe alone in flight', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (_, before) => (before < 10 ? DOWN : undefined))
      await subject.publish(...ids(1, 10))
      await subject.pass(FIRST_PROBE_MS)
      expect(app.got.at(-1)).to.equal('m-5')
      app.close()
      await subject.rest()
      const again = await subject.connect('app')
      expect(again.got).to.deep.equal([])
      await subject.pass(RETRY_DELAY_MS)
      expect(again.got).to.deep.equal(['m-6'])
      expect((await onDisk(subject))['m-5']).to.deep.equal({ sends: 1, nacks: 0, timeouts: 0, disconnects: 1 })
    })

    it('sends its probe again on the next link when the link was lost with others in flight', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (_, before) => (before < 10 ? DOWN : undefined))
      await subject.publish(...ids(1, 10))
      await subject.pass(FIRST_PROBE_MS)
      await subject.publish(sa('other'))
      app.close()
      await subject.rest()
      expect((await subject.connect('app')).got).to.deep.equal(['m-5', 'other'])
    })

    it('takes a probe that times out for one that failed, and counts nothing', async () => {
      const subject = await breakerBench()
      const app = await subject.connect('app', (id, before) =>
        id === 'other' ? 'ACK' : before < 10 ? DOWN : undefined,
      )
      await subject.publish(...ids(1, 10))
      const before = await onDisk(subject)
      await subject.pass(FIRST_PROBE_MS)
      await subject.publish(sa('other'))
      await subject.pass(RETRY_DELAY_MS + 1)
      expect(subject.states()).to.deep.equal(['app SK open'])
      expect(await onDisk(subject)).to.deep.equal(before)
      expect(app.got.slice(10)).to.deep.equal(['m-5', 'other'])
    })
  })

  it('drains ten thousand that wait, each once, those of each key in order', async function () {
    this.timeout(60_000)
    const subject = await breakerBench()
    const handler = failing()
    const app = await subject.connect('app', handler.answers)
    await subject.publish(...ids(1, 5))
    const all = ids(6, 10_005).map((messageId, at) => ({ messageId, key: `key-${at % 7}` }))
    for (let at = 0; at < all.length; at += 500) await subject.publish(...all.slice(at, at + 500))
    expect(app.got).to.have.length(5)
    expect(subject.sums()).to.include({ pending: 10_005 })
    handler.down = false
    await subject.pass(FIRST_PROBE_MS)
    // As it drains, more of the same come.
    await subject.publish(...ids(10_006, 10_500).map((messageId, at) => ({ messageId, key: `key-${at % 7}` })))
    while (subject.sums().pending > 0) await subject.pass(10)
    expect(app.got.slice(5)).to.deep.equal(['m-5', ...ids(1, 4), ...ids(6, 10_500)])
    expect(subject.sums()).to.deep.include({ targeted: 10_500, acked: 10_500, dead: 0 })
  })

  it('keeps strict order: of each key one is in flight, and those behind one that waits wait as well', async () => {
    const strict = (messageId: string, key: string) => ({ type: 'test.strict', messageId, key })
    const subject = await breakerBench()
    let isDown = true
    const app = await subject.connect('app', () => (isDown ? DOWN : undefined))
    await subject.publish(...['a', 'b', 'c', 'd', 'e', 'f'].map((key) => strict(`${key}-1`, key)))
    await subject.publish(...['a', 'b', 'f', 'g', 'g'].map((key, at) => strict(`${key}-${at + 2}`, key)))
    expect(subject.states()).to.deep.equal(['app test.strict open'])
    expect(app.got).to.deep.equal(['a-1', 'b-1', 'c-1', 'd-1', 'e-1', 'f-1'])
    isDown = false
    await subject.pass(FIRST_PROBE_MS)
    expect(app.got.slice(6)).to.deep.equal(['e-1'])
    app.ack('e-1')
    await subject.rest()
    expect(app.got.slice(7)).to.deep.equal(['a-1', 'b-1', 'c-1', 'd-1', 'f-1', 'g-5'])
    app.ack('a-1', 'f-1', 'g-5')
    await subject.rest()
    expect(app.got.slice(13)).to.deep.equal(['a-2', 'f-4', 'g-6'])
    app.ack('b-1', 'c-1', 'd-1')
    await subject.rest()
    app.ack('a-2', 'f-4', 'g-6', 'b-3')
    await subject.pass(10)
    expect(subject.sums()).to.include({ acked: 11, pending: 0 })
  })

  describe('of a type that this instance itself applies', () => {
    const merged = (messageId: string) => ({ type: 'test.merged', messageId, key: messageId })
    const ordered = (messageId: string, key: string) => ({ type: 'test.ordered', messageId, key })

    /** Whatever `test.merged` and `test.ordered` hand their messages to is down for these types until the test says otherwise. */
    async function withHandler(...types: readonly string[]) {
      const seen = applying()
      const broken = new Set(types)
      seen.act = ({ type }) => {
        if (broken.has(type)) throw new Error('connection refused')
      }
      return { subject: await breakerBench({ plugins: [seen.plugin] }), seen, broken }
    }

    it('opens as one of a type that others apply: nothing burns, probes go, and other types are applied', async () => {
      const { subject, seen, broken } = await withHandler('test.merged')
      await subject.publish(...ids(1, 20).map(merged))
      expect(subject.states()).to.deep.equal(['@self test.merged open'])
      const before = await onDisk(subject, '@self')
      expect(Object.values(before).filter(({ nacks }) => nacks > 0)).to.have.length(4)
      seen.calls.length = 0
      await subject.publish(...ids(21, 40).map(merged), ordered('free', 'k'))
      expect(seen.calls).to.deep.equal([['free']])
      await subject.pass(2 * HOUR_MS)
      expect(await onDisk(subject, '@self')).to.include(before)
      expect(await subject.dead()).to.deep.equal([])
      const probes = seen.calls.slice(1)
      expect(probes.every(({ length }) => length === 1)).to.equal(true)
      expect(probes.length).to.be.within(3, (2 * HOUR_MS) / LAST_PROBE_MS + 3)
      seen.applied.length = 0
      broken.clear()
      await subject.pass(LAST_PROBE_MS + 10)
      const [probe, ...rest] = seen.applied
      expect(rest).to.deep.equal(ids(1, 40).filter((id) => id !== probe))
      expect(subject.sums('@self')).to.include({ acked: 41, dead: 0, pending: 0 })
      expect(subject.states()).to.deep.equal([])
    })

    it('hands over no more of a run once it is open', async () => {
      const { subject, seen } = await withHandler('test.merged')
      let goOn = () => {}
      seen.before = () => new Promise<void>((resolve) => (goOn = resolve))
      await subject.publish(ordered('first', 'k'))
      await subject.publish(...ids(1, 256).map(merged))
      seen.before = () => undefined
      seen.calls.length = 0
      goOn()
      await subject.pass(10)
      const alone = seen.calls.filter(({ length }) => length === 1)
      expect(alone).to.deep.equal([['m-1'], ['m-2'], ['m-3'], ['m-4'], ['m-5']])
      expect(subject.sums('@self')).to.include({ pending: 256, dead: 0 })
    })

    it('keeps strict order: those behind one that waits wait as well, and all go in order', async () => {
      const { subject, seen, broken } = await withHandler('test.ordered')
      const keys = ['a', 'b', 'c', 'd', 'e']
      await subject.publish(...keys.map((key) => ordered(`${key}-1`, key)))
      expect(subject.states()).to.deep.equal(['@self test.ordered open'])
      await subject.publish(...keys.map((key) => ordered(`${key}-2`, key)), ordered('f-1', 'f'), ordered('f-2', 'f'))
      broken.clear()
      await subject.pass(RETRY_DELAY_MS)
      expect(seen.applied).to.have.length(12)
      for (const key of [...keys, 'f']) {
        const places = [1, 2].map((n) => seen.applied.indexOf(`${key}-${n}`))
        expect(places[0]).to.be.below(places[1] as number)
      }
      expect(subject.sums('@self')).to.include({ acked: 12, pending: 0 })
    })

    it('does not open when one message fails by itself', async () => {
      const { subject, seen } = await withHandler()
      seen.act = ({ messageId }) => {
        if (messageId === 'm-3') throw new Error('cannot take it')
      }
      await subject.publish(...ids(1, 10).map(merged))
      await subject.pass(HOUR_MS)
      expect(subject.circuits().openings).to.equal(0)
      expect(subject.sums('@self')).to.include({ acked: 9, dead: 1 })
    })
  })

  describe('where very many types fail at very many recipients', () => {
    const APPLICATIONS = 10
    const typesFrom = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => `type-${from + at}`)

    const manyTypes: Plugin = {
      name: 'many-types',
      apply(kernel) {
        for (const type of ['first', ...typesFrom(1, 100), 'late'])
          kernel.messageType(type, { schema: { type: 'object', required: [], properties: {} } })
      },
    }

    async function withManyTypes() {
      const subject = await breakerBench({ plugins: [manyTypes] })
      for (let n = 0; n < APPLICATIONS; n++) await subject.connect(`app-${n}`, down)
      let n = 0
      const fail = async (types: readonly string[], times = 1) => {
        const messages = Array.from({ length: times }, () => types).flat()
        await subject.publish(...messages.map((type) => ({ type, messageId: `m-${++n}` })))
        while (subject.bus.recipients().some(({ inFlight }) => inFlight > 0)) await subject.rest()
      }
      const open = () => subject.circuits().open.map(({ type }) => type)
      return { subject, fail, open }
    }

    it('keeps a thousand in mind, and forgets those first that began to fail first', async () => {
      const { fail, open } = await withManyTypes()
      await fail(['first'], 4)
      await fail(typesFrom(2, 100), 4)
      await fail(['late'], 4)
      await fail(['first'])
      expect(open()).to.deep.equal([])
      await fail(['late'])
      expect(open()).to.deep.equal(Array(APPLICATIONS).fill('late'))
    })

    it('opens a thousand circuits; what fails beyond those burns as it would without', async () => {
      const { subject, fail, open } = await withManyTypes()
      await fail(typesFrom(1, 100), 5)
      expect(open()).to.have.length(1_000)
      await fail(['late'], 5)
      expect(open()).to.have.length(1_000).and.not.include('late')
      await subject.pass(HOUR_MS / 20)
      expect(new Set((await subject.dead()).map(({ type }) => type))).to.deep.equal(new Set(['late']))
    }).timeout(60_000)
  })

  it('goes on though the store cannot be read when a probe is to go, and when it drains', async () => {
    const store = new MemoryStore()
    const subject = await breakerBench({ store })
    const handler = failing()
    const app = await subject.connect('app', handler.answers)
    await subject.publish(...ids(1, 200))
    const recall = store.recall.bind(store)
    let reads = 0
    store.recall = async (...asked) => {
      if (++reads % 2 === 1) throw new Error('the disk has gone away')
      return recall(...asked)
    }
    handler.down = false
    await subject.pass(10 * RETRY_DELAY_MS)
    expect(reads).to.be.greaterThan(4)
    expect(subject.sums()).to.include({ acked: 200, pending: 0 })
    expect(new Set(app.got.slice(64))).to.have.property('size', 200)
  })

  it('goes on behind one that waited and is gone from the store', async () => {
    const store = new MemoryStore()
    const subject = await breakerBench({ store })
    const handler = failing()
    const app = await subject.connect('app', handler.answers)
    await subject.publish(...ids(1, 5))
    await subject.publish(...ids(6, 100))
    const recall = store.recall.bind(store)
    // What is altered on disk is not given.
    store.recall = async (...asked) =>
      (await recall(...asked)).filter(({ message }) => !['m-5', 'm-77'].includes(message.messageId))
    handler.down = false
    await subject.pass(FIRST_PROBE_MS)
    await subject.pass(10)
    expect(app.got.slice(5)).to.deep.equal(['m-6', ...ids(1, 4), ...ids(7, 76), ...ids(78, 100)])
    expect(subject.bus.recipients().find(({ name }) => name === 'app')).to.include({ pending: 0 })
  })
})
