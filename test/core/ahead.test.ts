import { expect } from 'chai'
import { Ahead } from '../../core/ahead.ts'
import { Applier } from '../../core/applier.ts'
import { Guard } from '../../core/guard.ts'
import { createHooks } from '../../core/hooks.ts'
import { HybridClock, MAX_CLOCK_AHEAD_MS } from '../../core/hybrid-clock.ts'
import { DEFAULT_PRIORITY, type DueDelivery, type LanePlaces, type Store } from '../../core/index.ts'
import { SelfRecipient } from '../../core/self.ts'
import { Lateness } from '../../core/state/lateness.ts'
import { TypeRegistry } from '../../core/type-registry.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { type BenchOptions, bench } from '../plugins/delivery/support.ts'
import { applying } from './applying.ts'
import { ManualRuntime, settle } from './manual-runtime.ts'
import { delivery, RecordingLog } from './support.ts'

const NOW = 1_700_000_000_000
const HOUR_MS = 3_600_000
const YEAR_2286 = '9999999999999-99999-far'
const none = { acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

const stamp = (milliseconds: number, counter = 0, who = 'far') =>
  `${milliseconds}-${String(counter).padStart(5, '0')}-${who}`
const ahead = (by: number, counter?: number) => stamp(NOW + by, counter)
const one = (messageId: string, version?: string, members: object = {}) => ({
  ...{ type: 'test.merged', messageId, key: messageId },
  ...(version !== undefined && { version }),
  ...members,
})

/** A message that another instance has let in. */
const foreign = (n: number, version: string, members: object = {}) => ({
  ...one(`f-${n}`, version, members),
  ...{ originInstanceId: 'far', originSequence: `e.${n}`, sourceInstanceId: 'far', messagePath: ['far'] },
})

async function subject(options: BenchOptions = {}, seen = applying()) {
  return Object.assign(await bench({ ...options, plugins: [seen.plugin] }), { seen })
}

type Subject = Awaited<ReturnType<typeof subject>>

const self = ({ bus }: Subject) => bus.recipients().find(({ name }) => name === '@self')

/** The stamp that the instance gives now. */
async function stampOf(bus: Subject): Promise<string> {
  let version: string | undefined
  bus.seen.act = (message) => {
    if (message.messageId.startsWith('probe')) version = message.version
  }
  await bus.publish(one(`probe-${bus.seen.applied.length}`))
  return version ?? 'none'
}

describe('a message whose stamp is ahead of time', () => {
  it('is stored, acknowledged and forwarded, and applied when it is due', async () => {
    const bus = await subject()
    const app = await bus.connect('app', () => 'ACK')
    const [answer] = await bus.relay('far', foreign(1, ahead(HOUR_MS)))
    expect(answer).to.include({ type: 'ACK', status: 'stored', recipients: 2 })
    expect(app.got).to.deep.equal(['f-1'])
    expect(self(bus)).to.include({ pending: 1, inFlight: 0, deferred: 1 })
    await bus.pass(HOUR_MS - MAX_CLOCK_AHEAD_MS - 1)
    expect(bus.seen.applied).to.deep.equal([])
    await bus.pass(1)
    expect(bus.seen.applied).to.deep.equal(['f-1'])
    await bus.pass(10)
    expect(self(bus)).to.include({ pending: 0, deferred: 0 })
    expect(bus.sums('@self')).to.deep.equal({ ...none, targeted: 1, acked: 1 })
  })

  it('is applied at once when it is ahead by no more than the bound', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1, ahead(MAX_CLOCK_AHEAD_MS)))
    expect(bus.seen.applied).to.deep.equal(['f-1'])
    await bus.relay('far', foreign(2, ahead(MAX_CLOCK_AHEAD_MS + 1)))
    expect(bus.seen.applied).to.deep.equal(['f-1'])
  })

  it('is held alike when its publisher stamped it', async () => {
    const bus = await subject()
    await bus.publish(one('m-1', ahead(HOUR_MS)))
    expect(self(bus)).to.include({ pending: 1, deferred: 1 })
    await bus.pass(HOUR_MS)
    expect(bus.seen.applied).to.deep.equal(['m-1'])
  })

  it('holds up nobody, not even of its own key', async () => {
    const bus = await subject()
    await bus.publish(one('m-1', ahead(HOUR_MS), { key: 'k' }), one('m-2', undefined, { key: 'k' }))
    await bus.publish({ ...one('m-3', YEAR_2286), type: 'test.ordered', key: 's' })
    await bus.publish({ ...one('m-4'), type: 'test.ordered', key: 's' })
    expect(bus.seen.applied).to.deep.equal(['m-2', 'm-4'])
  })

  it('drags no clock along, until it is due', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1, ahead(HOUR_MS)))
    await bus.publish(one('m-1', ahead(HOUR_MS, 1)))
    expect(await stampOf(bus)).to.equal(stamp(NOW, 0, 'bus'))
    await bus.pass(HOUR_MS - MAX_CLOCK_AHEAD_MS)
    expect(await stampOf(bus)).to.equal(stamp(NOW + HOUR_MS, 2, 'bus'))
  })

  it('comes after others of its time in the order of their stamps, many at once', async () => {
    const bus = await subject()
    const messages = Array.from({ length: 300 }, (_, n) => foreign(n + 1, ahead(HOUR_MS, n)))
    await bus.relay('far', foreign(901, ahead(2 * HOUR_MS)), ...messages, foreign(902, ahead(HOUR_MS - 1)))
    await bus.pass(HOUR_MS)
    expect(bus.seen.applied).to.deep.equal(['f-902', ...messages.map(({ messageId }) => messageId)])
    expect(self(bus)?.deferred).to.equal(1)
  })

  it('waits on across a restart; neither that nor the year 2286 poisons the clock', async () => {
    const [store, runtime, seen] = [new MemoryStore(), new ManualRuntime(NOW), applying()]
    const before = await subject({ store, runtime }, seen)
    await before.relay('far', foreign(1, ahead(HOUR_MS)), foreign(2, YEAR_2286))
    await before.publish(one('m-1', YEAR_2286))
    await before.end()
    const after = await subject({ store, runtime }, seen)
    await after.rest()
    expect(seen.applied).to.deep.equal([])
    expect(self(after)).to.include({ pending: 3, deferred: 3 })
    expect(Number((await stampOf(after)).slice(0, 13))).to.be.within(NOW, NOW + 1_000)
    await after.pass(HOUR_MS)
    expect(seen.applied.slice(1)).to.deep.equal(['f-1'])
    expect(self(after)).to.include({ pending: 2, deferred: 2 })
  })

  it('is a dead letter once it has expired', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1, YEAR_2286, { expiresAt: NOW + 5_000 }))
    await bus.pass(4_999)
    expect(await bus.dead()).to.deep.equal([])
    await bus.pass(10)
    expect((await bus.dead()).map(({ reason, recipient }) => [reason, recipient])).to.deep.equal([['EXPIRED', '@self']])
    expect(self(bus)).to.include({ pending: 0, deferred: 0 })
  })

  it('is noticed to be due within seconds when the wall clock is set forward', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1, ahead(HOUR_MS)))
    bus.runtime.step(HOUR_MS)
    await bus.pass(10_000)
    expect(bus.seen.applied).to.deep.equal(['f-1'])
  })
})

