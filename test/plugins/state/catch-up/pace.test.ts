import { expect } from 'chai'
import type { Kernel, Link, Plugin, StateEntry } from '../../../../core/index.ts'
import { retention } from '../../../../plugins/delivery/retention.ts'
import { deleteKey } from '../../../../plugins/messages/del.ts'
import { setKey } from '../../../../plugins/messages/sk.ts'
import { catchUp } from '../../../../plugins/state/catch-up/index.ts'
import { untilThereIsRoom } from '../../../../plugins/state/catch-up/room.ts'
import { MemoryState } from '../../../../plugins/state/memory.ts'
import { type Lab, labOf } from '../../../core/clock-lab.ts'
import { ManualRuntime } from '../../../core/manual-runtime.ts'
import { keeping } from '../../../support/bus.ts'
import { contents, filled, value as later } from './support.ts'

const HOUR_MS = 3_600_000
const KEYS = 4_000
const LIVE = 100
/** Of each direction a question and an answer may be ahead of a message: both ends may have a session. */
const FRAMES_AHEAD = 2

interface Log {
  readonly event: string
  readonly fields: object
}

/** From before the time at which the simulated clocks begin. */
const value = (key: string, text?: string): StateEntry => ({ ...later(key, 1, text), version: '1600000000000-00000-a' })

/** Instances that keep state in memory, and what catch-up logs at each. */
class States {
  readonly at: Readonly<Record<string, MemoryState>>
  readonly logs = new Map<string, Log[]>()
  readonly kernels = new Map<string, Kernel>()

  constructor(...names: readonly string[]) {
    this.at = Object.fromEntries(names.map((name) => [name, new MemoryState()]))
  }

  readonly plugins = (name: string): readonly Plugin[] => [
    setKey(),
    deleteKey(),
    keeping(this.at[name] as MemoryState),
    this.#logging(name),
    catchUp(),
    retention({ absentDays: 1 / 24 }),
  ]

  async agree(): Promise<boolean> {
    const held = await Promise.all(
      Object.values(this.at).map(async (state) => JSON.stringify([...(await contents(state))])),
    )
    return new Set(held).size === 1
  }

  #logging(name: string): Plugin {
    const log: Log[] = []
    this.logs.set(name, log)
    return {
      name: 'logging',
      apply: (kernel) => {
        this.kernels.set(name, kernel)
        kernel.logSink((_, event, fields) => void log.push({ event, fields }))
      },
    }
  }
}

const set = (lab: Lab, name: string, messageId: string, key: string) =>
  lab.publish(name, messageId, { type: 'SK', key, value: messageId })

describe('catch-up', () => {
  it('brings back an instance that was away until what waited for it was forgotten', async function () {
    this.timeout(60_000)
    const states = new States('a', 'b')
    const lab = await labOf(['b-a'], states.plugins)
    for (const key of ['kept', 'changed', 'deleted']) await set(lab, 'a', `${key}-1`, key)
    await lab.pass(5_000)
    expect(await states.agree()).to.equal(true)
    await lab.stop('b')
    await set(lab, 'a', 'changed-2', 'changed')
    await set(lab, 'a', 'new-1', 'new')
    await lab.publish('a', 'deleted-2', { type: 'DEL', key: 'deleted' })
    await lab.pass(2 * HOUR_MS)
    const sums = lab
      .at('a')
      .kernel.ledger()
      .find(({ recipient }) => recipient === 'b')
    expect(sums).to.include({ targeted: 6, acked: 3, forgotten: 3, pending: 0 })
    await lab.start('b')
    await lab.pass(10_000)
    expect(await states.agree()).to.equal(true)
    const held = await contents(states.at.b as MemoryState)
    expect([...held].map(([key, { shape }]) => [key, shape])).to.deep.equal([
      ['changed', 'value'],
      ['deleted', 'tombstone'],
      ['kept', 'value'],
      ['new', 'value'],
    ])
  })

  it('tells when a session begins and what came of it', async () => {
    const states = new States('a', 'b')
    await filled(states.at.a as MemoryState, value('one'), value('two'))
    await filled(states.at.b as MemoryState, value('three'))
    const lab = await labOf(['b-a'], states.plugins)
    await lab.pass(5_000)
    const [begins, ends, ...others] = (states.logs.get('a') ?? []).filter(({ event }) => /caught|catch-up/.test(event))
    expect(begins).to.deep.equal({ event: 'catch-up begins', fields: { peer: 'b', session: 0 } })
    expect(ends?.fields).to.include({ peer: 'b', session: 0, received: 1, sent: 2 }).and.to.have.property('bytes')
    expect(others).to.deep.equal([])
    expect((states.logs.get('b') ?? []).filter(({ event }) => event === 'catch-up begins')).to.deep.equal([])
  })

  it('of much lets live messages pass: each waits behind two frames at most, and no turn longer', async function () {
    this.timeout(60_000)
    const quiet = new States('a', 'b')
    const undisturbed = await liveTurns(await labOf(['b-a'], quiet.plugins), quiet)
    const states = new States('a', 'b')
    const text = JSON.stringify('x'.repeat(300))
    const fill = () => Array.from({ length: KEYS }, (_, n) => value(`k-${n}`, text))
    const lab = await labOf(['b-a'], states.plugins)
    await (states.at.a as MemoryState).join(fill())
    void states.kernels.get('b')?.use('catchUp').run('a')
    const beside = await liveTurns(lab, states)
    expect(beside.frames, 'the session goes on meanwhile').to.be.greaterThan(10)
    expect(beside.ahead).to.be.at.most(FRAMES_AHEAD)
    expect(beside.turns).to.be.at.most(undisturbed.turns)
    const overtaking = [...lab.sentTo('a', 'ahead'), ...lab.sentTo('b', 'ahead')]
    expect(overtaking.filter(isSync)).to.deep.equal([])
    for (let rests = 0; !(await states.agree()) && rests < 100; rests++) await lab.rest()
    expect(await states.agree()).to.equal(true)
  })
})

