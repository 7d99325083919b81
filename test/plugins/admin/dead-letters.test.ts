import { join } from 'node:path'
import { expect } from 'chai'
import {
  type Kernel,
  type LogFields,
  type Plugin,
  type ReplayJob,
  type Settings,
  slipstreamError,
} from '../../../core/index.ts'
import { deadLettersApi } from '../../../plugins/admin/dead-letters/index.ts'
import type { Handler, HttpService } from '../../../plugins/admin/http/index.ts'
import { replay } from '../../../plugins/delivery/replay.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { memory } from '../../../plugins/stores/memory.ts'
import { sqlite } from '../../../plugins/stores/sqlite/index.ts'
import { ManualRuntime, settle } from '../../core/manual-runtime.ts'
import {
  type Answered,
  type Client,
  closeAll,
  eventually,
  publish,
  type Running,
  startBus,
  temporaryFile,
  temporaryFolder,
} from './support.ts'

const PATH = '/api/v1/dead-letters'
const JSON_TYPE = { 'content-type': 'application/json' }

interface Item {
  readonly id: number
  readonly messageId: string
  readonly recipient: string
}

interface Desk extends Running {
  /** What was logged about dead letters. */
  readonly audit: readonly { readonly event: string; readonly fields: LogFields }[]
  list(query?: string): Promise<{ readonly total: number; readonly items: readonly Item[]; readonly next?: number }>
  replay(wish?: unknown, query?: string): Promise<Answered>
  discard(wish?: unknown, query?: string): Promise<Answered>
}

const stores: Readonly<Record<string, () => Promise<Plugin>>> = {
  memory: async () => memory(),
  sqlite: async () => sqlite({ path: join(await temporaryFolder(), 'slipstream.db') }),
}

async function startDesk(store = 'memory', settings: Partial<Settings> = {}): Promise<Desk> {
  const audit: { event: string; fields: LogFields }[] = []
  const auditor: Plugin = {
    name: 'auditor',
    apply: (kernel) =>
      kernel.logSink((level, event, fields) => {
        if (level === 'message' && event.startsWith('dead letter')) audit.push({ event, fields })
      }),
  }
  const plugins = [auditor, nack(), republish(), replay(), deadLettersApi()]
  const running = await startBus({ plugins, settings, store: await (stores[store] as () => Promise<Plugin>)() })
  const { ask } = running
  const send =
    (method: string, path: string) =>
    (wish?: unknown, query = '') =>
      ask(`${path}${query}`, { method, headers: JSON_TYPE, ...(wish !== undefined && { body: JSON.stringify(wish) }) })
  return {
    ...running,
    audit,
    list: async (query = '') => (await ask(`${PATH}${query}`)).body as unknown as Awaited<ReturnType<Desk['list']>>,
    replay: send('POST', `${PATH}/replay`),
    discard: send('DELETE', PATH),
  }
}

/** How often that message came. */
const times = ({ received }: Client, messageId: string) => received.filter((one) => one.messageId === messageId).length

/** Refuses that message for good, once it has come. */
async function reject(client: Client, messageId: string): Promise<void> {
  await eventually(() => times(client, messageId) > 0)
  const reason = '/key must not be taken'
  client.send({ type: 'NACK', messageId, code: 'INVALID_MESSAGE', reason, retryable: false })
}

/** Publishes messages that these clients refuse for good, and waits until all are dead letters. */
async function bury(desk: Desk, clients: readonly Client[], ids: readonly string[]): Promise<void> {
  const publisher = desk.connect()
  const before = (await desk.list()).total
  for (const id of ids) await publish(publisher, id, 'a secret value')
  for (const client of clients) for (const id of ids) await reject(client, id)
  await eventually(async () => (await desk.list()).total === before + clients.length * ids.length)
}

async function named(desk: Desk, ...names: readonly string[]): Promise<Client[]> {
  const clients = names.map((name) => desk.connect({ instanceId: name }))
  await eventually(() => names.every((name) => desk.bus.recipients().some((one) => one.name === name)))
  return clients
}

