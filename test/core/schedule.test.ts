import { expect } from 'chai'
import type { Batch, Plugin, StoreVerdict } from '../../core/index.ts'
import { memoryHint } from '../../plugins/dedup/memory.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { type Answers, type BenchOptions, bench, RETRY_DELAY_MS } from '../plugins/delivery/support.ts'
import { ManualRuntime } from './manual-runtime.ts'

const NOW = 1_700_000_000_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const acks: Answers = () => 'ACK'

/** An SK that is due so many milliseconds after the test began. */
const later = (messageId: string, delay: number, members: object = {}) => {
  return { type: 'SK', messageId, key: 'k', value: 1, notBefore: NOW + delay, ...members }
}

/** What each frame bears: in which order writes are, wherever they go. */
const stamps = (frames: readonly string[]) =>
  frames.map((text) => {
    const { version, originSequence } = JSON.parse(text) as { version: string; originSequence: string }
    return { version, n: Number(originSequence.split('.').at(-1)) }
  })

/** A store whose next writes of messages fail: before they are on disk, or when they are and nobody hears of it. */
class FailingStore extends MemoryStore {
  fails: 'before' | 'after' | undefined

  override async write(batch: Batch): Promise<readonly StoreVerdict[]> {
    if (this.fails === 'before' && batch.entries.length > 0) throw new Error('EIO')
    const verdicts = await super.write(batch)
    if (this.fails === 'after' && batch.entries.length > 0) throw new Error('EIO')
    return verdicts
  }
}

/** A bench whose wall clock can be set, while the clock that only grows goes on. */
async function benchWithClock(options: BenchOptions = {}) {
  const runtime = new ManualRuntime()
  let set = 0
  runtime.now = () => runtime.monotonic() + set
  const subject = await bench({ ...options, runtime })
  return { subject, setClock: (by: number) => (set += by) }
}