/**
 * Publishes at one end, one message after the other, and watches what the other end is sent: in how many turns at most a message
 * was sent, how many frames of comparing came ahead of it at most, and how many there were in all.
 */
async function liveTurns(lab: Lab, states: States) {
  const publisher = await lab.join('a')
  const sent = () => lab.sentTo('b')
  const before = sent().length
  const result = { turns: 0, ahead: 0, frames: 0 }
  for (let n = 0; n < LIVE; n++) {
    const from = sent().length
    const messageId = `live-${n}`
    publisher.send({ type: 'SK', messageId, key: `live-${n % 10}`, value: n })
    const place = () => sent().findIndex((frame, at) => at >= from && frame.includes(`"messageId":"${messageId}"`))
    let turns = 0
    for (; place() < 0; turns++) await lab.turn()
    result.turns = Math.max(result.turns, turns)
    result.ahead = Math.max(result.ahead, sent().slice(from, place()).filter(isSync).length)
  }
  result.frames = sent().slice(before).filter(isSync).length
  await lab.pass(1_000)
  expect(states.kernels.get('a')?.storeStatistics().pending).to.equal(0)
  return result
}

const isSync = (frame: string) => frame.includes('"type":"SYNC"')

describe('a link', () => {
  const busy = (inFlight: number, bufferedBytes: number) =>
    ({ connection: { bufferedBytes }, recipient: { inFlight } }) as unknown as Link

  it('has room at once while little is under way', async () => {
    const runtime = new ManualRuntime()
    await untilThereIsRoom(busy(31, 256 * 1024), runtime, () => false)
    expect(runtime.timers).to.deep.equal([])
  })

  for (const [why, link] of [
    ['messages in flight', busy(32, 0)],
    ['bytes that wait', busy(0, 256 * 1024 + 1)],
  ] as const) {
    it(`that is always busy with ${why} has room once a second`, async () => {
      const runtime = new ManualRuntime()
      let questions = 0
      const ask = async () => {
        await untilThereIsRoom(link, runtime, () => false)
        questions++
        await ask()
      }
      void ask()
      for (let passed = 0; passed < 10_000; passed += 20) await runtime.advance(20)
      expect(questions).to.equal(10)
    })
  }

  it('that is busy is not waited for any more when it is over', async () => {
    const runtime = new ManualRuntime()
    let isOver = false
    let waited = false
    void untilThereIsRoom(busy(32, 0), runtime, () => isOver).then(() => {
      waited = true
    })
    await runtime.advance(100)
    expect(waited).to.equal(false)
    isOver = true
    await runtime.advance(20)
    expect(waited).to.equal(true)
  })
})