describe('dead-letters-api', () => {
  afterEach(closeAll)

  for (const store of Object.keys(stores)) {
    describe(`over the store ${store}`, () => {
      it('lists what a client refused for good, with what is known of it and without its value', async () => {
        const desk = await startDesk(store)
        const [client] = (await named(desk, 'pi-1')) as [Client]
        await bury(desk, [client], ['m-1'])
        const { text, body } = await desk.ask(PATH)
        const { total, items } = body as unknown as { total: number; items: Record<string, unknown>[] }
        expect(total).to.equal(1)
        expect(items[0]).to.deep.include({
          messageId: 'm-1',
          type: 'SK',
          recipient: 'pi-1',
          reason: 'REJECTED',
          error: 'INVALID_MESSAGE /key must not be taken',
          attempts: { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 },
          plugin: 'republish',
          pluginVersion: '1.0.0',
          count: 1,
        })
        expect(items[0]?.path).to.be.an('array')
        expect(Date.parse(String(items[0]?.diedAt))).to.be.within(Date.now() - 10_000, Date.now())
        expect(text).to.not.contain('secret')
      })

      it('replays with the original id, to the recipient it was for and to nobody else', async () => {
        const desk = await startDesk(store)
        const [one, other] = (await named(desk, 'pi-1', 'pi-2')) as [Client, Client]
        await publish(desk.connect(), 'm-1', 'a secret value')
        await eventually(() => times(other, 'm-1') === 1)
        other.send({ type: 'ACK', messageId: 'm-1' })
        await reject(one, 'm-1')
        await eventually(async () => (await desk.list()).total === 1)
        const answered = await desk.replay({ recipient: 'pi-1' })
        const { job } = answered.body
        expect(answered.status).to.equal(200)
        expect(answered.body).to.deep.equal({ selected: 1, more: 0, replayed: 1, job, state: 'done' })
        await eventually(() => times(one, 'm-1') === 2)
        expect(one.received.at(-1)).to.deep.equal(one.received[0])
        one.send({ type: 'ACK', messageId: 'm-1' })
        await eventually(() => desk.kernel.storeStatistics().pending === 0)
        expect(times(other, 'm-1')).to.equal(1)
        expect((await desk.list()).total).to.equal(0)
        expect(desk.audit).to.deep.equal([
          { event: 'dead letters replay started', fields: { job, count: 1 } },
          { event: 'dead letters replayed', fields: { job, count: 1, status: 'done' } },
        ])
      })

      it('delivers once what is replayed twice', async () => {
        const desk = await startDesk(store)
        const [client] = (await named(desk, 'pi-1')) as [Client]
        await bury(desk, [client], ['m-1'])
        const [{ id }] = (await desk.list()).items as [Item]
        const answers = await Promise.all([desk.replay({ ids: [id] }), desk.replay({ ids: [id] })])
        answers.push(await desk.replay({ ids: [id] }))
        expect(answers.reduce((sum, { body }) => sum + Number(body.replayed), 0)).to.equal(1)
        await eventually(() => times(client, 'm-1') === 2)
        client.send({ type: 'ACK', messageId: 'm-1' })
        await publish(desk.connect(), 'm-2')
        await eventually(() => times(client, 'm-2') === 1)
        expect(times(client, 'm-1')).to.equal(2)
      })

      it('discards for good, and the sums still hold', async () => {
        const desk = await startDesk(store)
        const [client] = (await named(desk, 'pi-1')) as [Client]
        await bury(desk, [client], ['m-1', 'm-2'])
        const [{ id }] = (await desk.list()).items as [Item]
        expect((await desk.discard({ ids: [id] })).body).to.deep.equal({ selected: 1, more: 0, discarded: 1 })
        expect((await desk.discard({ ids: [id] })).body).to.deep.equal({ selected: 0, more: 0, discarded: 0 })
        expect((await desk.list()).items.map(({ messageId }) => messageId)).to.deep.equal(['m-2'])
        const sums = desk.kernel.ledger().find(({ recipient }) => recipient === 'pi-1')
        expect(sums).to.include({ targeted: 2, dead: 2, pending: 0, acked: 0 })
        expect(desk.audit[0]).to.deep.equal({ event: 'dead letters discarded', fields: { count: 1 } })
      })

      it('counts them by recipient and reason', async () => {
        const desk = await startDesk(store)
        const clients = await named(desk, 'pi-1', 'pi-2')
        await bury(desk, clients, ['m-1', 'm-2'])
        await desk.discard({ ids: [(await desk.list('?recipient=pi-2')).items[0]?.id] })
        const { total, items } = (await desk.ask(`${PATH}/groups`)).body
        expect(total).to.equal(2)
        expect(items).to.have.deep.members([
          { recipient: 'pi-1', reason: 'REJECTED', total: 2 },
          { recipient: 'pi-2', reason: 'REJECTED', total: 1 },
        ])
      })

      it('filters by all that is given', async () => {
        const desk = await startDesk(store)
        const clients = await named(desk, 'pi-1', 'pi-2')
        await bury(desk, clients, ['m-1'])
        const ids = (await desk.list()).items.map(({ id }) => id)
        const count = async (query: string) => (await desk.list(query)).total
        expect(await count('?recipient=pi-1')).to.equal(1)
        expect(await count('?recipient=pi-1&reason=REJECTED&type=SK')).to.equal(1)
        expect(await count('?reason=POISON')).to.equal(0)
        expect(await count('?type=SA')).to.equal(0)
        expect(await count('?keyPrefix=a%20k')).to.equal(2)
        expect(await count('?keyPrefix=b')).to.equal(0)
        expect(await count('?olderThanSeconds=3600')).to.equal(0)
        expect(await count(`?ids=${ids.join(',')}`)).to.equal(2)
        expect(await count(`?ids=${ids[0]}&ids=999`)).to.equal(1)
      })
    })
  }

  it('lists page by page', async () => {
    const desk = await startDesk()
    const [client] = (await named(desk, 'pi-1')) as [Client]
    await bury(desk, [client], ['m-1', 'm-2', 'm-3'])
    const first = await desk.list('?limit=2')
    expect(first.items.map(({ messageId }) => messageId)).to.deep.equal(['m-1', 'm-2'])
    const second = await desk.list(`?limit=2&after=${first.next}`)
    expect(second.items.map(({ messageId }) => messageId)).to.deep.equal(['m-3'])
    expect([first.total, second.total, second.next]).to.deep.equal([3, 3, undefined])
    expect((await desk.list('?limit=3')).next).to.equal(undefined)
  })

  it('only counts on a dry run', async () => {
    const desk = await startDesk()
    const [client] = (await named(desk, 'pi-1')) as [Client]
    await bury(desk, [client], ['m-1', 'm-2'])
    const dry = { selected: 2, more: 0 }
    expect((await desk.replay({ all: true, dryRun: true })).body).to.deep.equal({ ...dry, replayed: 0 })
    expect((await desk.discard({ recipient: 'pi-1', dryRun: true })).body).to.deep.equal({ ...dry, discarded: 0 })
    expect((await desk.list()).total).to.equal(2)
    expect(desk.audit).to.deep.equal([])
  })

  it('takes a filter from the query as well, and everything when told so', async () => {
    const desk = await startDesk()
    const clients = await named(desk, 'pi-1', 'pi-2')
    await bury(desk, clients, ['m-1'])
    expect((await desk.discard(undefined, '?recipient=pi-1')).body).to.include({ selected: 1, discarded: 1 })
    expect((await desk.discard(undefined, '?all=true')).body).to.include({ selected: 1, discarded: 1 })
  })

  it('replays many, a part at a time, each once and in their old order', async () => {
    const desk = await startDesk('sqlite')
    const [client] = (await named(desk, 'pi-1')) as [Client]
    const ids = Array.from({ length: 600 }, (_, n) => `m-${n}`)
    await bury(desk, [client], ids)
    const answering = client.received.length
    const replayed = desk.replay({ all: true, perSecond: 10_000 })
    for (let done = answering; done < answering + ids.length; done++) {
      await eventually(() => client.received.length > done)
      client.send({ type: 'ACK', messageId: client.received[done]?.messageId })
    }
    expect((await replayed).body).to.include({ selected: 600, more: 0, replayed: 600, state: 'done' })
    expect(client.received.slice(answering).map(({ messageId }) => messageId)).to.deep.equal(ids)
    await eventually(() => desk.kernel.storeStatistics().pending === 0)
  }).timeout(30_000)

  describe('shows one', () => {
    const value = '{"amount":9007199254740993}'

    async function buried(settings: Partial<Settings> = {}): Promise<Desk & { readonly id: number }> {
      const desk = await startDesk('memory', settings)
      const [client] = (await named(desk, 'pi-1')) as [Client]
      desk.connect().send(`{"type":"SK","messageId":"m-1","key":"k","value":${value}}`)
      await reject(client, 'm-1')
      await eventually(() => desk.kernel.storeStatistics().dead === 1)
      const { items } = await desk.kernel.deadLetters.list({}, { limit: 1 })
      return { ...desk, id: items[0]?.id ?? 0 }
    }

    it('with all that is known of it, and without its value', async () => {
      const { ask, id } = await buried()
      const { status, body, text } = await ask(`${PATH}/${id}`)
      expect(status).to.equal(200)
      expect(body).to.deep.include({
        id,
        messageId: 'm-1',
        recipient: 'pi-1',
        reason: 'REJECTED',
        attempts: { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 },
        plugin: 'republish',
        count: 1,
      })
      expect(body.path).to.be.an('array')
      expect(text).to.not.contain('amount')
      expect((await ask(`${PATH}/${id}?value=false`)).text).to.equal(text)
    })

    it('with its value as it was published, when asked on its own machine; and says so in the log', async () => {
      const { ask, id, audit } = await buried()
      const { status, text, headers } = await ask(`${PATH}/${id}?value=true`)
      expect(status).to.equal(200)
      expect(headers['content-type']).to.equal('application/json')
      expect(text).to.contain(`"messageId":"m-1"`)
      expect(text).to.contain(`"value":${value}}`)
      expect(audit.at(-1)).to.deep.equal({ event: 'dead letter shown with its value', fields: { messageId: 'm-1' } })
    })

    it('never with its value to somebody elsewhere, whoever it is', async () => {
      const token = 'a'.repeat(64)
      const { ask, id } = await buried({ adminTokenFile: await temporaryFile(token) })
      const authorization = `Bearer ${token}`
      for (const elsewhere of [{ 'x-forwarded-for': '10.1.2.3' }, { host: 'bus.example' }, { origin: 'http://a.b' }]) {
        const headers = { authorization, ...elsewhere }
        const { status, body, text } = await ask(`${PATH}/${id}?value=true`, { headers })
        expect([status, body.code]).to.deep.equal([403, 'FORBIDDEN'])
        expect(text).to.not.contain('amount')
        expect((await ask(`${PATH}/${id}`, { headers })).status).to.equal(200)
      }
      expect((await ask(`${PATH}/${id}?value=true`, { headers: { authorization } })).text).to.contain('amount')
      expect((await ask(`${PATH}/${id}?value=true`)).status).to.equal(401)
    })

    it('without a value when there is none: the summary of a recipient that was forgotten', async () => {
      const desk = await startDesk()
      const [client] = (await named(desk, 'pi-1')) as [Client]
      client.close()
      await publish(desk.connect(), 'm-1')
      await desk.kernel.forget('pi-1')
      const [{ id }] = (await desk.list()).items as [Item]
      const { status, body } = await desk.ask(`${PATH}/${id}?value=true`)
      expect([status, body.reason, body.value]).to.deep.equal([200, 'RECIPIENT_FORGOTTEN', undefined])
    })

    it('when there is one of that number', async () => {
      const { ask } = await startDesk()
      for (const id of ['4711', '0', '-1', '1e3', 'replay', '%20', '99999999999999999999']) {
        const { status, body } = await ask(`${PATH}/${id}`)
        expect([status, body.code], id).to.deep.equal([404, 'UNKNOWN'])
      }
      expect((await ask(`${PATH}/1?values=true`)).status).to.equal(400)
    })
  })

  describe('tells of replay jobs', () => {
    const JOBS = `${PATH}/replays`

    /** Three dead letters, and a job that has delivered one of them and will take its time. */
    async function replaying() {
      const desk = await startDesk()
      const [client] = (await named(desk, 'pi-1')) as [Client]
      await bury(desk, [client], ['m-1', 'm-2', 'm-3'])
      const { job } = await desk.kernel
        .use('replays')
        .start({ by: 'a-plugin', filter: { recipient: 'pi-1' }, perSecond: 1, maxFailures: 2 })
      await eventually(() => times(client, 'm-1') === 2)
      const cancel = (id: unknown) => desk.ask(`${JOBS}/${id}`, { method: 'DELETE', headers: JSON_TYPE })
      return { ...desk, client, id: job.id, cancel }
    }

    it('what was asked for, by whom, and how far it has come', async () => {
      const { ask, id } = await replaying()
      const { status, body } = await ask(`${JOBS}/${id}`)
      expect(status).to.equal(200)
      const { createdAt, ...job } = body
      expect(job).to.deep.equal({
        id,
        by: 'a-plugin',
        filter: { recipient: 'pi-1' },
        perSecond: 1,
        maxFailures: 2,
        total: 3,
        replayed: 1,
        failed: 0,
        superseded: 0,
        skipped: 0,
        state: 'running',
      })
      expect(Date.parse(String(createdAt))).to.be.within(Date.now() - 10_000, Date.now())
    })

    it('lists them, newest first, page by page', async () => {
      const { ask, replay, id } = await replaying()
      for (let made = 0; made < 2; made++) await replay({ all: true })
      const list = async (query: string) => (await ask(`${JOBS}${query}`)).body as { items: ReplayJob[]; next?: number }
      const { items: all, ...rest } = await list('')
      expect(rest).to.deep.equal({ total: 3 })
      expect(all.map(({ state, by }) => `${state} ${by}`)).to.deep.equal([
        'done operator',
        'done operator',
        'running a-plugin',
      ])
      const first = await list('?limit=2')
      expect([first.items, first.next]).to.deep.equal([all.slice(0, 2), all[1]?.id])
      const second = await list(`?limit=2&before=${first.next}`)
      expect([second.items, second.next]).to.deep.equal([all.slice(2), undefined])
      expect(all[2]?.id).to.equal(id)
      for (const query of ['?limit=0', '?limit=1001', '?before=0', '?state=done']) {
        expect((await ask(`${JOBS}${query}`)).status, query).to.equal(400)
      }
    })

    it('cancels one, and what is left stays dead', async () => {
      const { cancel, list, id } = await replaying()
      const { status, body } = await cancel(id)
      expect(status).to.equal(200)
      expect(body).to.include({ id, state: 'cancelled', replayed: 1 })
      expect(body.reason).to.match(/by operator/)
      expect(Date.parse(String(body.endedAt))).to.be.within(Date.now() - 10_000, Date.now())
      expect((await list()).items.map(({ messageId }) => messageId)).to.deep.equal(['m-2', 'm-3'])
      expect((await cancel(id)).body).to.deep.equal(body)
    })

    it('knows no other', async () => {
      const { ask, cancel } = await replaying()
      for (const id of ['4711', 'x', '0']) {
        for (const answer of [await ask(`${JOBS}/${id}`), await cancel(id)]) {
          expect([answer.status, answer.body.code], id).to.deep.equal([404, 'UNKNOWN'])
        }
      }
    })

    it('answers after five seconds with what is known so far, and before that when it has ended', async () => {
      const runtime = new ManualRuntime()
      const handlers = new Map<string, Handler>()
      const job = { id: 3, total: 9, replayed: 0, state: 'waiting' } as ReplayJob
      let end: (job: ReplayJob) => void = () => {}
      const services = {
        http: {
          route: (...[method, path, , handler]: Parameters<HttpService['route']>) =>
            handlers.set(method + path, handler),
        },
        replays: {
          start: async () => ({ job, more: 2, ended: new Promise<ReplayJob>((resolve) => (end = resolve)) }),
          show: async () => ({ ...job, replayed: 7, state: 'running' }),
        },
      }
      const use = (name: keyof typeof services) => services[name]
      await deadLettersApi().apply({ runtime, use } as unknown as Kernel)
      const ask = () => {
        const request = { params: {}, query: new URLSearchParams(), body: { all: true }, local: true }
        return Promise.resolve(handlers.get(`POST${PATH}/replay`)?.(request))
      }
      const late = ask()
      await settle()
      expect(runtime.timers).to.deep.equal([5_000])
      await runtime.advance(5_000)
      expect(await late).to.deep.equal({
        status: 202,
        body: { selected: 9, more: 2, replayed: 7, job: 3, state: 'running' },
      })
      const early = ask()
      await settle()
      end({ ...job, replayed: 8, state: 'stopped' })
      expect(await early).to.deep.equal({
        status: 200,
        body: { selected: 9, more: 2, replayed: 8, job: 3, state: 'stopped' },
      })
      expect(runtime.timers).to.deep.equal([])
    })

    it('refuses one more when 100 have not ended', async () => {
      const { kernel, replay } = await replaying()
      const replays = kernel.use('replays')
      const { start } = replays
      Object.assign(replays, { start: () => Promise.reject(slipstreamError('SLP_REPLAY_QUEUE', [100])) })
      const { status, body } = await replay({ all: true })
      expect([status, body.code]).to.deep.equal([409, 'SLP_REPLAY_QUEUE'])
      expect(body.message).to.match(/cancel/)
      Object.assign(replays, { start })
    })

    it('takes a rate and a number of failures that can be, for a replay alone', async () => {
      const { replay, discard } = await replaying()
      for (const wish of [{ perSecond: 0 }, { perSecond: 10_001 }, { perSecond: 1.5 }, { maxFailures: -1 }]) {
        expect((await replay({ all: true, ...wish })).status, JSON.stringify(wish)).to.equal(400)
      }
      expect((await discard({ all: true, perSecond: 1 })).status).to.equal(400)
      expect((await replay({ perSecond: 1 })).body.code).to.equal('FILTER_REQUIRED')
      expect((await replay(undefined, '?all=true&perSecond=5&maxFailures=3')).status).to.equal(200)
    })
  })

  describe('refuses, and changes nothing', () => {
    const wishes: readonly [wish: unknown, query: string, code: string, message: RegExp][] = [
      [undefined, '', 'FILTER_REQUIRED', /by ids, recipient, .* or all: true/],
      [{}, '', 'FILTER_REQUIRED', /all: true/],
      [{ dryRun: true }, '', 'FILTER_REQUIRED', /all: true/],
      [{ all: false }, '', 'FILTER_REQUIRED', /all: true/],
      [{ all: true, recipient: 'pi-1' }, '', 'FILTER_REQUIRED', /nothing beside/],
      [{ recipient: 'pi-1' }, '?reason=REJECTED', 'INVALID', /in the body or in the query/],
      [{ recipent: 'pi-1' }, '', 'INVALID', /additional properties; it takes ids, recipient, /],
      [{ reason: 'BORED' }, '', 'INVALID', /^body\/reason must be .*: REJECTED, /],
      [{ ids: ['1'] }, '', 'INVALID', /^body\/ids\/0 must be integer$/],
      [{ olderThanSeconds: -1 }, '', 'INVALID', /^body\/olderThanSeconds must be >= 0$/],
      [{ recipient: '' }, '', 'INVALID', /^body\/recipient /],
      [[], '', 'INVALID', /^body must be object$/],
      [undefined, '?recipient=pi-1&recipient=pi-2', 'INVALID', /^query\/recipient must be string$/],
      [undefined, '?ids=', 'INVALID', /^query\/ids\/0 must be integer$/],
    ]
    for (const [wish, query, code, message] of wishes) {
      it(`${JSON.stringify(wish) ?? 'no body'}${query}`, async () => {
        const desk = await startDesk()
        const [client] = (await named(desk, 'pi-1')) as [Client]
        await bury(desk, [client], ['m-1'])
        for (const answer of [await desk.replay(wish, query), await desk.discard(wish, query)]) {
          expect(answer.status).to.equal(400)
          expect(answer.body.code).to.equal(code)
          expect(answer.body.message).to.match(message)
        }
        expect((await desk.list()).total).to.equal(1)
        expect(desk.audit).to.deep.equal([])
      })
    }

    it('lists with a limit or a filter that cannot be', async () => {
      const { ask } = await startDesk()
      for (const query of [
        'limit=0',
        'limit=1001',
        'limit=x',
        'after=-1',
        'reason=BORED',
        'all=true',
        'olderThanSeconds=',
      ]) {
        const { status, body } = await ask(`${PATH}?${query}`)
        expect(status, query).to.equal(400)
        expect(body.code).to.equal('INVALID')
      }
    })

    it('writes of another site: no JSON type', async () => {
      const { ask } = await startDesk()
      const { status } = await ask(`${PATH}/replay`, { method: 'POST', body: '{"all":true}' })
      expect(status).to.equal(415)
    })
  })
})
