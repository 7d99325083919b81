import { expect } from 'chai'
import type { Kernel, Plugin, StateEntry } from '../../../../core/index.ts'
import { deleteKey } from '../../../../plugins/messages/del.ts'
import { setKey } from '../../../../plugins/messages/sk.ts'
import { setWeighted } from '../../../../plugins/messages/sw.ts'
import { catchUp } from '../../../../plugins/state/catch-up/index.ts'
import { MemoryState } from '../../../../plugins/state/memory.ts'
import { type Lab, labOf } from '../../../core/clock-lab.ts'
import { keeping } from '../../../support/bus.ts'
import { contents } from './support.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Deletions are kept for two hours, and instances that are away are waited for during six. */
const KEEP_HOURS = 2
const AWAY_HOURS = 6
/** After the first hour, and then every ten minutes, instances promise; and compare every five. All know of it then. */
const ROUNDS_MS = 45 * MINUTE_MS

interface Logged {
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Linked instances that keep state in memory, under simulated time. */
class Mesh {
  readonly lab: Lab
  readonly logs: Map<string, Logged[]>
  readonly #states: Map<string, MemoryState>
  readonly #kernels: Map<string, Kernel>
  #published = 0

  static async of(...pairs: readonly string[]): Promise<Mesh> {
    const [states, kernels, logs] = [new Map<string, MemoryState>(), new Map<string, Kernel>(), new Map()]
    const lab = await labOf(pairs, (name): readonly Plugin[] => {
      const state = states.get(name) ?? new MemoryState()
      states.set(name, state)
      const log = logs.get(name) ?? []
      logs.set(name, log)
      const tombstones = { keepDays: KEEP_HOURS / 24, awayDays: AWAY_HOURS / 24 }
      const seeing: Plugin = {
        name: 'seeing',
        apply(kernel) {
          kernels.set(name, kernel)
          kernel.logSink((_, event, fields) => void log.push({ event, fields }))
        },
      }
      return [setKey(), setWeighted(), deleteKey(), keeping(state), catchUp({ everySeconds: 300, tombstones }), seeing]
    })
    return new Mesh(lab, states, kernels, logs)
  }

  private constructor(
    lab: Lab,
    states: Map<string, MemoryState>,
    kernels: Map<string, Kernel>,
    logs: Map<string, Logged[]>,
  ) {
    this.lab = lab
    this.#states = states
    this.#kernels = kernels
    this.logs = logs
  }

  kernel(name: string): Kernel {
    return this.#kernels.get(name) as Kernel
  }

  state(name: string): MemoryState {
    return this.#states.get(name) as MemoryState
  }

  /** What it holds is lost. */
  wipe(name: string): void {
    this.#states.set(name, new MemoryState())
  }

  publish(name: string, message: object) {
    return this.lab.publish(name, `m-${++this.#published}`, message)
  }

  set(name: string, key: string, value: unknown = key) {
    return this.publish(name, { type: 'SK', key, value })
  }

  delete(name: string, key: string) {
    return this.publish(name, { type: 'DEL', key })
  }

  /** A stamp of so many milliseconds ago. */
  ago(milliseconds: number): string {
    return `${this.lab.now('a') - milliseconds}-00000-p`
  }

  figures(name: string) {
    return this.kernel(name).use('catchUp').tombstones
  }

  shapes(name: string): Promise<Readonly<Record<string, string>>> {
    return contents(this.state(name)).then((all) => {
      return Object.fromEntries([...all].map(([key, entry]) => [key, written(entry)]))
    })
  }