describe('an instance whose wall clock is set back by an hour', () => {
  it('goes on with its stamps, and applies what it stamps', async () => {
    const bus = await subject()
    await bus.publish(one('m-1'))
    bus.runtime.step(-HOUR_MS)
    await bus.publish(one('m-2'))
    expect(bus.seen.applied).to.deep.equal(['m-1', 'm-2'])
    expect(await stampOf(bus)).to.equal(stamp(NOW, 2, 'bus'))
  })

  it('does so after a restart, too', async () => {
    const [store, runtime, seen] = [new MemoryStore(), new ManualRuntime(NOW), applying()]
    const before = await subject({ store, runtime }, seen)
    await before.publish(one('m-1'))
    await before.end()
    runtime.step(-HOUR_MS)
    const after = await subject({ store, runtime }, seen)
    expect((await stampOf(after)) > stamp(NOW, 0, 'bus')).to.equal(true)
    expect(seen.applied).to.have.length(2)
  })

  it('still takes what others stamp who are right, and holds what is ahead of them', async () => {
    const bus = await subject()
    await bus.publish(one('m-1'))
    bus.runtime.step(-HOUR_MS)
    await bus.relay('far', foreign(1, ahead(30_000)), foreign(2, ahead(MAX_CLOCK_AHEAD_MS + 1_000)))
    expect(bus.seen.applied).to.deep.equal(['m-1', 'f-1'])
  })
})

