import { expect } from 'chai'
import type { Kernel, LogFields, Plugin } from '../../../core/index.ts'
import { type RetentionOptions, retention } from '../../../plugins/delivery/retention.ts'
import { type BenchOptions, bench } from './support.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Away for so long, somebody is away. */
const AWAY_MS = 12 * MINUTE_MS
const KILOBYTE = 'x'.repeat(1_000)
const NONE = { acked: 0, dead: 0 }

/** A bus whose backlogs are bounded, beyond its first hour. */
async function keeper(limits: RetentionOptions, options: BenchOptions = {}) {
  const log: LogFields[] = []
  let kernel: Kernel | undefined
  const spy: Plugin = {
    name: 'spy',
    apply(own) {
      kernel = own
      own.logSink((level, _event, fields) => void (level === 'critical' && log.push(fields)))
    },
  }
  const subject = await bench({ ...options, plugins: [retention(limits), spy] })
  await subject.leap(HOUR_MS)
  await subject.pass(1_000)
  let published = 0
  const write = async (count: number, keys: number, value = '') => {
    const versioned = Array.from({ length: count }, () => {
      const n = ++published
      const version = `${String(n).padStart(13, '0')}-00000-a`
      return { messageId: `m-${n}`, key: `key-${n % keys}`, value, version }
    })
    await subject.publish(...versioned)
  }
  return Object.assign(subject, { log, write, kernel: kernel as Kernel })
}

type Keeper = Awaited<ReturnType<typeof keeper>>

async function leave(subject: Keeper, name = 'app'): Promise<void> {
  const application = await subject.connect(name)
  application.close()
  await subject.rest()
}

const names = ({ bus }: Keeper) =>
  bus
    .recipients()
    .filter(({ durable }) => durable)
    .map(({ name }) => name)

describe('bounds of a backlog', () => {
  it('are none unless they are set', async () => {
    const subject = await keeper({})
    await leave(subject)
    await subject.write(3_000, 1)
    await subject.pass(AWAY_MS)
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 3_000, pending: 3_000, collapsed: 0, forgotten: 0 })
  })

  it('collapse what is too long, and if that is enough nothing is forgotten', async () => {
    const subject = await keeper({ maxBacklogMessages: 100 })
    await leave(subject)
    await subject.write(500, 100)
    await subject.pass(AWAY_MS)
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 500, pending: 100, collapsed: 400, forgotten: 0 })
    expect(await subject.dead()).to.deep.equal([])
  })

  it('forget what is too long and cannot be collapsed: one dead letter, and the name is free', async () => {
    const subject = await keeper({ maxBacklogMessages: 100 })
    await leave(subject)
    await subject.write(150, 101)
    await subject.pass(AWAY_MS)
    const [summary, ...others] = await subject.dead()
    expect(others).to.deep.equal([])
    expect(summary).to.include({ reason: 'RECIPIENT_FORGOTTEN', recipient: 'app', count: 101 })
    expect(subject.sums()).to.deep.equal({ ...NONE, targeted: 150, pending: 0, collapsed: 49, forgotten: 101 })
    expect(names(subject)).to.deep.equal(['@self'])
    expect(subject.log).to.deep.equal([{ recipient: 'app', count: 101, reason: 'it was longer than allowed' }])
  })

  it('leave a configured peer where it is, and forget its backlog', async () => {
    const settings = { peers: [{ url: 'memory://gcp', instanceId: 'gcp-1' }] }
    const subject = await keeper({ maxBacklogMessages: 10 }, { settings })
    await subject.write(20, 20)
    await subject.pass(AWAY_MS)
    expect(names(subject)).to.deep.equal(['@self', 'gcp-1'])
    expect(subject.sums('gcp-1')).to.include({ forgotten: 20, pending: 0 })
  })

  it('count bytes of texts, also of what comes later', async () => {
    const subject = await keeper({ maxBacklogBytes: 100_000 })
    await leave(subject)
    await subject.write(60, 1_000, KILOBYTE)
    await subject.pass(AWAY_MS)
    expect(subject.sums()).to.include({ pending: 60, forgotten: 0 })
    await subject.write(10, 1_000, KILOBYTE)
    await subject.pass(2 * MINUTE_MS)
    expect(subject.sums()).to.include({ pending: 70, forgotten: 0 })
    await subject.write(30, 1_000, KILOBYTE)
    await subject.pass(2 * MINUTE_MS)
    expect(subject.sums()).to.include({ pending: 0, forgotten: 100 })
  })

  it('forget nothing because of bytes that have gone meanwhile', async () => {
    const subject = await keeper({ maxBacklogBytes: 100_000 })
    await leave(subject)
    await subject.write(70, 1, KILOBYTE)
    await subject.pass(AWAY_MS)
    const collapsing = subject.kernel.collapse('app')
    await subject.rest()
    expect(await collapsing).to.include({ pending: 1 })
    await subject.write(80, 1_000, KILOBYTE)
    await subject.pass(2 * MINUTE_MS)
    expect(subject.sums()).to.include({ pending: 81, forgotten: 0 })
  })

  it('hold for nobody who is linked, and for nobody whose link was lost a moment ago', async () => {
    const subject = await keeper({ maxBacklogMessages: 10 })
    await subject.connect('busy', () => ({ code: 'BUSY', retryAfterMs: MINUTE_MS }))
    await subject.write(20, 20)
    await subject.pass(AWAY_MS)
    expect(subject.sums('busy')).to.include({ pending: 20, forgotten: 0 })
    await leave(subject, 'brief')
    await subject.write(20, 20)
    await subject.pass(9 * MINUTE_MS)
    expect(subject.sums('brief')).to.include({ pending: 20, forgotten: 0 })
    expect((await subject.connect('brief', () => 'ACK')).got).to.have.lengthOf(20)
  })

  it('end with the bus, also in the middle of counting', async () => {
    const subject = await keeper({ maxBacklogBytes: 1 })
    await leave(subject)
    await subject.write(5_000, 5_000)
    await subject.pass(11 * MINUTE_MS + 20)
    await subject.end()
    expect(subject.runtime.timers).to.deep.equal([])
  })
})
