import { expect } from 'chai'
import { type Bus, createBus, type Kernel, type LogLevel, type Plugin, type Refusal } from '../../../core/index.ts'
import { budget } from '../../../plugins/delivery/budget.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { ack } from '../../../plugins/messages/ack.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { setKey } from '../../../plugins/messages/sk.ts'
import { path } from '../../../plugins/routes/path.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { storing } from '../../support/bus.ts'
import { introduction, MemoryNetwork } from '../../support/memory-pair.ts'
import { bench } from './support.ts'

const MAX_BYTES = 1024 ** 2
/** A message of which a hundred are the budget. */
const PERCENT = 'x'.repeat(MAX_BYTES / 100 - 160)
/** Until it has been looked how much is in use. */
const LOOK_MS = 300
const REST_MS = 10_000
const stamp = (n: number) => `${String(n).padStart(13, '0')}-00000-a`

/** A bus with a budget, and what it said. */
async function started() {
  let kernel: Kernel | undefined
  const refusals: Refusal[] = []
  const log: LogLevel[] = []
  const spy: Plugin = {
    name: 'spy',
    apply(own) {
      kernel = own
      own.hooks.refused.tap((refusal) => void refusals.push(refusal))
      own.logSink((level, event) => void (event.includes('disk budget') && log.push(level)))
    },
  }
  const subject = await bench({ plugins: [budget({ maxBytes: MAX_BYTES }), spy] })
  let published = 0
  /** Publishes so many parts in a hundred of the budget, of as many keys. */
  const fill = async (percent: number, keys = Number.POSITIVE_INFINITY, type = 'SK') => {
    const messages = Array.from({ length: percent }, () => {
      const n = ++published
      return {
        type,
        messageId: `m-${n}`,
        key: `key-${n % keys}`,
        value: PERCENT,
        version: stamp(n),
      }
    })
    await subject.publish(...messages)
  }
  const { storeStatistics, healthChecks } = kernel as Kernel
  return Object.assign(subject, {
    fill,
    refusals,
    log,
    used: () => Math.round((storeStatistics().usedBytes / MAX_BYTES) * 100),
    health: () =>
      healthChecks()
        .find(({ name }) => name === 'budget')
        ?.check(),
    codes: () => refusals.map(({ code }) => code),
  })
}

type Subject = Awaited<ReturnType<typeof started>>

/** Somebody for whom things wait from now on. */
async function leave(subject: Subject, name = 'app'): Promise<void> {
  const application = await subject.connect(name)
  application.close()
  await subject.rest()
}

/** It comes back, takes so many of what waits for it, and leaves. */
async function take(subject: Subject, count: number): Promise<void> {
  let taken = 0
  const application = await subject.connect('app', () => (taken++ < count ? 'ACK' : undefined))
  await subject.pass(10)
  application.close()
  await subject.rest()
}