  async agree(): Promise<boolean> {
    const held = await Promise.all(
      [...this.#states.values()].map(async (state) => JSON.stringify([...(await contents(state))])),
    )
    return new Set(held).size === 1
  }
}

function written(entry: StateEntry): string {
  if (entry.shape === 'weights') return entry.members.map(({ member, weight }) => `${member}:${weight}`).join()
  return 'value' in entry ? entry.value : entry.shape
}

describe('what was deleted', () => {
  it('is forgotten when everybody has it and it is old enough, and not before', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'b-c')
    await mesh.set('a', 'kept', 1)
    await mesh.set('a', 'gone', 1)
    await mesh.publish('b', {
      type: 'SW',
      key: 'ranks',
      value: [
        { member: 'x', weight: 1 },
        { member: 'y', weight: 2 },
      ],
    })
    await mesh.lab.pass(MINUTE_MS)
    await mesh.delete('c', 'gone')
    await mesh.publish('a', { type: 'SW', key: 'ranks', value: [{ member: 'x', weight: null }] })
    await mesh.lab.pass(KEEP_HOURS * HOUR_MS - 2 * MINUTE_MS)
    for (const name of ['a', 'b', 'c']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ gone: 'tombstone', kept: '1', ranks: 'x:null,y:2' })
    }
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b', 'c']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ kept: '1', ranks: 'y:2' })
      expect(mesh.state(name).statistics().tombstones).to.equal(0)
      expect(mesh.figures(name)).to.include({ purged: 2, members: 3 })
    }
    expect(await mesh.agree()).to.equal(true)
  })

  it('waits for an instance that is away, and stays deleted when it comes back in time', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'b-c')
    await mesh.set('a', 'gone', 1)
    await mesh.lab.pass(HOUR_MS + ROUNDS_MS)
    await mesh.lab.stop('c')
    await mesh.delete('a', 'gone')
    await mesh.lab.pass((AWAY_HOURS - 1) * HOUR_MS)
    expect(await mesh.shapes('a')).to.deep.equal({ gone: 'tombstone' })
    expect(mesh.figures('b')).to.include({ purged: 0, waitingFor: 'c' })
    await mesh.lab.start('c')
    await mesh.lab.pass(HOUR_MS + ROUNDS_MS)
    for (const name of ['a', 'b', 'c']) expect(await mesh.shapes(name), name).to.deep.equal({})
  })

  it('is not brought back by an instance that was away until it was forgotten', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'b-c', 'a-c')
    await mesh.set('a', 'gone', 1)
    await mesh.set('a', 'kept', 1)
    await mesh.publish('b', {
      type: 'SW',
      key: 'ranks',
      value: [
        { member: 'x', weight: 1 },
        { member: 'y', weight: 2 },
      ],
    })
    await mesh.lab.pass(HOUR_MS + ROUNDS_MS)
    await mesh.lab.stop('c')
    await mesh.delete('a', 'gone')
    await mesh.publish('a', { type: 'SW', key: 'ranks', value: [{ member: 'x', weight: null }] })
    // As retention does after seven days.
    for (const name of ['a', 'b']) void mesh.kernel(name).forgetAbsent('c')
    await mesh.lab.pass((AWAY_HOURS + KEEP_HOURS) * HOUR_MS)
    expect(await mesh.shapes('a')).to.deep.equal({ kept: '1', ranks: 'y:2' })
    expect(mesh.logs.get('a')?.filter(({ event }) => event.startsWith('an instance that holds'))).to.have.length(1)
    await mesh.lab.start('c')
    await mesh.set('c', 'new', 2)
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b', 'c']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ kept: '1', new: '2', ranks: 'y:2' })
    }
    expect(await mesh.agree()).to.equal(true)
    expect(mesh.kernel('c').use('catchUp').figures.dropped).to.equal(2)
    expect(mesh.logs.get('c')?.find(({ event }) => event.startsWith('dropped'))?.fields).to.include({ count: 2 })
    // It is one of them again.
    await mesh.delete('b', 'kept')
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    for (const name of ['a', 'b', 'c']) expect(await mesh.shapes(name), name).to.deep.equal({ new: '2', ranks: 'y:2' })
    expect(mesh.figures('a')).to.include({ members: 3 })
  })

  it('is not brought back by a write that is older than what is remembered, and publishers are told', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b')
    await mesh.set('a', 'gone', 1)
    await mesh.delete('a', 'gone')
    const old = { type: 'SK', key: 'gone', value: 'old', version: mesh.ago(HOUR_MS) }
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    expect(await mesh.shapes('a')).to.deep.equal({})
    expect(await mesh.publish('a', old)).to.include({ type: 'NACK', code: 'STALE', retryable: false })
    const relayed = { ...old, messageId: 'late', originInstanceId: 'z', originSequence: 'e.1' }
    expect(await mesh.lab.relay('b', 'z', relayed)).to.include({ type: 'ACK', status: 'stored' })
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b']) expect(await mesh.shapes(name), name).to.deep.equal({})
    const young = { ...old, version: mesh.ago(HOUR_MS), value: 'young' }
    expect(await mesh.publish('a', young)).to.include({ type: 'ACK' })
  })

  it('is forgotten across restarts, which forget no promise and no member', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'b-c')
    await mesh.set('a', 'gone', 1)
    await mesh.delete('a', 'gone')
    const old = { type: 'SK', key: 'gone', value: 'old', version: mesh.ago(HOUR_MS) }
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    expect(await mesh.shapes('b')).to.deep.equal({})
    const before = mesh.figures('b')
    await mesh.lab.stop('c')
    await mesh.lab.stop('b')
    await mesh.lab.start('b')
    expect(mesh.figures('b')).to.include({ floor: before.floor, members: 3 })
    expect(await mesh.publish('b', old)).to.include({ code: 'STALE' })
    await mesh.set('a', 'next', 1)
    await mesh.delete('a', 'next')
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    expect(await mesh.shapes('b'), 'c has not got it').to.deep.equal({ next: 'tombstone' })
    await mesh.lab.start('c')
    await mesh.lab.pass(HOUR_MS + ROUNDS_MS)
    for (const name of ['a', 'b', 'c']) expect(await mesh.shapes(name), name).to.deep.equal({})
  })

  it('stays deleted when an instance that lost everything is back', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'a-c')
    for (const key of ['gone', 'kept']) await mesh.set('a', key, 1)
    await mesh.delete('b', 'gone')
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    await mesh.lab.stop('c')
    mesh.wipe('c')
    await mesh.set('b', 'later', 1)
    await mesh.delete('b', 'later')
    await mesh.lab.start('c')
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b', 'c']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ kept: '1', later: 'tombstone' })
    }
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    for (const name of ['a', 'b', 'c']) expect(await mesh.shapes(name), name).to.deep.equal({ kept: '1' })
  })

  it('is kept while there is somebody who compares and does not say what it has', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b')
    await mesh.set('a', 'gone', 1)
    await mesh.delete('a', 'gone')
    const begin = { type: 'SYNC', id: 1, ask: 'begin', epoch: 'e', root: 'r' }
    await mesh.lab.relay('b', 'old', begin, { syncs: true })
    await mesh.lab.pass((KEEP_HOURS + 2) * HOUR_MS)
    for (const name of ['a', 'b']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ gone: 'tombstone' })
      expect(mesh.figures(name).floor).to.equal(undefined)
    }
    expect(mesh.figures('b')).to.include({ members: 3, waitingFor: 'old' })
    expect(await mesh.kernel('b').use('catchUp').forgetMember('old')).to.equal(true)
    expect(await mesh.kernel('b').use('catchUp').forgetMember('old')).to.equal(false)
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b']) expect(await mesh.shapes(name), name).to.deep.equal({})
  })

  it('is kept by whoever is left with less than half, until it is told to go on', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b')
    await mesh.set('a', 'gone', 1)
    await mesh.lab.pass(HOUR_MS + ROUNDS_MS)
    await mesh.lab.stop('a')
    await mesh.delete('b', 'gone')
    await mesh.lab.pass((AWAY_HOURS + 2) * HOUR_MS)
    expect(await mesh.shapes('b')).to.deep.equal({ gone: 'tombstone' })
    await mesh.kernel('b').use('catchUp').forgetMember('a')
    await mesh.lab.pass(ROUNDS_MS)
    expect(await mesh.shapes('b')).to.deep.equal({})
    await mesh.lab.start('a')
    await mesh.lab.pass(ROUNDS_MS)
    for (const name of ['a', 'b']) expect(await mesh.shapes(name), name).to.deep.equal({})
  })

  it('takes nothing from instances that were never together: what they have is united', async function () {
    this.timeout(60_000)
    const mesh = await Mesh.of('a-b', 'c-d')
    for (const [name, key] of [
      ['a', 'one'],
      ['c', 'two'],
    ] as const) {
      await mesh.set(name, key, 1)
      await mesh.set(name, 'gone', 1)
      await mesh.delete(name, 'gone')
    }
    await mesh.lab.pass((KEEP_HOURS + 2) * HOUR_MS)
    for (const name of ['a', 'c']) expect(mesh.figures(name)).to.include({ purged: 1 })
    await mesh.lab.link('d', 'a')
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    for (const name of ['a', 'b', 'c', 'd']) {
      expect(await mesh.shapes(name), name).to.deep.equal({ one: '1', two: '1' })
      expect(mesh.figures(name), name).to.include({ members: 4 })
      expect(mesh.kernel(name).use('catchUp').figures.dropped).to.equal(0)
    }
    await mesh.delete('b', 'two')
    await mesh.lab.pass((KEEP_HOURS + 2) * HOUR_MS)
    for (const name of ['a', 'b', 'c', 'd']) expect(await mesh.shapes(name), name).to.deep.equal({ one: '1' })
  })

  it('is of no consequence where nothing was: old versions are taken as ever', async () => {
    const mesh = await Mesh.of('a-b')
    await mesh.set('a', 'one', 1)
    await mesh.lab.pass((KEEP_HOURS + 1) * HOUR_MS)
    const old = { type: 'SK', key: 'old', value: 1, version: '1000000000000-00000-p' }
    expect(await mesh.publish('a', old)).to.include({ type: 'ACK' })
    await mesh.lab.pass(MINUTE_MS)
    expect(await mesh.shapes('b')).to.deep.equal({ old: '1', one: '1' })
  })
})
