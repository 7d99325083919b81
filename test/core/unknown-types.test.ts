import { expect } from 'chai'
import type { Plugin } from '../../core/index.ts'
import { retention } from '../../plugins/delivery/retention.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { target } from '../../plugins/routes/target.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { type BenchOptions, bench } from '../plugins/delivery/support.ts'
import { AWAY, applying } from './applying.ts'
import { ManualRuntime } from './manual-runtime.ts'

const HOUR_MS = 60 * 60 * 1_000
const MAX_TYPES = 100
const none = { acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

/** A message that another instance has let in, of a type that this one may not know. */
const foreign = (n: number, members: object = {}) => ({
  ...{ type: 'test.merged', messageId: `f-${n}`, key: 'k', orderingKey: 'k' },
  ...{ originInstanceId: 'far', originSequence: `e.${n}`, version: `1700000000000-${String(n).padStart(5, '0')}-far` },
  ...{ sourceInstanceId: 'far', messagePath: ['far'] },
  ...members,
})

/** Reads of the store that were made for each recipient. */
class WatchedStore extends MemoryStore {
  readonly reads: number[] = []

  override pending(...asked: Parameters<MemoryStore['pending']>): ReturnType<MemoryStore['pending']> {
    this.reads.push(asked[0])
    return super.pending(...asked)
  }
}

/** A bus that knows none of the types that are applied, unless it is given the plugin. */
async function subject(options: BenchOptions & { store?: WatchedStore } = {}) {
  let kernel: Parameters<Plugin['apply']>[0] | undefined
  const looking: Plugin = {
    name: 'looking',
    apply: (given) => {
      kernel = given
    },
  }
  const { store = new WatchedStore(), plugins = [], ...rest } = options
  const bus = await bench({ ...rest, store, plugins: [tags(), target(), looking, ...plugins] })
  const forget = async (name: string) => {
    const forgetting = kernel?.forget(name)
    await bus.rest()
    return forgetting
  }
  return Object.assign(bus, { store, forget })
}

type Subject = Awaited<ReturnType<typeof subject>>

const self = ({ bus }: Subject, type = 'test.merged') => bus.recipients().find(({ name }) => name === `@self:${type}`)

describe('a message of a type that nobody here knows', () => {
  it('is stored, forwarded and acknowledged, and waits on disk for the instance itself', async () => {
    const bus = await subject()
    const app = await bus.connect('app', () => 'ACK')
    const answers = await bus.relay('far', foreign(1), foreign(2))
    expect(app.got).to.deep.equal(['f-1', 'f-2'])
    expect(answers.map(({ type, status, recipients }) => [type, status, recipients])).to.deep.equal([
      ['ACK', 'stored', 2],
      ['ACK', 'stored', 2],
    ])
    expect(self(bus)).to.include({ role: 'self', connected: false, pending: 2, inFlight: 0, deferred: 0 })
    expect(bus.sums('@self:test.merged')).to.deep.equal({ ...none, targeted: 2, pending: 2 })
  })

  it('is acknowledged again with the same number when it is repeated', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1))
    const [again] = await bus.relay('near', foreign(1))
    expect(again).to.include({ type: 'ACK', status: 'duplicate', recipients: 1 })
    expect(self(bus)?.pending).to.equal(1)
  })

  it('is applied, in its order, when the instance starts with the plugin', async () => {
    const [store, runtime, seen] = [new WatchedStore(), new ManualRuntime(), applying()]
    const without = await subject({ store, runtime })
    await without.relay('far', foreign(1), foreign(2))
    await without.end()
    const within = await subject({ store, runtime, plugins: [seen.plugin] })
    await within.relay('far', foreign(3))
    await within.pass(10)
    expect(seen.applied).to.deep.equal(['f-1', 'f-2', 'f-3'])
    expect(self(within)).to.equal(undefined)
    expect(within.sums('@self')).to.deep.equal({ ...none, targeted: 3, acked: 3 })
  })

  it('is read by no start without the plugin, however many there are', async () => {
    const [store, runtime] = [new WatchedStore(), new ManualRuntime()]
    const first = await subject({ store, runtime })
    await first.relay('far', ...Array.from({ length: 600 }, (_, n) => foreign(n + 1)))
    const key = self(first)?.key as number
    await first.end()
    for (let start = 0; start < 3; start++) {
      const again = await subject({ store, runtime })
      await again.pass(1_000)
      expect(self(again)).to.include({ key, pending: 600 })
      await again.end()
    }
    expect(store.reads).not.to.include(key)
  })

  it('stays as long as it waits, whatever is purged', async () => {
    const [store, runtime, seen] = [new WatchedStore(), new ManualRuntime(), applying()]
    const without = await subject({ store, runtime })
    await without.relay('far', foreign(1))
    await without.pass(48 * HOUR_MS)
    const now = runtime.now()
    expect((await store.purge({ settledBefore: now, deadBefore: now, limit: 10 })).messages).to.equal(0)
    await without.end()
    await (await subject({ store, runtime, plugins: [seen.plugin] })).rest()
    expect(seen.applied).to.deep.equal(['f-1'])
  })

  it('is forgotten like what waits for somebody who is away for 7 days', async () => {
    const bus = await subject({ plugins: [retention()] })
    await bus.leap(24 * HOUR_MS)
    await bus.relay('far', foreign(1), foreign(2))
    await bus.leap(7 * 24 * HOUR_MS - 60_000)
    expect(self(bus)?.pending).to.equal(2)
    await bus.leap(5 * 60_000)
    expect(self(bus)).to.equal(undefined)
    const [letter] = await bus.dead()
    expect(letter).to.include({ recipient: '@self:test.merged', reason: 'RECIPIENT_FORGOTTEN', count: 2 })
    await bus.relay('far', foreign(3))
    expect(self(bus)?.pending).to.equal(1)
  })

  it('waits for nobody here when it is for others', async () => {
    const bus = await subject()
    await bus.connect('app', () => 'ACK')
    const [tagged, targeted] = await bus.relay(
      'far',
      foreign(1, { targetedTags: ['elsewhere'] }),
      foreign(2, { targetInstanceId: 'app' }),
    )
    expect([tagged?.recipients, targeted?.recipients]).to.deep.equal([0, 1])
    expect(self(bus)).to.equal(undefined)
  })

  it('waits for the instance that it names', async () => {
    const bus = await subject()
    await bus.connect('app', () => 'ACK')
    const [answer] = await bus.relay('far', foreign(1, { targetInstanceId: 'bus' }))
    expect(answer?.recipients).to.equal(1)
    expect(self(bus)?.pending).to.equal(1)
  })

  it('has one place for each type', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1), foreign(2, { type: 'test.other' }), foreign(3))
    expect([self(bus)?.pending, self(bus, 'test.other')?.pending]).to.deep.equal([2, 1])
  })

  it('is forgotten when an operator says so; what comes later waits anew', async () => {
    const bus = await subject()
    await bus.relay('far', foreign(1), foreign(2))
    expect(await bus.forget('@self:test.merged')).to.equal(true)
    expect(self(bus)).to.equal(undefined)
    const [letter] = await bus.dead()
    expect(letter).to.include({ recipient: '@self:test.merged', reason: 'RECIPIENT_FORGOTTEN', count: 2 })
    await bus.relay('far', foreign(3))
    expect(self(bus)?.pending).to.equal(1)
  })

  it('is refused where messages of too many such types wait already, but passes through to others', async () => {
    const bus = await subject()
    const app = await bus.connect('app', () => 'ACK')
    const types = Array.from({ length: MAX_TYPES }, (_, n) =>
      foreign(n + 1, { type: `type.${n}`, orderingKey: `k-${n}` }),
    )
    await bus.relay('far', ...types)
    await bus.pass(10)
    const [refused, passed, known] = await bus.relay(
      'far',
      foreign(901, { type: 'one.more' }),
      foreign(902, { type: 'one.more', targetInstanceId: 'app' }),
      foreign(903, { type: 'type.7' }),
    )
    expect(refused).to.include({ type: 'NACK', code: 'UNKNOWN_TYPE', retryable: false })
    expect([passed?.type, known?.type]).to.deep.equal(['ACK', 'ACK'])
    await bus.pass(10)
    expect(app.got.slice(MAX_TYPES)).to.deep.equal(['f-902', 'f-903'])
  })

  it('waits although its plugin was there when it was stored', async () => {
    const [store, runtime, seen] = [new WatchedStore(), new ManualRuntime(), applying()]
    const within = await subject({ store, runtime, plugins: [seen.plugin] })
    seen.before = () => {
      throw AWAY()
    }
    await within.relay('far', foreign(1))
    await within.end()
    const without = await subject({ store, runtime })
    await without.publish('m-1')
    await without.pass(10)
    expect(without.sums('@self')).to.include({ acked: 0, pending: 1 })
    await without.end()
    seen.before = () => undefined
    const again = await subject({ store, runtime, plugins: [seen.plugin] })
    await again.pass(10)
    expect(seen.applied).to.deep.equal(['f-1'])
    expect(again.sums('@self')).to.include({ acked: 1, pending: 0 })
  })

  it('is settled when its plugin turns out not to apply it', async () => {
    const [store, runtime] = [new WatchedStore(), new ManualRuntime()]
    const without = await subject({ store, runtime })
    await without.relay('far', foreign(1))
    await without.end()
    const plain: Plugin = {
      name: 'plain',
      apply: (kernel) =>
        kernel.messageType('test.merged', {
          schema: { type: 'object', required: ['key'], properties: { key: {} } },
        } as never),
    }
    const within = await subject({ store, runtime, plugins: [plain] })
    await within.pass(10)
    expect(within.sums('@self')).to.deep.equal({ ...none, targeted: 1, acked: 1 })
  })
})
