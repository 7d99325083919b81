import { expect } from 'chai'
import { Dialer } from '../../core/dialer.ts'
import { CloseCode, type Connection } from '../../core/index.ts'
import type { Joined } from '../../core/links.ts'
import { introduction, memoryPair } from '../support/memory-pair.ts'
import { ManualRuntime, settle } from './manual-runtime.ts'
import { RecordingLog } from './support.ts'

const FIRST_DELAY_MS = 1_000
const QUICK_ATTEMPTS = 10

/** A dialer whose peer is not there, until the test says otherwise. */
function dialer({ quickAttempts = QUICK_ATTEMPTS, firstDelayMs = FIRST_DELAY_MS } = {}) {
  const runtime = new ManualRuntime()
  runtime.chance = 1
  const state = {
    dials: 0,
    linked: false,
    joined: undefined as Joined | undefined,
    failing: false,
    dialling: Promise.resolve(),
  }
  const connections: Connection[] = []
  const gone = (ended: () => void) => () => {
    state.linked = false
    ended()
  }
  const subject = new Dialer(
    { url: 'memory://b' },
    {
      runtime,
      log: new RecordingLog(),
      firstDelayMs,
      quickAttempts,
      linked: () => state.linked,
      dial: async (signal) => {
        state.dials++
        await state.dialling
        if (signal.aborted || state.joined === undefined) throw new Error('nobody there')
        const [near] = memoryPair(introduction(), introduction({ instanceId: 'b', role: 'instance' }))
        connections.push(near)
        return near
      },
      join: async (connection, ended) => {
        connection.handle({ frame: () => {}, closed: gone(ended) })
        if (state.failing) throw new Error('store')
        state.linked = state.joined === 'kept'
        return state.joined as Joined
      },
    },
  )
  const begin = async () => {
    subject.start()
    await settle()
  }
  return { subject, runtime, state, connections, begin }
}

async function delays({ runtime }: ReturnType<typeof dialer>, count: number): Promise<number[]> {
  const seen: number[] = []
  while (seen.length < count) {
    const [next] = runtime.timers
    if (next === undefined) throw new Error('it has given up')
    seen.push(next)
    await runtime.advance(next)
  }
  return seen
}

async function hangUp(connection: Connection | undefined): Promise<void> {
  connection?.close(CloseCode.GOING_AWAY, 'test')
  await settle()
}

