import { expect } from 'chai'
import type { Kernel, LogFields, Plugin, RecipientKey } from '../../../core/index.ts'
import { retention } from '../../../plugins/delivery/retention.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { type BenchOptions, bench } from './support.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Until it has been looked who is away, whoever is. */
const LOOK_MS = MINUTE_MS + 1
const PEER = { url: 'memory://gcp' }
const NONE = { targeted: 0, acked: 0, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }

type Log = readonly { readonly event: string; readonly fields: LogFields }[]

/** A bus with the plugin under test, that has been running for a day. */
async function keeper(options: BenchOptions = {}, given?: Parameters<typeof retention>[0]) {
  const log: { readonly event: string; readonly fields: LogFields }[] = []
  let kernel: Kernel | undefined
  const spy: Plugin = {
    name: 'spy',
    apply(own) {
      kernel = own
      own.logSink((level, event, fields) => void (level === 'critical' && log.push({ event, fields })))
    },
  }
  const subject = await bench({ ...options, plugins: [retention(given), spy] })
  await subject.leap(DAY_MS)
  return Object.assign(subject, { log: log as Log, kernel: kernel as Kernel })
}

type Keeper = Awaited<ReturnType<typeof keeper>>

const remembered = ({ bus }: Keeper) =>
  bus
    .recipients()
    .filter(({ durable }) => durable)
    .map(({ name }) => name)

/** Somebody is seen and leaves. */
async function leave(subject: Keeper, name: string): Promise<void> {
  const application = await subject.connect(name)
  application.close()
  await subject.pass(2_000)
}

