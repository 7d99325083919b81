import { expect } from 'chai'
import { VERSION } from '../../../core/index.ts'
import { statusApi } from '../../../plugins/admin/status/index.ts'
import { circuitBreaker } from '../../../plugins/delivery/circuit-breaker.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { hello } from '../../../plugins/messages/hello.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { subscribe } from '../../../plugins/messages/subscribe.ts'
import { memoryState } from '../../../plugins/state/memory.ts'
import { introduction } from '../../support/memory-pair.ts'
import { addressOf, ask, closeAll, eventually, makeBus, publish, startBus } from './support.ts'

interface Line {
  readonly name: string
  readonly lastSeenAt: string
  readonly oldestPendingAt: string
}

const started = () => startBus({ plugins: [statusApi()], settings: { tags: ['eu'] } })

describe('status-api', () => {
  afterEach(closeAll)

  it('says who the instance is and what it holds', async () => {
    const { ask, connect } = await started()
    connect({ instanceId: 'gcp-1', role: 'instance' })
    connect({ instanceId: 'pi-1' })
    await eventually(async () => (await ask('/api/v1/connections')).body.total === 3)
    await publish(connect(), 'm-1')
    const { body } = await ask('/api/v1/status')
    expect(body).to.deep.include({ instanceId: 'aws-1', version: VERSION, tags: ['eu'], draining: false, backlog: 2 })
    expect(body.links).to.deep.equal({ instances: 1, clients: 2 })
    expect(body.uptimeSeconds).to.be.within(0, 20)
    expect(body.store).to.include({ messages: 1, pending: 2, scheduled: 0 })
  })

  it('says what the state holds, where there is one', async () => {
    const { ask, connect } = await startBus({ plugins: [statusApi(), memoryState()] })
    await publish(connect(), 'm-1')
    await eventually(async () => (await ask('/api/v1/status')).body.backlog === 0)
    const { state } = (await ask('/api/v1/status')).body
    expect(state).to.include({ backend: 'memory', keys: 1, tombstones: 0 })
    const { ask: askOther } = await started()
    expect((await askOther('/api/v1/status')).body).not.to.have.property('state')
  })

  it('has a line for each recipient, linked or not', async () => {
    const began = Date.now()
    const { ask, connect } = await started()
    const client = connect({ instanceId: 'pi-1', tags: ['us', 'eu'] })
    await eventually(async () => (await ask('/api/v1/connections')).body.total === 2)
    await publish(connect(), 'm-1')
    const line = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly Line[] }
      const { lastSeenAt, oldestPendingAt, ...rest } = items.find(({ name }) => name === 'pi-1') as Line
      for (const time of [lastSeenAt, oldestPendingAt]) {
        expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        expect(Date.parse(time)).to.be.within(began, Date.now())
      }
      return rest
    }
    const sums = { targeted: 1, acked: 0, pending: 1, dead: 0, collapsed: 0, forgotten: 0 }
    const about = {
      id: 'pi-1',
      name: 'pi-1',
      role: 'client',
      tags: ['us', 'eu'],
      durable: true,
      circuit: 'closed',
      openTypes: [],
    }
    const constant = { ...about, deferred: 0, backlog: 1, sums }
    const linked = { state: 'linked', connected: true, address: 'memory', level: 'plain' }
    expect(await line()).to.deep.equal({ ...constant, ...linked, inFlight: 1 })
    client.close()
    await eventually(async () => !JSON.stringify(await line()).includes('"connected":true'))
    expect(await line()).to.deep.equal({ ...constant, state: 'away', connected: false, inFlight: 0 })
  })

  it('says of a linked connection which types have another schema there', async () => {
    const { bus, network, kernel } = makeBus({ plugins: [statusApi(), hello()] })
    await bus.start()
    const { SK = '' } = kernel().typeDigests()
    const connection = network.dial(
      { url: 'memory://bus' },
      introduction({ instanceId: 'gcp-1', role: 'instance' }),
      'linked',
    )
    connection.handle({ frame: () => {}, closed: () => {} })
    connection.send(`H {"types":{"SK":"0.9.0 ${SK.split(' ')[1]}","ACK":"1.0.0 0000000000000000","SA":"1.0.0 0"}}`)
    const line = async () => {
      const { items } = (await ask(addressOf(kernel()), '/api/v1/connections')).body as { items: readonly Line[] }
      return items.find(({ name }) => name === 'gcp-1') as Line & { level: string; differingTypes?: readonly string[] }
    }
    await eventually(async () => (await line())?.differingTypes !== undefined)
    expect(await line()).to.deep.include({ level: 'linked', differingTypes: ['ACK'] })
  })

  it('says what a client wants of what is for it: types by name, of all else how many', async () => {
    const { ask, connect } = await startBus({ plugins: [statusApi(), subscribe()] })
    const lines = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly { subscription?: object }[] }
      return items.map(({ subscription }) => subscription)
    }
    connect({ instanceId: 'pi-1' }).send({ type: 'SUBSCRIBE', types: ['SK'], keys: ['card/', 'account/'] })
    await eventually(async () => JSON.stringify(await lines()).includes('types'))
    expect(await lines()).to.deep.equal([undefined, { types: ['SK'], keys: 2, tags: 0 }])
  })

  it('says how many deliveries have failed and wait for their next attempt', async () => {
    const plugins = [nack(), republish(), statusApi()]
    const { ask, connect } = await startBus({ plugins, settings: { retryDelayMs: 60_000 } })
    const client = connect({ instanceId: 'pi-1' })
    await publish(connect(), 'm-1')
    client.send({ type: 'NACK', messageId: 'm-1', code: 'INTERNAL', retryable: true })
    const waiting = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly { deferred: number }[] }
      return items.some(({ deferred }) => deferred === 1)
    }
    await eventually(waiting)
  })

  it('says how far the clock of a linked instance is ahead', async () => {
    const { ask, connect } = await startBus({ plugins: [hello(), statusApi()] })
    const instance = connect({ instanceId: 'gcp-1', role: 'instance' })
    instance.send({ type: 'HELLO', tags: [], time: Date.now() - 3_600_000, agrees: 1 })
    const skew = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly { clockSkewSeconds?: number }[] }
      return items.map(({ clockSkewSeconds }) => clockSkewSeconds).find((seconds) => seconds !== undefined) ?? 0
    }
    await eventually(async () => (await skew()) !== 0)
    expect(await skew()).to.be.closeTo(-3_600, 5)
  })

  it('says how it stands with dialling a peer', async () => {
    const peers = [{ url: 'memory://elsewhere', instanceId: 'gcp-1' }]
    const settings = { peers, connectionRetryAttempts: 0 }
    const { ask, kernel } = await startBus({ plugins: [statusApi()], settings })
    const line = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly { id: string }[] }
      return items.find(({ id }) => id === 'gcp-1') as { circuit?: string; nextDialAt?: string } | undefined
    }
    await eventually(async () => (await line())?.circuit === 'open')
    expect(await line()).to.include({ state: 'away', dialAttempts: 1 })
    const nextDialAt = Date.parse((await line())?.nextDialAt ?? '')
    expect(nextDialAt).to.be.within(kernel.runtime.now(), kernel.runtime.now() + 60_000)
  })

  it('says which types wait for a recipient because their circuit is open, and how many messages of each', async () => {
    const plugins = [nack(), circuitBreaker({ failures: 2 }), republish(), statusApi()]
    const { ask, connect, kernel } = await startBus({ plugins, settings: { retryDelayMs: 60_000 } })
    const client = connect({ instanceId: 'pi-1' })
    connect({ instanceId: 'pi-2' })
    const publisher = connect()
    for (const id of ['m-1', 'm-2', 'm-3']) {
      await publish(publisher, id)
      client.send({ type: 'NACK', messageId: id, code: 'INTERNAL', retryable: true })
    }
    const lines = async () => {
      const { items } = (await ask('/api/v1/connections')).body as {
        items: readonly Readonly<Record<string, unknown>>[]
      }
      return new Map(items.map((item) => [item.id, item.openTypes as readonly Readonly<Record<string, unknown>>[]]))
    }
    await eventually(async () => (await lines()).get('pi-1')?.[0]?.waiting === 2)
    const [open] = (await lines()).get('pi-1') ?? []
    expect(open).to.include({ type: 'SK', state: 'open', waiting: 2 })
    const { openedAt, nextProbeAt } = open as { openedAt: string; nextProbeAt: string }
    expect(Date.parse(openedAt)).to.be.within(kernel.runtime.now() - 10_000, kernel.runtime.now())
    expect(Date.parse(nextProbeAt) - Date.parse(openedAt)).to.be.within(30_000, 61_000)
    expect((await lines()).get('pi-2')).to.deep.equal([])
  })

  it('forgets a recipient and what waits for it, but no peer of the configuration', async () => {
    const { ask, connect } = await startBus({
      plugins: [statusApi()],
      settings: { peers: [{ url: 'memory://elsewhere', instanceId: 'gcp-1' }] },
    })
    connect({ instanceId: 'pi-1' })
    await eventually(async () => (await ask('/api/v1/connections')).body.total === 3)
    await publish(connect(), 'm-1')
    const headers = { 'content-type': 'application/json' }
    const forget = (name: string) => ask(`/api/v1/connections/${name}`, { method: 'DELETE', headers })
    expect((await forget('pi-1')).body).to.deep.equal({ forgotten: 'pi-1' })
    expect((await ask('/api/v1/status')).body.backlog).to.equal(1)
    expect((await forget('pi-1')).status).to.equal(404)
    expect((await forget('gcp-1')).body.code).to.equal('SLP_PEER_CONFIGURED')
  })

  it('has a line for each plugin, with its cost and its faults', async () => {
    const { ask } = await started()
    const { total, items } = (await ask('/api/v1/plugins')).body as { total: number; items: readonly object[] }
    expect(items).to.have.lengthOf(total)
    const http = items.find((item) => 'name' in item && item.name === 'http')
    expect(http).to.include({ faults: 0, calls: 1 }).and.to.have.property('milliseconds').that.is.above(0)
  })
})