describe('of messages whose stamps are ahead of time', () => {
  const LIMIT = 100_000

  /** `@self` of a store in which that many wait, all of them ahead of time. */
  function inboxOf(count: number) {
    const [hooks, types, runtime, log] = [createHooks(), new TypeRegistry(), new ManualRuntime(NOW), new RecordingLog()]
    const due: DueDelivery[] = []
    const decided = new WeakSet<DueDelivery>()
    hooks.republish.tap('test', (some) => {
      due.push(...some)
      for (const one of some) decided.add(one)
    })
    const guard = new Guard(runtime, 1_000, () => {})
    const waiting = (after: number) =>
      Array.from({ length: Math.min(256, count - after) }, (_, n) =>
        delivery(after + n + 1, { version: ahead(HOUR_MS) }),
      )
    const pending = async (_key: number, after: LanePlaces) => waiting(after[DEFAULT_PRIORITY] ?? 0)
    const store = { pending } as unknown as Store
    const self = new SelfRecipient(1, count, [], {
      ...{ store, hooks, types, runtime, log, guard, retryDelayMs: 5_000, decided },
      applier: new Applier({ types, hooks, guard, state: undefined, lateness: new Lateness(), fail: () => {} }),
      clock: new HybridClock(runtime, 'here'),
      mayDeliver: () => true,
      settle: () => {},
    })
    return { self, due }
  }

  it('a hundred thousand wait for their time; whatever exceeds that is refused, to be replayed later', async () => {
    const { self, due } = inboxOf(LIMIT + 3)
    self.outbox.pump()
    while (due.length < 3) await settle()
    expect(self).to.include({ pending: LIMIT + 3, deferred: LIMIT })
    expect(due.map(({ cause }) => cause)).to.deep.equal(['rejection', 'rejection', 'rejection'])
    expect(due[0]?.error).to.include('replay')
    self.outbox.close()
  })
})

describe('the places of what is ahead', () => {
  it('are given in the order of their times, as many as are wanted', () => {
    const places = new Ahead()
    for (const [seq, dueAt] of [
      [1, 30],
      [2, 10],
      [3, 20],
      [4, 10],
    ] as const)
      places.add(delivery(seq), dueAt)
    places.add(delivery(5, { expiresAt: 15 }), 1_000)
    expect(places.nextAt).to.equal(10)
    expect(places.takeDue(9, 10)).to.deep.equal([])
    expect(places.takeDue(20, 3)).to.deep.equal([2, 4, 5])
    expect(places.takeDue(20, 3)).to.deep.equal([3])
    expect([places.size, places.nextAt]).to.deep.equal([1, 30])
  })

  it('are a hundred thousand at most', () => {
    const places = new Ahead()
    for (let seq = 1; seq < 100_000; seq++) places.add(delivery(seq), seq)
    expect(places.isFull).to.equal(false)
    places.add(delivery(100_000), 1)
    expect(places.isFull).to.equal(true)
  })
})