describe('a scheduled message', () => {
  it('is acknowledged at once, and delivered at its time, not a millisecond before', async () => {
    const subject = await bench()
    const app = await subject.connect('app', acks)
    await subject.publish(later('m', HOUR_MS))
    expect(subject.told).to.have.length(1)
    expect(subject.told[0]).to.include({ type: 'ACK', messageId: 'm', status: 'stored', recipients: 1 })
    await subject.pass(HOUR_MS - 1)
    expect(app.got).to.deep.equal([])
    expect(subject.sums()).to.include({ targeted: 0 })
    await subject.pass(1)
    expect(app.got).to.deep.equal(['m'])
    await subject.pass(5)
    expect(subject.sums()).to.include({ targeted: 1, acked: 1 })
    expect(subject.store.statistics()).to.include({ messages: 1, scheduled: 0 })
    expect(subject.told, 'nobody is told a second time').to.have.length(1)
  })

  it('is given its version and its place in the sequence at its time, behind all that entered before', async () => {
    const subject = await bench()
    const app = await subject.connect('app', acks)
    await subject.publish(later('m', HOUR_MS, { version: '1600000000000-00000-shop' }), 'meanwhile')
    await subject.pass(HOUR_MS)
    await subject.publish('afterwards')
    expect(app.got).to.deep.equal(['meanwhile', 'm', 'afterwards'])
    const [meanwhile, released, afterwards] = stamps(app.frames)
    expect([meanwhile?.n, released?.n, afterwards?.n]).to.deep.equal([1, 2, 3])
    expect([meanwhile?.version, released?.version, afterwards?.version]).to.deep.equal([
      `${NOW}-00000-bus`,
      `${NOW + HOUR_MS}-00000-bus`,
      `${NOW + HOUR_MS}-00001-bus`,
    ])
  })

  it('keeps the text of its publisher but for the version, and looks like any message that enters', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    const shop = await subject.connect('shop')
    const own = `"type":"SK", "key":"k","value":9007199254740993.10,"notBefore":${NOW + 5}`
    shop.send(`{${own},"version":"1600000000000-00000-shop","messagePath":["x"],"originInstanceId":"x"}`)
    await subject.pass(5)
    const [{ messageId }] = app.got.map((id) => ({ messageId: id })) as [{ messageId: string }]
    expect(app.frames).to.have.length(1)
    expect(app.frames[0]?.replace(/"originSequence":"[^.]*/, '"originSequence":"epoch')).to.equal(
      `{"sourceInstanceId":"bus","messagePath":["shop","bus"],${own},"messageId":"${messageId}","orderingKey":"k",` +
        `"originInstanceId":"bus","originSequence":"epoch.1","version":"${NOW + 5}-00000-bus"}`,
    )
    expect(subject.bus.recipients().find(({ name }) => name === 'shop')?.pending, 'never back').to.equal(0)
  })

  it('goes at once when its time is over, or when another instance has let it in', async () => {
    const subject = await bench()
    const app = await subject.connect('app', acks)
    await subject.publish(later('due', 0), later('past', -DAY_MS))
    const relayed = { originInstanceId: 'far', originSequence: 'e.1', messagePath: ['far'] }
    await subject.relay('far', later('relayed', DAY_MS, relayed))
    expect(app.got).to.deep.equal(['due', 'past', 'relayed'])
  })

  it('is refused when nobody would ever get it, or when it is to wait for more than 365 days', async () => {
    const subject = await bench()
    await subject.publish(
      later('never', HOUR_MS, { expiresAt: NOW + HOUR_MS - 1 }),
      later('never-was', -HOUR_MS, { expiresAt: NOW - DAY_MS }),
      later('far', 365 * DAY_MS + 1),
      later('not-so-far', 365 * DAY_MS),
      later('short', HOUR_MS, { expiresAt: NOW + HOUR_MS }),
    )
    const refused = { type: 'NACK', code: 'INVALID_MESSAGE', retryable: false }
    const [never, neverWas, far, ...good] = subject.told
    expect(never).to.include({
      ...refused,
      reason: '/expiresAt is before /notBefore: nobody would get it; correct one of them',
    })
    expect(neverWas).to.include(refused)
    expect(far).to.include({
      ...refused,
      reason: '/notBefore must be within 365 days; publish it when its time is nearer',
    })
    expect(good.map(({ type, status }) => [type, status])).to.deep.equal([
      ['ACK', 'stored'],
      ['ACK', 'stored'],
    ])
    expect(subject.store.statistics().scheduled).to.equal(2)
  })

  it('goes in the order of its time with others, and of one time as it was accepted', async () => {
    const subject = await bench()
    const app = await subject.connect('app', acks)
    await subject.publish(later('c', 2_000), later('a', 1_000), later('b', 1_000), later('d', 2_001))
    await subject.pass(1_000)
    expect(app.got).to.deep.equal(['a', 'b'])
    await subject.pass(1_000)
    expect(app.got).to.deep.equal(['a', 'b', 'c'])
    await subject.pass(1)
    expect(app.got).to.deep.equal(['a', 'b', 'c', 'd'])
    expect(stamps(app.frames).map(({ n }) => n)).to.deep.equal([1, 2, 3, 4])
  })

  it('survives restarts, and goes at the start of an instance that was down at its time', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const first = await bench({ store, runtime })
    ;(await first.connect('app')).close()
    await first.publish(later('soon', HOUR_MS), later('far', 2 * DAY_MS), 'now')
    await first.end()
    await runtime.advance(DAY_MS)
    const second = await bench({ store, runtime })
    const app = await second.connect('app', acks)
    expect(app.got).to.deep.equal(['now', 'soon'])
    const [, soon] = stamps(app.frames)
    expect(soon?.version.slice(0, 13)).to.equal(String(runtime.now()))
    expect(soon?.n).to.equal(2)
    await second.pass(DAY_MS)
    expect(app.got).to.deep.equal(['now', 'soon', 'far'])
  })

  it('is a dead letter of whom it was for, when its instance was down until it had expired', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const first = await bench({ store, runtime })
    ;(await first.connect('app')).close()
    await first.publish(later('m', HOUR_MS, { expiresAt: NOW + HOUR_MS + 1 }))
    await first.end()
    await runtime.advance(DAY_MS)
    const second = await bench({ store, runtime })
    expect((await second.connect('app', acks)).got).to.deep.equal([])
    await second.rest()
    expect((await second.dead()).map(({ messageId, reason }) => [messageId, reason])).to.deep.equal([['m', 'EXPIRED']])
  })

  for (const plugins of [[], [memoryHint()]]) {
    it(`is known while it waits and afterwards, ${plugins.length > 0 ? 'with' : 'without'} a hint`, async () => {
      const subject = await bench({ plugins })
      const app = await subject.connect('app', acks)
      const message = later('m', HOUR_MS)
      for (const one of [message, message, later('m', 2 * HOUR_MS), { messageId: 'm', key: 'k' }]) {
        await subject.publish(one)
      }
      await subject.pass(HOUR_MS)
      await subject.publish(message)
      await subject.pass(DAY_MS - 1)
      await subject.publish(message)
      await subject.publish(later('m', HOUR_MS, { value: 2 }))
      const again = ['ACK', 'duplicate', 1, undefined]
      const other = ['NACK', undefined, undefined, 'CONFLICT']
      const told = subject.told.map(({ type, status, recipients, code }) => [type, status, recipients, code])
      expect(told).to.deep.equal([['ACK', 'stored', 1, undefined], again, other, other, again, again, other])
      expect(app.got).to.deep.equal(['m'])
    })
  }

  it('is for those whom it targets when it is released', async () => {
    const subject = await bench({ plugins: [tags()] })
    const [early, left] = [await subject.connect('early', acks, { tags: ['eu'] }), await subject.connect('left', acks)]
    await subject.publish(later('eu', HOUR_MS, { targetedTags: ['eu'] }), later('all', HOUR_MS))
    expect(subject.told.map(({ recipients }) => recipients)).to.deep.equal([1, 2])
    left.close()
    await subject.connect('left', acks, { durable: false }).then((gone) => gone.close())
    const joined = await subject.connect('joined', acks, { role: 'instance', tags: ['eu'] })
    await subject.pass(HOUR_MS)
    expect([early.got, left.got, joined.got]).to.deep.equal([['eu', 'all'], [], ['eu', 'all']])
  })

  it('waits for those who are away at its time', async () => {
    const subject = await bench()
    ;(await subject.connect('app')).close()
    await subject.publish(later('m', HOUR_MS))
    await subject.pass(2 * HOUR_MS)
    expect((await subject.connect('app', acks)).got).to.deep.equal(['m'])
  })

  it('does not come back to its publisher, also to one without a name, as long as it stays connected', async () => {
    const subject = await bench()
    const shop = await subject.connect('shop')
    shop.send(JSON.stringify(later('named', HOUR_MS)))
    await subject.publish(later('nameless', HOUR_MS))
    await subject.pass(HOUR_MS)
    expect(shop.got).to.deep.equal(['nameless'])
    expect(subject.told.map(({ type, messageId }) => [type, messageId])).to.deep.equal([
      ['ACK', 'nameless'],
      ['SK', 'named'],
    ])
  })

  it('does not come back to its publisher after a restart', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const first = await bench({ store, runtime })
    ;(await first.connect('shop')).send(JSON.stringify(later('m', HOUR_MS)))
    await first.rest()
    await first.end()
    const second = await bench({ store, runtime })
    const shop = await second.connect('shop')
    await second.pass(HOUR_MS)
    expect(shop.got).to.deep.equal([])
    expect(store.statistics()).to.include({ messages: 1, scheduled: 0 })
  })

  it('is handled by the instance itself at its time', async () => {
    const applied: string[] = []
    const note: Plugin = {
      name: 'note',
      apply: (kernel) =>
        kernel.messageType('test.strict.note' as never, {
          schema: { type: 'object', required: [], properties: {} } as never,
          apply: (messages) => void applied.push(...messages.map(({ version }) => version ?? 'none')),
        }),
    }
    const subject = await bench({ plugins: [note] })
    await subject.publish(later('m', HOUR_MS, { type: 'test.strict.note' }))
    await subject.pass(HOUR_MS - 1)
    expect(applied).to.deep.equal([])
    await subject.pass(1)
    expect(applied).to.deep.equal([`${NOW + HOUR_MS}-00000-bus`])
  })

  describe('when the store fails', () => {
    it('is not acknowledged, and goes at its time all the same if it was on disk', async () => {
      const store = new FailingStore()
      const subject = await bench({ store })
      const app = await subject.connect('app', acks)
      store.fails = 'after'
      await subject.publish(later('m', HOUR_MS))
      expect(subject.told).to.deep.equal([])
      store.fails = undefined
      await subject.pass(HOUR_MS)
      expect(app.got).to.deep.equal(['m'])
    })

    for (const fails of ['before', 'after'] as const) {
      it(`at its release, ${fails} it is on disk: it goes exactly once, when the store works again`, async () => {
        const store = new FailingStore()
        const subject = await bench({ store })
        const app = await subject.connect('app', acks)
        await subject.publish(later('m', HOUR_MS), later('n', HOUR_MS))
        store.fails = fails
        await subject.pass(HOUR_MS + 3 * RETRY_DELAY_MS)
        store.fails = undefined
        await subject.pass(RETRY_DELAY_MS)
        expect(app.got).to.deep.equal(['m', 'n'])
        await subject.pass(DAY_MS)
        expect(app.got).to.deep.equal(['m', 'n'])
        expect(subject.sums()).to.include({ targeted: 2, acked: 2 })
        expect(store.statistics()).to.include({ messages: 2, scheduled: 0 })
      })
    }

    it('is found again when reading it has failed', async () => {
      const store = new MemoryStore()
      const subject = await bench({ store })
      const app = await subject.connect('app', acks)
      await subject.publish(later('m', HOUR_MS))
      const read = store.scheduled.bind(store)
      store.scheduled = () => Promise.reject(new Error('EIO'))
      await subject.pass(HOUR_MS + RETRY_DELAY_MS)
      store.scheduled = read
      await subject.pass(RETRY_DELAY_MS)
      expect(app.got).to.deep.equal(['m'])
    })
  })

  it('is looked for by one reader at a time, and is not missed when it becomes due meanwhile', async () => {
    const store = new MemoryStore()
    const subject = await bench({ store })
    const app = await subject.connect('app', acks)
    await subject.publish(later('a', 1_000))
    const read = store.scheduled.bind(store)
    const held: (() => void)[] = []
    let readers = 0
    let most = 0
    store.scheduled = async (...asked) => {
      const found = await read(...asked)
      most = Math.max(most, ++readers)
      await new Promise<void>((resolve) => held.push(resolve))
      readers--
      return found
    }
    await subject.pass(1_000)
    await subject.publish(later('b', 1_001), later('c', 1_002))
    await subject.pass(10)
    store.scheduled = read
    for (const goOn of held) goOn()
    await subject.rest()
    expect([app.got, most]).to.deep.equal([['a', 'b', 'c'], 1])
  })

  it('that cannot be routed holds up nobody, and goes when it can be', async () => {
    let isBroken = true
    let tried = 0
    const broken: Plugin = {
      name: 'broken',
      apply: (kernel) =>
        kernel.hooks.route.tap((route, { messageId, scheduledFor }) => {
          if (!isBroken || scheduledFor !== undefined || !messageId.startsWith('bad')) return route
          tried++
          throw new Error('cannot be routed')
        }),
    }
    const subject = await bench({ plugins: [broken] })
    const app = await subject.connect('app', acks)
    const bad = Array.from({ length: 300 }, (_, at) => later(`bad-${at}`, HOUR_MS))
    await subject.publish(...bad, later('good', HOUR_MS))
    await subject.pass(HOUR_MS - 1)
    await subject.runtime.advance(1)
    expect(tried, 'others have their turn after each batch').to.equal(256)
    await subject.rest()
    expect([app.got, tried]).to.deep.equal([['good'], bad.length])
    isBroken = false
    await subject.pass(2 * MINUTE_MS)
    expect(app.got).to.deep.equal(['good', ...bad.map(({ messageId }) => messageId)])
  })

  it('of 100,000 that are due at once is released in batches, the next one when the last is on disk', async () => {
    const COUNT = 100_000
    const store = new MemoryStore()
    const subject = await bench({ store })
    ;(await subject.connect('app')).close()
    const batches: number[] = []
    let underWay = 0
    let most = 0
    const [read, write] = [store.scheduled.bind(store), store.write.bind(store)]
    store.scheduled = async (...asked) => {
      const read_ = await read(...asked)
      underWay += read_.due.length
      most = Math.max(most, underWay)
      return read_
    }
    store.write = async (batch) => {
      const verdicts = await write(batch)
      const released = batch.entries.filter(({ releases }) => releases !== undefined).length
      underWay -= released
      if (released > 0) batches.push(released)
      return verdicts
    }
    for (let at = 0; at < COUNT; at += 1_000) {
      await subject.publish(...Array.from({ length: 1_000 }, (_, n) => later(`m-${at + n}`, HOUR_MS)))
    }
    expect(store.statistics().scheduled).to.equal(COUNT)
    await subject.pass(HOUR_MS)
    await subject.publish('in-between')
    const answer = subject.told.find(({ messageId }) => messageId === 'in-between')
    expect(answer, 'others get through').to.include({ type: 'ACK', status: 'stored' })
    expect(store.statistics().scheduled).to.be.greaterThan(COUNT / 2)
    while (store.statistics().scheduled > 0) await subject.rest()
    expect(batches.reduce((sum, size) => sum + size)).to.equal(COUNT)
    expect(most).to.equal(256)
    expect(subject.sums()).to.include({ targeted: COUNT + 1, pending: COUNT + 1 })
  }).timeout(240_000)

  it('goes within a minute when the clock is set beyond its time, and waits when the clock is set back', async () => {
    const { subject, setClock } = await benchWithClock()
    const app = await subject.connect('app', acks)
    await subject.publish(later('a', 30 * DAY_MS), later('b', 60 * DAY_MS))
    setClock(30 * DAY_MS)
    await subject.pass(MINUTE_MS)
    expect(app.got).to.deep.equal(['a'])
    setClock(-30 * DAY_MS)
    await subject.pass(30 * DAY_MS)
    expect(app.got).to.deep.equal(['a'])
    setClock(30 * DAY_MS - 2 * MINUTE_MS)
    await subject.pass(MINUTE_MS - 1)
    expect(app.got).to.deep.equal(['a'])
    await subject.pass(MINUTE_MS)
    expect(app.got).to.deep.equal(['a', 'b'])
  })

  it('is waited for with timers that never overflow, of which none is left behind', async () => {
    const subject = await bench()
    expect(subject.runtime.timers.filter((left) => left <= MINUTE_MS)).to.deep.equal([])
    await subject.publish(later('m', 365 * DAY_MS))
    expect(subject.runtime.timers[0]).to.equal(MINUTE_MS)
    await subject.end()
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('stays where it is while its instance shuts down', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const holding: Plugin = { name: 'holding', apply: ({ hooks }) => hooks.drain.tapPromise(() => held) }
    const subject = await bench({ plugins: [holding] })
    const app = await subject.connect('app', acks)
    await subject.publish(later('m', 1_000))
    const ended = subject.end()
    await subject.pass(2_000)
    expect([app.got, app.closed]).to.deep.equal([[], undefined])
    release()
    await ended
    expect(subject.store.statistics().scheduled).to.equal(1)
  })
})