describe('the dialer', () => {
  it('waits twice as long each time, a minute at most', async () => {
    const one = dialer()
    await one.begin()
    expect(await delays(one, 8)).to.deep.equal([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  })

  it('waits half of that for certain, and the rest by chance', async () => {
    const one = dialer()
    one.runtime.chance = 0
    await one.begin()
    expect(await delays(one, 3)).to.deep.equal([500, 1_000, 2_000])
    one.runtime.chance = 0.5
    await delays(one, 1)
    expect(await delays(one, 1)).to.deep.equal([12_000])
  })

  it('sends out only a probe a minute once the quick attempts are used up', async () => {
    const one = dialer({ quickAttempts: 3 })
    await one.begin()
    expect(await delays(one, 5)).to.deep.equal([1_000, 2_000, 4_000, 60_000, 60_000])
    expect(one.subject.circuit.state).to.equal('open')
  })

  it('says that its circuit is open when the last of the quick attempts was in vain, and when the probe goes out', async () => {
    const one = dialer({ quickAttempts: 3 })
    expect(one.subject.circuit).to.deep.equal({ state: 'closed', attempts: 0, nextAttemptAt: undefined })
    await one.begin()
    const in1s = one.runtime.now() + FIRST_DELAY_MS
    expect(one.subject.circuit).to.deep.equal({ state: 'closed', attempts: 1, nextAttemptAt: in1s })
    await delays(one, 2)
    expect(one.subject.circuit).to.include({ state: 'closed', attempts: 3 })
    await delays(one, 1)
    const inAMinute = one.runtime.now() + 60_000
    expect(one.subject.circuit).to.deep.equal({ state: 'open', attempts: 4, nextAttemptAt: inAMinute })
  })

  it('says half-open while the probe is under way, and until its link has lasted', async () => {
    const one = dialer({ quickAttempts: 0 })
    await one.begin()
    one.state.joined = 'kept'
    one.state.dialling = new Promise(() => {})
    await delays(one, 1)
    expect(one.subject.circuit).to.deep.equal({ state: 'half-open', attempts: 1, nextAttemptAt: undefined })

    const other = dialer({ quickAttempts: 0 })
    await other.begin()
    other.state.joined = 'kept'
    await delays(other, 1)
    await other.runtime.advance(29_999)
    expect(other.subject.circuit.state).to.equal('half-open')
    await other.runtime.advance(1)
    expect(other.subject.circuit).to.deep.equal({ state: 'closed', attempts: 0, nextAttemptAt: undefined })
    expect(other.runtime.timers).to.deep.equal([])
  })

  it('has its circuit open again when the link of the probe does not last', async () => {
    const one = dialer({ quickAttempts: 0 })
    await one.begin()
    one.state.joined = 'kept'
    await delays(one, 1)
    await one.runtime.advance(29_999)
    await hangUp(one.connections[0])
    expect(one.subject.circuit).to.include({ state: 'open', attempts: 2 })
  })

  it('says closed while the peer is linked by a dial of its own', async () => {
    const one = dialer({ quickAttempts: 0 })
    await one.begin()
    one.state.linked = true
    expect(one.subject.circuit).to.include({ state: 'closed', attempts: 0 })
  })

  it('never gives up', async () => {
    const one = dialer()
    await one.begin()
    await one.runtime.advance(7 * 24 * 60 * 60_000)
    expect(one.state.dials).to.be.greaterThan(10_000)
    one.state.joined = 'kept'
    await one.runtime.advance(60_000)
    expect(one.connections).to.have.length(1)
    expect(one.runtime.timers).to.deep.equal([])
  })

  it('begins quickly again after a link that lasted', async () => {
    const one = dialer()
    await one.begin()
    await delays(one, 5)
    one.state.joined = 'kept'
    await delays(one, 1)
    await one.runtime.advance(30_000)
    await hangUp(one.connections[0])
    expect(one.runtime.timers).to.deep.equal([FIRST_DELAY_MS])
  })

  it('does not take for a good one a link that the outbox hung up on, because no answer ever came', async () => {
    const one = dialer({ firstDelayMs: 20_000 })
    one.state.joined = 'kept'
    await one.begin()
    await one.runtime.advance(40_000)
    await hangUp(one.connections[0])
    expect(await delays(one, 1)).to.deep.equal([20_000])
    await one.runtime.advance(40_000)
    await hangUp(one.connections[1])
    expect(await delays(one, 1)).to.deep.equal([40_000])
  })

  it('goes on waiting longer after links that last but a moment', async () => {
    const one = dialer()
    one.state.joined = 'kept'
    await one.begin()
    const waits: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      await hangUp(one.connections.at(-1))
      waits.push(...(await delays(one, 1)))
    }
    expect(waits).to.deep.equal([1_000, 2_000, 4_000, 8_000])
  })

  it('stands by while the peer is linked otherwise, and dials when some link is gone', async () => {
    const one = dialer()
    one.state.linked = true
    await one.begin()
    expect([one.state.dials, one.runtime.timers.length]).to.deep.equal([0, 0])
    one.state.linked = false
    one.state.joined = 'kept'
    one.subject.wake()
    await delays(one, 1)
    expect(one.state.dials).to.equal(1)
  })

  it('is not woken while it has a link of its own or waits for its turn', async () => {
    const one = dialer()
    await one.begin()
    one.subject.wake()
    one.subject.wake()
    expect(one.runtime.timers).to.deep.equal([FIRST_DELAY_MS])
    one.state.joined = 'kept'
    await delays(one, 1)
    one.subject.wake()
    expect(one.runtime.timers).to.deep.equal([])
  })

  it('closes a connection that cannot be put to use, and dials again once', async () => {
    const one = dialer()
    one.state.joined = 'kept'
    one.state.failing = true
    await one.begin()
    expect(one.connections[0]).to.have.nested.property('ending.code', CloseCode.TRY_AGAIN_LATER)
    await settle()
    expect(one.runtime.timers).to.deep.equal([FIRST_DELAY_MS])
    expect(one.subject.circuit.attempts).to.equal(1)
  })

  it('does nothing more once it is stopped', async () => {
    const one = dialer()
    await one.begin()
    one.subject.stop()
    await one.runtime.advance(600_000)
    one.subject.wake()
    expect([one.state.dials, one.runtime.timers.length]).to.deep.equal([1, 0])
  })
})