describe('the disk budget', () => {
  it('below 80 % touches nothing', async () => {
    const subject = await started()
    await leave(subject)
    await subject.fill(77, 1)
    await subject.pass(REST_MS)
    expect(subject.used()).to.equal(77)
    expect(subject.sums()).to.include({ pending: 77, collapsed: 0 })
    expect(subject.health()).to.deep.equal({ ok: true, detail: '77 % of the disk budget are in use' })
  })

  it('from 80 % on gives up the texts of what is settled, until there is room', async () => {
    const subject = await started()
    await subject.connect('app', () => 'ACK')
    await subject.fill(85)
    await subject.pass(REST_MS)
    expect(subject.used()).to.be.below(80)
    expect(subject.store.statistics().messages).to.equal(85)
    await subject.publish({ messageId: 'm-1', key: 'key-1', value: PERCENT, version: stamp(1) })
    expect(subject.store.statistics().messages).to.equal(85)
  })

  it('from 80 % on collapses what waits for those who are away, and they get the newest of each key', async () => {
    const subject = await started()
    await leave(subject)
    await subject.fill(30, 5)
    await subject.fill(20, 1, 'test.strict')
    await subject.fill(40, 5)
    await subject.pass(REST_MS)
    expect(subject.used()).to.be.within(25, 27)
    expect(subject.sums()).to.include({ pending: 25, collapsed: 65 })
    const { got } = await subject.connect('app', () => 'ACK')
    await subject.pass(100)
    const strict = Array.from({ length: 20 }, (_, index) => `m-${31 + index}`)
    expect(got).to.have.members([...strict, 'm-86', 'm-87', 'm-88', 'm-89', 'm-90'])
    expect(subject.sums()).to.include({ acked: 25, pending: 0 })
    expect(await subject.dead()).to.deep.equal([])
  })

  it('collapses nothing of those who are linked', async () => {
    const subject = await started()
    await subject.connect('app', () => ({ code: 'BUSY', retryAfterMs: 60_000 }))
    await subject.fill(90, 1)
    await subject.pass(REST_MS)
    expect(subject.sums()).to.include({ pending: 90, collapsed: 0 })
  })

  it('from 95 % on refuses messages that enter here, says so, and takes them again below 90 %, without a restart', async () => {
    const subject = await started()
    await leave(subject)
    await subject.fill(96)
    await subject.pass(LOOK_MS)
    expect(subject.health()).to.deep.equal({
      ok: false,
      detail: '96 % of the disk budget are in use; messages are refused',
    })
    await subject.publish('late')
    expect(subject.codes()).to.deep.equal(['STORE_UNAVAILABLE'])
    expect(subject.refusals[0]).to.include({ retryable: true, messageId: 'late' })
    expect(subject.refusals[0]?.reason).to.contain('disk budget')
    expect(subject.log).to.deep.equal(['critical'])

    await take(subject, 5)
    await subject.pass(REST_MS + LOOK_MS)
    expect(subject.used()).to.be.within(90, 92)
    await subject.publish('still')
    expect(subject.codes()).to.have.lengthOf(2)
    await take(subject, 5)
    await subject.pass(REST_MS + LOOK_MS)
    expect(subject.used()).to.be.below(90)
    expect(subject.health()?.ok).to.equal(true)
    await subject.publish('again')
    expect(subject.codes()).to.have.lengthOf(2)
    expect(subject.log).to.deep.equal(['critical', 'error'])
  })

  it('takes acknowledgements and asks other instances for patience, later than publishers', async () => {
    const subject = await started()
    await leave(subject)
    const passedOn = (n: number) => ({
      ...{ type: 'SK', messageId: `far-${n}`, originInstanceId: 'gcp', originSequence: `e.${n}`, version: stamp(n) },
      ...{ messagePath: ['gcp'], key: `far-${n}`, value: PERCENT },
    })
    await subject.fill(96)
    await subject.pass(LOOK_MS)
    await subject.relay('gcp', passedOn(1), passedOn(2), passedOn(3))
    expect(subject.codes()).to.deep.equal([])
    await subject.pass(LOOK_MS)
    await subject.relay('gcp', passedOn(4))
    expect(subject.codes()).to.deep.equal(['BUSY'])
    expect(subject.refusals[0]).to.include({ retryable: true, retryAfterMs: 5_000 })
    await subject.connect('app', () => 'ACK')
    await subject.pass(REST_MS + LOOK_MS)
    expect(subject.sums()).to.include({ acked: 99, pending: 0 })
    await subject.relay('gcp', passedOn(4))
    expect(subject.codes()).to.have.lengthOf(1)
  })

  it('looks again for what can be given up only after a while, when there is nothing', async () => {
    const subject = await started()
    let sheds = 0
    const { store } = subject
    const { shed } = store
    store.shed = (limit) => {
      sheds++
      return shed.call(store, limit)
    }
    await leave(subject)
    await subject.fill(85)
    await subject.pass(2 * REST_MS + LOOK_MS)
    expect(sheds).to.be.within(2, 4)
  })

  it('goes on when the store fails', async () => {
    const subject = await started()
    const { store } = subject
    const { shed } = store
    store.shed = () => Promise.reject(new Error('disk I/O error'))
    await subject.fill(85)
    await subject.pass(REST_MS)
    expect(subject.used()).to.equal(85)
    store.shed = shed
    await subject.pass(REST_MS + LOOK_MS)
    expect(subject.used()).to.be.below(80)
  })

  it('ends with the bus', async () => {
    const subject = await started()
    await subject.end()
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('lets two instances that are full of messages for each other get rid of them', async () => {
    const runtime = new ManualRuntime()
    const stores = { a: new MemoryStore(), b: new MemoryStore() }
    const used = () => Object.values(stores).map((store) => store.statistics().usedBytes / MAX_BYTES)
    const pending = () => Object.values(stores).map((store) => store.statistics().pending)
    const buses: Bus[] = []
    for (const [name, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const alone = await node(name, other, stores[name], runtime, new MemoryNetwork())
      const publisher = alone.network.dial({ url: `memory://${name}` }, introduction())
      publisher.handle({ frame: () => {}, closed: () => {} })
      for (let n = 1; n <= 97; n++) {
        publisher.send(JSON.stringify({ type: 'SK', messageId: `${name}-${n}`, key: `${name}-${n}`, value: PERCENT }))
      }
      await pass(runtime, LOOK_MS)
      await stop(runtime, alone.bus)
    }
    expect(used().every((part) => part > 0.95)).to.equal(true)
    expect(pending()).to.deep.equal([97, 97])

    const network = new MemoryNetwork()
    for (const [name, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      buses.push((await node(name, other, stores[name], runtime, network)).bus)
    }
    await pass(runtime, 20 * 60_000)
    expect(pending()).to.deep.equal([0, 0])
    expect(used().every((part) => part < 0.95)).to.equal(true)
    const dead = await Promise.all(Object.values(stores).map((store) => store.deadLetters({}, { limit: 1 })))
    expect(dead.map(({ total }) => total)).to.deep.equal([0, 0])
    for (const bus of buses) await stop(runtime, bus)
  })
})

async function node(name: string, peer: string, store: MemoryStore, runtime: ManualRuntime, network: MemoryNetwork) {
  const messages = [setKey(), ack(), nack(), path(), republish()]
  const bus = createBus({
    plugins: [storing(store), network.plugin(`memory://${name}`), ...messages, budget({ maxBytes: MAX_BYTES })],
    settings: { instanceId: name, peers: [{ url: `memory://${peer}`, instanceId: peer }], drainTimeoutMs: 0 },
    runtime,
  })
  await bus.start()
  return { bus, network }
}

async function pass(runtime: ManualRuntime, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; ) {
    for (let turn = 0; turn < 8; turn++) await runtime.turn()
    const step = Math.max(1, Math.min(left, runtime.timers[0] ?? left))
    await runtime.advance(step)
    left -= step
  }
}

async function stop(runtime: ManualRuntime, bus: Bus): Promise<void> {
  let stopped = false
  const stopping = bus.stop().then(() => {
    stopped = true
  })
  while (!stopped) await pass(runtime, 10)
  await stopping
}
