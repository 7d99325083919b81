import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  type LogFields,
  type Plugin,
  type ReplayId,
  type ReplayJob,
  type Store,
  slipstreamError,
} from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { messageMaker } from '../../../core/testing/messages.ts'
import { type Replays, type ReplayWish, replay } from '../../../plugins/delivery/replay.ts'
import { commands } from '../../../plugins/messages/cmd.ts'
import { MemoryState } from '../../../plugins/state/memory.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { failureOf } from '../../core/support.ts'
import { keeping } from '../../support/bus.ts'
import { type Answer, type Application, type BenchOptions, bench, RETRY_DELAY_MS } from './support.ts'

const REJECTION: Answer = { code: 'INVALID_MESSAGE', retryable: false }
const ids = (count: number, from = 1) => Array.from({ length: count }, (_, at) => `m-${from + at}`)

/** A bench with the plugin, and with a single application whose answer the test sets. */
async function desk(options: BenchOptions = {}) {
  const log: { event: string; fields: LogFields }[] = []
  const applied: string[] = []
  let replays: Replays | undefined
  const spy: Plugin = {
    name: 'spy',
    apply(kernel) {
      replays = kernel.use('replays')
      kernel.logSink((_level, event, fields) => void (event.includes('replay') && log.push({ event, fields })))
      kernel.messageType('test.heard', {
        schema: { type: 'object', required: [], properties: {} },
        apply: (messages) => void applied.push(...messages.map(({ messageId }) => messageId)),
      })
    },
  }
  const subject = await bench({ ...options, plugins: [replay(), spy, ...(options.plugins ?? [])] })
  const service = replays as Replays
  let answer: Answer | undefined = REJECTION
  /** Lets the applications answer all that waits for them. */
  const settled = async () => {
    while (subject.store.statistics().pending > 0) await subject.pass(5)
  }
  const listen = (name = 'app') => subject.connect(name, () => answer)
  return Object.assign(subject, {
    log,
    applied,
    replays: service,
    listen,
    answer: (next: Answer | undefined) => {
      answer = next
    },
    /** Publishes messages that the applications refuse for good. */
    async bury(...messages: readonly (string | Readonly<Record<string, unknown>>)[]) {
      answer = REJECTION
      await subject.publish(...messages)
      await settled()
      answer = 'ACK'
    },
    settled,
    async start(wish: Partial<ReplayWish> = {}) {
      const started = await service.start({ by: 'operator', filter: {}, ...wish })
      await subject.rest()
      return started
    },
    async job(id: ReplayId): Promise<ReplayJob> {
      return (await service.show(id)) as ReplayJob
    },
  })
}

/** What came to an application after that many. */
const since = ({ got }: Application, count: number) => got.slice(count)