describe('absence', () => {
  it('of less than 7 days costs nothing', async () => {
    const subject = await keeper()
    await leave(subject, 'app')
    await subject.publish('m-1', 'm-2')
    await subject.leap(7 * DAY_MS - MINUTE_MS)
    await subject.pass(LOOK_MS / 2)
    expect(await subject.dead()).to.deep.equal([])
    const app = await subject.connect('app', () => 'ACK')
    await subject.pass(10)
    expect(app.got).to.deep.equal(['m-1', 'm-2'])
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 2, acked: 2 })
  })

  it('of more than 7 days ends with one dead letter for all that waited, and the name is free again', async () => {
    const subject = await keeper()
    await leave(subject, 'app')
    await subject.publish('m-1', 'm-2', 'm-3')
    await subject.leap(7 * DAY_MS)
    await subject.pass(LOOK_MS)
    const [summary, ...others] = await subject.dead()
    expect(others).to.deep.equal([])
    expect(summary).to.include({ reason: 'RECIPIENT_FORGOTTEN', recipient: 'app', count: 3, messageId: undefined })
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 3, forgotten: 3 })
    expect(remembered(subject)).to.deep.equal(['@self'])
    const reason = 'its recipient was away for too long'
    expect(subject.log.map(({ fields }) => fields)).to.deep.equal([{ recipient: 'app', count: 3, reason }])
    expect(subject.kernel.storeStatistics().givenUp.RECIPIENT_FORGOTTEN).to.equal(3)
    expect((await subject.connect('app', () => 'ACK')).got).to.deep.equal([])
    await subject.publish('m-4')
    await subject.pass(10)
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 4, acked: 1, forgotten: 3 })
  })

  it('of 30 days costs nothing where more are allowed', async () => {
    const subject = await keeper({}, { absentDays: 31 })
    await leave(subject, 'app')
    await subject.publish('m-1')
    for (let day = 0; day < 30; day++) await subject.leap(DAY_MS)
    expect(await subject.dead()).to.deep.equal([])
    expect((await subject.connect('app')).got).to.deep.equal(['m-1'])
  })

  it('is none while somebody is linked, whatever waits', async () => {
    const subject = await keeper()
    const app = await subject.connect('app', () => ({ code: 'BUSY', retryAfterMs: MINUTE_MS }))
    await subject.publish('m-1')
    for (let day = 0; day < 30; day++) await subject.leap(DAY_MS)
    expect(app.closed).to.equal(undefined)
    expect(await subject.dead()).to.deep.equal([])
    expect(subject.sums()).to.include({ pending: 1, forgotten: 0 })
  })

  it('frees the name of somebody for whom nothing waits, without a dead letter', async () => {
    const subject = await keeper()
    await leave(subject, 'app')
    await subject.leap(7 * DAY_MS)
    await subject.pass(LOOK_MS)
    expect(remembered(subject)).to.deep.equal(['@self'])
    expect(await subject.dead()).to.deep.equal([])
    expect(subject.log).to.deep.equal([])
  })

  it('is counted from the last link, not from the first', async () => {
    const subject = await keeper()
    await leave(subject, 'app')
    await subject.publish('m-1')
    await subject.leap(6 * DAY_MS)
    await leave(subject, 'app')
    await subject.leap(6 * DAY_MS)
    await subject.pass(LOOK_MS)
    expect(await subject.dead()).to.deep.equal([])
    await subject.leap(DAY_MS)
    await subject.pass(LOOK_MS)
    expect(await subject.dead()).to.have.lengthOf(1)
  })

  describe('of a configured peer', () => {
    const settings = { peers: [PEER] }

    it('that was never seen is counted from when it was first configured, and it stays a recipient', async () => {
      const subject = await keeper({ settings })
      await subject.publish('m-1', 'm-2')
      await subject.leap(6 * DAY_MS - HOUR_MS)
      await subject.pass(LOOK_MS)
      expect(await subject.dead()).to.deep.equal([])
      await subject.leap(HOUR_MS)
      await subject.pass(LOOK_MS)
      const [summary, ...others] = await subject.dead()
      expect(others).to.deep.equal([])
      expect(summary).to.include({ reason: 'RECIPIENT_FORGOTTEN', recipient: PEER.url, count: 2 })
      expect(remembered(subject)).to.deep.equal(['@self', PEER.url])
      await subject.publish('m-3')
      expect(subject.sums(PEER.url)).to.deep.equal({ ...NONE, targeted: 3, pending: 1, forgotten: 2 })
      expect(subject.bus.recipients().find(({ name }) => name === PEER.url)?.pending).to.equal(1)
    })

    it('that stays away leaves one dead letter every 7 days at most, and none for nothing', async () => {
      const subject = await keeper({ settings })
      await subject.publish('m-1')
      await subject.leap(6 * DAY_MS)
      await subject.pass(LOOK_MS)
      for (let day = 0; day < 6; day++) {
        await subject.publish(`m-${day + 2}`)
        await subject.leap(DAY_MS)
        await subject.pass(LOOK_MS)
      }
      expect((await subject.dead()).map(({ count }) => count)).to.deep.equal([1])
      await subject.leap(DAY_MS)
      await subject.pass(LOOK_MS)
      expect((await subject.dead()).map(({ count }) => count)).to.deep.equal([1, 6])
      await subject.leap(7 * DAY_MS)
      await subject.pass(LOOK_MS)
      expect(await subject.dead()).to.have.lengthOf(2)
    })

    it('that is configured no more ends altogether', async () => {
      const store = new MemoryStore()
      const first = await keeper({ settings, store })
      await first.publish('m-1')
      await first.pass(1_000)
      await first.end()
      const second = await keeper({ store, runtime: first.runtime })
      await second.leap(6 * DAY_MS)
      await second.pass(LOOK_MS)
      expect(remembered(second)).to.deep.equal(['@self'])
      expect(await second.dead()).to.have.lengthOf(1)
    })
  })

  describe('while the instance itself was down', () => {
    async function startAfter(absence: number) {
      const store = new MemoryStore()
      const first = await keeper({ store })
      await leave(first, 'app')
      await first.publish('m-1')
      await first.end()
      first.runtime.setClock(first.runtime.now() + absence)
      const second = await bench({ store, runtime: first.runtime, plugins: [retention()] })
      await second.pass(0)
      return second
    }

    it('leaves everybody an hour to come back', async () => {
      const subject = await startAfter(30 * DAY_MS)
      for (let minutes = 0; minutes < 59; minutes += 10) await subject.leap(9 * MINUTE_MS)
      expect(await subject.dead()).to.deep.equal([])
      expect((await subject.connect('app')).got).to.deep.equal(['m-1'])
    })

    it('counts all the same, once that hour is over', async () => {
      const subject = await startAfter(30 * DAY_MS)
      await subject.leap(HOUR_MS)
      await subject.pass(LOOK_MS)
      expect(await subject.dead()).to.have.lengthOf(1)
    })
  })

  it('leaves everybody an hour when the wall clock has jumped, as that of a machine does that was asleep', async () => {
    const runtime = new ManualRuntime()
    const monotonic = runtime.now
    let slept = 0
    runtime.now = () => monotonic() + slept
    const subject = await keeper({ runtime: Object.assign(runtime, { monotonic }) })
    await leave(subject, 'app')
    await subject.publish('m-1')
    slept = 30 * DAY_MS
    await subject.pass(55 * MINUTE_MS)
    expect(await subject.dead()).to.deep.equal([])
    await subject.pass(10 * MINUTE_MS)
    expect(await subject.dead()).to.have.lengthOf(1)
  })

  it('is looked for again when the store failed, and nothing is lost on the way', async () => {
    const store = new (class extends MemoryStore {
      failing = true

      override async forgetBacklog(key: RecipientKey): Promise<number> {
        if (this.failing) throw new Error('disk full')
        return super.forgetBacklog(key)
      }
    })()
    const subject = await keeper({ store })
    await leave(subject, 'app')
    await subject.publish('m-1')
    await subject.leap(7 * DAY_MS)
    await subject.pass(LOOK_MS)
    expect(remembered(subject)).to.deep.equal(['@self', 'app'])
    expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(1)
    store.failing = false
    await subject.pass(LOOK_MS)
    expect(remembered(subject)).to.deep.equal(['@self'])
    expect(await subject.dead()).to.have.lengthOf(1)
  })

  it('spares whoever comes back while it is being forgotten', async () => {
    const subject = await keeper()
    await leave(subject, 'app')
    await subject.publish('m-1')
    await subject.connect('app')
    expect(await forgotten(subject, 'app')).to.equal(undefined)
    expect(await forgotten(subject, 'nobody')).to.equal(undefined)
    expect(subject.sums()).to.include({ pending: 1, forgotten: 0 })
  })

  it('ends with the bus', async () => {
    const subject = await keeper()
    await subject.end()
    expect(subject.runtime.timers).to.deep.equal([])
  })
})

async function forgotten(subject: Keeper, name: string): Promise<number | undefined> {
  const forgetting = subject.kernel.forgetAbsent(name)
  await subject.rest()
  return forgetting
}