describe('a replay', () => {
  it('brings dead letters to whom they were for, with their original ids, and to nobody else', async () => {
    const subject = await desk()
    const [app, other] = [await subject.listen('app'), await subject.listen('other')]
    await subject.bury('m-1', 'm-2')
    const { job } = await subject.start({ filter: { recipient: 'app' } })
    expect(since(app, 2)).to.deep.equal(['m-1', 'm-2'])
    expect(since(other, 2)).to.deep.equal([])
    await subject.pass(1_000)
    expect(subject.sums()).to.deep.equal({ targeted: 2, acked: 2, pending: 0, dead: 0, collapsed: 0, forgotten: 0 })
    expect(await subject.job(job.id)).to.include({ state: 'done', total: 2, replayed: 2, failed: 0, skipped: 0 })
  })

  it('waits for somebody who is away, however many there are', async () => {
    const subject = await desk()
    const app = await subject.listen()
    const all = ids(3_000)
    await subject.bury(...all)
    app.close()
    await subject.start({ perSecond: 10_000 })
    await subject.pass(1_000)
    expect(await subject.dead()).to.deep.equal([])
    expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(3_000)
    const back = await subject.listen()
    await subject.settled()
    expect(back.got).to.deep.equal(all)
  }).timeout(20_000)

  it('leaves out commands, unless they are asked for by name: then those run whose time is not over', async () => {
    const runtime = new ManualRuntime()
    const allow = [{ command: 'slipstream.ping', identities: '*' as const }]
    const subject = await desk({ runtime, plugins: [commands({ allow })] })
    const neighbour = await subject.connect('two', () => REJECTION, { role: 'instance' })
    const command = (messageId: string, seconds: number) => {
      const expiresAt = runtime.now() + seconds * 1_000
      return { type: 'CMD', messageId, command: 'slipstream.ping', targetInstanceId: 'two', expiresAt }
    }
    await subject.bury({ messageId: 'write', key: 'k' }, command('lasting', 3_600), command('short', 10))
    expect((await subject.dead()).map(({ messageId }) => messageId)).to.have.members(['write', 'lasting', 'short'])
    neighbour.close()
    await subject.pass(20_000)
    expect(await subject.replays.preview({})).to.deep.equal({ selected: 1, more: 0 })
    expect((await subject.start()).job).to.include({ total: 1 })
    const ids = (await subject.dead()).map(({ id }) => id)
    expect((await subject.start({ filter: { ids } })).job).to.include({ total: 0 })
    const named = await subject.start({ filter: { type: 'CMD' } })
    expect(named.job).to.include({ total: 2 })
    const back = await subject.connect('two', () => 'ACK', { role: 'instance' })
    await subject.pass(2_000)
    expect(back.got).to.have.members(['write', 'lasting'])
    expect((await subject.dead()).map(({ messageId, reason }) => [messageId, reason])).to.deep.equal([
      ['short', 'EXPIRED'],
    ])
  })

  it('reaches @self', async () => {
    const subject = await desk()
    const self = await subject.store.saveRecipient({
      name: '@self',
      role: 'instance',
      tags: [],
      clusterGroupId: undefined,
      url: undefined,
      lastSeenAt: 0,
    })
    await subject.publish({ type: 'test.heard', messageId: 'm-1' })
    await subject.publish({ type: 'SK', messageId: 'm-2', key: 'k' })
    expect(subject.applied).to.deep.equal(['m-1'])
    await buryAtSelf(subject.store, self)
    expect((await subject.dead()).map(({ recipient }) => recipient)).to.deep.equal(['@self'])
    await subject.start()
    await subject.pass(1_000)
    expect(subject.applied).to.deep.equal(['m-1', 'late'])
    expect(subject.sums('@self')).to.include({ acked: 2, pending: 0, dead: 0 })
  })

  it('leaves alone what is newer than a replayed write, and counts that as superseded', async () => {
    const state = new MemoryState()
    const subject = await desk({ plugins: [keeping(state)] })
    const { join: joins } = state
    state.join = () => Promise.reject(new Error('this one does not fit'))
    await subject.publish({ type: 'SK', messageId: 'old', key: 'k', value: 1 })
    await subject.publish({ type: 'SK', messageId: 'other', key: 'other', value: 1 })
    await subject.pass(3_600_000)
    expect((await subject.dead()).map(({ messageId }) => messageId)).to.have.members(['old', 'other'])
    state.join = joins
    await subject.publish({ type: 'SK', messageId: 'new', key: 'k', value: 2 })
    await subject.pass(100)
    const { job } = await subject.start()
    await subject.pass(1_000)
    expect(await subject.job(job.id)).to.include({ state: 'done', replayed: 2, superseded: 1, failed: 0 })
    const values = await state.read(['k', 'other'].map((key) => ({ space: 'keys', key })))
    expect(values.map((entry) => entry && 'value' in entry && entry.value)).to.deep.equal(['2', '1'])
  })

  describe('freezes its selection', () => {
    it('and takes nothing that dies later, not even what it has replayed itself', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(4))
      subject.answer(REJECTION)
      const { job } = await subject.start({ perSecond: 10 })
      await subject.publish('m-5')
      await subject.pass(2_000)
      expect(since(app, 4)).to.deep.equal(['m-1', 'm-5', 'm-2', 'm-3', 'm-4'])
      expect(await subject.job(job.id)).to.include({ state: 'done', total: 4, replayed: 4, failed: 4 })
      expect((await subject.dead()).map(({ messageId }) => messageId)).to.have.members(ids(5))
    })
  })

  describe('is idempotent', () => {
    it('when it is asked for twice at once, and again later', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(20))
      const asked = [subject.start(), subject.start()]
      const totals = (await Promise.all(asked)).map(({ job }) => job.total)
      expect(totals).to.deep.equal([20, 0])
      await subject.pass(1_000)
      expect((await subject.start()).job).to.include({ total: 0, state: 'done' })
      await subject.pass(1_000)
      expect(since(app, 20)).to.deep.equal(ids(20))
    })

    it('when a delivery is dead on disk, and its outbox has not heard of it yet', async () => {
      let open = () => {}
      let gate = Promise.resolve()
      const slow: Plugin = { name: 'slow', apply: ({ hooks }) => hooks.ack.tapPromise(() => gate) }
      const subject = await desk({ plugins: [slow] })
      const app = await subject.listen()
      subject.answer(undefined)
      await subject.publish('m-1')
      gate = new Promise((resolve) => {
        open = resolve
      })
      subject.answer('ACK')
      app.nack('m-1', { code: 'INVALID_MESSAGE', retryable: false })
      await subject.publish('m-2')
      expect(await subject.dead()).to.have.length(1)
      await subject.start()
      expect(app.got).to.deep.equal(['m-1'])
      open()
      await subject.pass(1_000)
      expect(app.got).to.deep.equal(['m-1', 'm-2', 'm-1'])
      expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(0)
      expect(subject.sums()).to.include({ acked: 2, pending: 0, dead: 0 })
    })

    it('when the store could not say whether a delivery is dead, and it is', async () => {
      const store = new MemoryStore()
      const subject = await desk({ store })
      const app = await subject.listen()
      const { write } = store
      store.write = async (batch) => {
        const verdicts = await write.call(store, batch)
        if (batch.deaths.length === 0) return verdicts
        store.write = write
        throw slipstreamError('SLP_STORE_FAILED', ['EIO'])
      }
      subject.answer(REJECTION)
      await subject.publish('m-1')
      expect(await subject.dead()).to.have.length(1)
      subject.answer('ACK')
      const { job } = await subject.start()
      await subject.pass(500)
      expect(app.got).to.deep.equal(['m-1'])
      await subject.pass(1_000)
      expect(app.got).to.deep.equal(['m-1', 'm-1'])
      expect(await subject.job(job.id)).to.include({ state: 'done', replayed: 1, failed: 0 })
      expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(0)
      expect(subject.sums()).to.include({ acked: 1, pending: 0, dead: 0 })
    })

    it('when the store fails as the job is made, and has it all the same', async () => {
      const store = new MemoryStore()
      const subject = await desk({ store })
      const app = await subject.listen()
      await subject.bury(...ids(5))
      const { createReplay, replays } = store
      store.createReplay = async (order) => {
        store.createReplay = createReplay
        await store.createReplay(order)
        throw slipstreamError('SLP_STORE_FAILED', ['EIO'])
      }
      store.replays = async () => {
        store.replays = replays
        throw slipstreamError('SLP_STORE_FAILED', ['EIO'])
      }
      expect(await failureOf(Error, () => subject.start())).to.include({ code: 'SLP_STORE_FAILED' })
      const again = await subject.start()
      expect(again.job.total).to.equal(0)
      await subject.pass(5_000)
      expect(since(app, 5)).to.deep.equal(ids(5))
      expect((await subject.replays.list()).map(({ state, replayed }) => [state, replayed])).to.deep.equal([
        ['done', 0],
        ['done', 5],
      ])
    })

    for (const applied of [true, false]) {
      it(`when the store fails in the middle of a step, and has ${applied ? 'everything' : 'nothing'} on disk`, async () => {
        const store = new MemoryStore()
        const subject = await desk({ store })
        const app = await subject.listen()
        await subject.bury(...ids(30))
        failNextRevival(store, applied)
        const { job } = await subject.start()
        await subject.rest()
        expect(subject.log.map(({ event }) => event)).to.include('dead letters replay failed')
        await subject.pass(5_000)
        expect(since(app, 30)).to.deep.equal(ids(30))
        expect(await subject.job(job.id)).to.include({ state: 'done', replayed: 30, skipped: 0 })
        expect(subject.sums()).to.include({ acked: 30, pending: 0, dead: 0 })
        expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(0)
      })
    }
  })

  describe('keeps the order of a key', () => {
    it('in whichever order they died, a step at a time', async () => {
      const subject = await desk()
      const app = await subject.listen()
      subject.answer(undefined)
      await subject.publish(...ids(12).map((messageId) => ({ messageId, key: 'k' })))
      for (const id of ids(12).reverse()) app.nack(id, { code: 'INVALID_MESSAGE', retryable: false })
      await subject.rest()
      expect((await subject.dead()).map(({ messageId }) => messageId)).to.deep.equal(ids(12).reverse())
      subject.answer('ACK')
      await subject.start({ perSecond: 50 })
      await subject.pass(1_000)
      expect(since(app, 12)).to.deep.equal(ids(12))
    })

    it('of a strict type while an older one fails: the younger ones wait until it is done', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(3).map((messageId) => ({ type: 'test.strict', messageId, key: 'k' })))
      subject.answer({ code: 'STORE_UNAVAILABLE', retryable: true })
      await subject.start({ perSecond: 10 })
      subject.answer('ACK')
      await subject.pass(1_000)
      expect(since(app, 3)).to.deep.equal(['m-1'])
      await subject.pass(RETRY_DELAY_MS)
      expect(since(app, 3)).to.deep.equal(['m-1', 'm-1', 'm-2', 'm-3'])
    })

    it('of a strict type also among those that wait: the oldest goes first, one at a time', async () => {
      const subject = await desk()
      const app = await subject.listen()
      const strict = (messageId: string) => ({ type: 'test.strict', messageId, key: 'k' })
      await subject.bury(...ids(3).map(strict))
      subject.answer(undefined)
      await subject.publish(...ids(2, 4).map(strict))
      expect(since(app, 3)).to.deep.equal(['m-4'])
      await subject.start({ perSecond: 10 })
      await subject.pass(1_000)
      expect(since(app, 3)).to.deep.equal(['m-4'])
      for (const id of ['m-4', 'm-1', 'm-2', 'm-3', 'm-5']) {
        expect(app.got.at(-1)).to.equal(id)
        app.ack(id)
        await subject.pass(5)
      }
      expect(subject.sums()).to.include({ acked: 5, pending: 0 })
    })
  })

  describe('has a rate', () => {
    it('that it never exceeds', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(40))
      await subject.start({ perSecond: 10 })
      const came = [since(app, 40).length]
      for (let second = 1; second <= 4; second++) {
        await subject.pass(1_000)
        came.push(since(app, 40).length)
      }
      expect(came).to.deep.equal([1, 11, 21, 31, 40])
    })

    it('of 100 in a second when it is not told, and of 10,000 at most', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(600))
      const { job } = await subject.start({ filter: { ids: [1] } })
      expect(job.perSecond).to.equal(100)
      await subject.pass(1_000)
      const fast = await subject.start({ perSecond: 1_000_000 })
      expect(fast.job.perSecond).to.equal(10_000)
      expect((await subject.job(fast.job.id)).replayed).to.equal(250)
      await subject.pass(50)
      expect(await subject.job(fast.job.id)).to.include({ replayed: 599, state: 'done' })
    })
  })

  describe('stops by itself', () => {
    it('when more than a tenth, and more than ten, have died again; the rest stays dead', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(150))
      subject.answer(REJECTION)
      const { job, ended } = await subject.start()
      expect(job.maxFailures).to.equal(15)
      await subject.pass(5_000)
      const stopped = await subject.job(job.id)
      expect(stopped).to.include({ state: 'stopped', replayed: 20, failed: 20, skipped: 0 })
      expect(stopped.reason).to.match(/20 of 20 .* more than 15.*replay again/)
      expect(stopped.endedAt).to.be.greaterThan(stopped.createdAt)
      expect(await ended).to.deep.equal(stopped)
      expect(since(app, 150)).to.deep.equal(ids(20))
      expect(subject.sums()).to.include({ pending: 0, dead: 150 })
      expect(subject.log.at(-1)).to.deep.equal({
        event: 'dead letters replay stopped',
        fields: { job: job.id, count: 20, reason: stopped.reason },
      })
      subject.answer('ACK')
      expect((await subject.start({ perSecond: 10_000 })).job).to.include({ total: 150 })
      await subject.pass(1_000)
      expect(subject.sums()).to.include({ acked: 150, pending: 0, dead: 0 })
    })

    it('never below ten failures when it is not told', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(10))
      subject.answer(REJECTION)
      const { job } = await subject.start({ perSecond: 10 })
      await subject.pass(5_000)
      expect(await subject.job(job.id)).to.include({ state: 'done', maxFailures: 10, replayed: 10, failed: 10 })
    })

    it('at the number that it is told', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(10))
      subject.answer(REJECTION)
      const { job } = await subject.start({ perSecond: 10, maxFailures: 0 })
      await subject.pass(5_000)
      expect(await subject.job(job.id)).to.include({ state: 'stopped', replayed: 1, failed: 1 })
    })
  })

  describe('survives a restart', () => {
    let folder: string

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'slipstream-replay-'))
    })

    afterEach(() => rmSync(folder, { recursive: true }))

    const sqliteStore = () =>
      new SqliteStore({ path: join(folder, 'test.db'), maxBytes: 1024 ** 3, log: new FanOutLog() })

    it('in the middle, after a crash: each once, in order, and what dies afterwards counts', async () => {
      const subject = await desk({ store: sqliteStore() })
      const app = await subject.listen()
      await subject.bury(...ids(60))
      const { job } = await subject.start({ maxFailures: 60 })
      await subject.pass(200)
      expect(since(app, 60)).to.deep.equal(ids(30))
      // Nothing is written any more from here on, as if the process were gone.
      await subject.store.close()
      const { runtime } = subject

      const next = await desk({ store: sqliteStore(), runtime })
      expect(await next.job(job.id)).to.include({ state: 'running', replayed: 30, failed: 0 })
      next.answer(REJECTION)
      const back = await next.listen()
      await next.pass(100)
      next.answer('ACK')
      await next.pass(2_000)
      const done = await next.job(job.id)
      expect(done).to.include({ state: 'done', replayed: 60, skipped: 0 })
      expect(done.failed).to.equal((await next.dead()).length)
      expect(back.got.filter((id) => !ids(30).includes(id))).to.deep.equal(ids(30, 31))
      expect(done.failed).to.be.greaterThan(0)
    })

    it('in order: it ends with the step that is under way, and goes on with the next start', async () => {
      const subject = await desk({ store: sqliteStore() })
      await subject.listen()
      await subject.bury(...ids(40))
      const { job, ended } = await subject.start()
      await subject.pass(100)
      await subject.end()
      expect(await ended).to.include({ id: job.id, state: 'running', replayed: 20 })
      expect(subject.runtime.timers).to.deep.equal([])

      const next = await desk({ store: sqliteStore(), runtime: subject.runtime })
      next.answer('ACK')
      const back = await next.listen()
      await next.pass(1_000)
      expect(back.got).to.deep.equal(ids(20, 21))
      expect(await next.job(job.id)).to.include({ state: 'done', replayed: 40 })
      expect(next.sums()).to.include({ acked: 40, pending: 0, dead: 0 })
    })

    it('with those that wait in line, and stops the one that has failed too often meanwhile', async () => {
      const subject = await desk({ store: sqliteStore() })
      await subject.listen()
      await subject.bury(...ids(20))
      const half = (await subject.dead()).slice(0, 10).map(({ id }) => id)
      subject.answer(undefined)
      const first = await subject.start({ filter: { ids: half }, maxFailures: 0, perSecond: 10 })
      const second = await subject.start()
      await subject.pass(0)
      await subject.end()

      const next = await desk({ store: sqliteStore(), runtime: subject.runtime })
      await next.listen()
      await next.pass(1_000)
      expect(await next.job(first.job.id)).to.include({ state: 'stopped', replayed: 2, failed: 2 })
      next.answer('ACK')
      await next.pass(2_000)
      expect(await next.job(second.job.id)).to.include({ state: 'done', total: 10, replayed: 10 })
    })
  })

  describe('leaves a trace', () => {
    it('in the store: who asked for what, and what came of it; and in the log, when it starts and when it has ended', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(3))
      const createdAt = subject.runtime.now()
      const filter = { recipient: 'app', type: 'SK' }
      const { job, more, ended } = await subject.start({ by: 'a-plugin', filter, perSecond: 10, maxFailures: 2 })
      await subject.pass(1_000)
      const [kept] = await subject.replays.list()
      expect(kept).to.deep.equal({
        id: job.id,
        createdAt,
        by: 'a-plugin',
        filter,
        perSecond: 10,
        maxFailures: 2,
        total: 3,
        replayed: 3,
        failed: 0,
        superseded: 0,
        skipped: 0,
        state: 'done',
        reason: undefined,
        endedAt: createdAt + 200,
      })
      expect([more, await ended]).to.deep.equal([0, kept])
      expect(subject.log).to.deep.equal([
        { event: 'dead letters replay started', fields: { job: job.id, count: 3 } },
        { event: 'dead letters replayed', fields: { job: job.id, count: 3, status: 'done' } },
      ])
    })
  })

  describe('can be cancelled', () => {
    it('while it runs: the rest stays dead, and can be replayed anew', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(10))
      const { job, ended } = await subject.start({ perSecond: 10 })
      const cancelled = await subject.replays.cancel(job.id, 'operator')
      expect(cancelled).to.include({ state: 'cancelled', replayed: 1, skipped: 0 })
      expect(cancelled?.reason).to.match(/by operator.*replay again/)
      expect(await ended).to.deep.equal(cancelled)
      await subject.pass(5_000)
      expect(since(app, 10)).to.deep.equal(['m-1'])
      expect((await subject.start()).job.total).to.equal(9)
    })

    it('while it waits; not when it has ended, and not when nobody knows it', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(10))
      const [first] = (await subject.dead()).map(({ id }) => id)
      const running = await subject.start({ filter: { ids: [first as number] } })
      const waiting = await subject.start()
      await subject.replays.cancel(waiting.job.id, 'operator')
      await subject.pass(1_000)
      expect(await subject.job(waiting.job.id)).to.include({ state: 'cancelled', replayed: 0 })
      const done = await subject.job(running.job.id)
      expect(done.state).to.equal('done')
      expect(await subject.replays.cancel(done.id, 'operator')).to.deep.equal(done)
      expect(await subject.replays.cancel(4_711, 'operator')).to.equal(undefined)
    })
  })

  describe('waits in line', () => {
    it('while another one runs', async () => {
      const subject = await desk()
      const app = await subject.listen()
      await subject.bury(...ids(6))
      const letters = (await subject.dead()).map(({ id }) => id)
      const parts = [letters.slice(3), letters.slice(0, 3)]
      for (const part of parts) await subject.start({ filter: { ids: part }, perSecond: 10 })
      expect((await subject.replays.list()).map(({ state }) => state)).to.deep.equal(['waiting', 'running'])
      expect(subject.replays.figures).to.deep.equal({ waiting: 1, running: 1, replayed: 1 })
      await subject.pass(1_000)
      expect(since(app, 6)).to.deep.equal([...ids(3, 4), ...ids(3)])
      expect(subject.replays.figures).to.deep.equal({ waiting: 0, running: 0, replayed: 6 })
    })

    it('that holds 100 at most', async () => {
      const subject = await desk()
      await subject.listen()
      await subject.bury(...ids(102))
      const { items } = await subject.store.deadLetters({}, { limit: 102 })
      const [one, other, ...rest] = items.map(({ id }) => id) as [number, number, ...number[]]
      await subject.start({ filter: { ids: [one, other] }, perSecond: 1 })
      for (const id of rest.slice(1)) await subject.start({ filter: { ids: [id] } })
      expect(subject.replays.figures).to.include({ waiting: 99, running: 1 })
      const error = await failureOf(Error, () => subject.start())
      expect(error).to.include({ code: 'SLP_REPLAY_QUEUE' })
      await subject.pass(2_000)
      expect((await subject.start()).job.total).to.equal(1)
    })
  })

  it('says how many it would select, and changes nothing', async () => {
    const subject = await desk()
    await subject.listen()
    await subject.bury(...ids(3))
    expect(await subject.replays.preview({ recipient: 'app' })).to.deep.equal({ selected: 3, more: 0 })
    expect(await subject.replays.list()).to.deep.equal([])
    expect(await subject.dead()).to.have.length(3)
  })
})

/** A dead letter of @self, for a message that it can apply. */
async function buryAtSelf(store: Store, recipient: number): Promise<void> {
  const message = messageMaker()({ type: 'test.heard', messageId: 'late' })
  const nothing = { entries: [], settlements: [], retries: [], deaths: [] }
  const [verdict] = await store.write({ ...nothing, entries: [{ message, recipients: [recipient] }] })
  const seq = verdict?.status === 'stored' ? verdict.seq : 0
  const attempts = { sends: 0, nacks: 0, timeouts: 0, disconnects: 0 }
  const death = { recipient, seq, attempts, reason: 'REJECTED', error: 'no', plugin: 'p', pluginVersion: '1' } as const
  await store.write({ ...nothing, deaths: [death] })
}

/** Of the next revival, nobody is told what came of it. */
function failNextRevival(store: MemoryStore, applied: boolean): void {
  const { reviveDeadLetters } = store
  store.reviveDeadLetters = async (...given) => {
    store.reviveDeadLetters = reviveDeadLetters
    if (applied) await store.reviveDeadLetters(...given)
    throw slipstreamError('SLP_STORE_FAILED', ['EIO'])
  }
}
