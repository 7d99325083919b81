import { expect } from 'chai'
import type { Client } from '../../../core/client/client.ts'
import { type ClientOptions, connect } from '../../../core/client/node.ts'
import { type Runtime, SUBPROTOCOLS, systemRuntime } from '../../../core/index.ts'
import { MemoryState } from '../../../plugins/state/memory.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { websocket } from '../../../plugins/transports/websocket/index.ts'
import { keeping, type StartOptions, startBus } from '../../support/bus.ts'
import { connect as connectRaw, eventually, isDelivery } from '../../support/client.ts'
import { Tunnel } from '../../support/tunnel.ts'
import { refusal } from './support.ts'

/** What the instance speaks, so that both settle on that level. */
const SPOKEN = { linked: [SUBPROTOCOLS.linked, SUBPROTOCOLS.plain], plain: [SUBPROTOCOLS.plain] } as const

/** The machine's own runtime, with a clock that goes so many times faster. */
function faster(times: number): Runtime {
  return {
    ...systemRuntime,
    monotonic: () => systemRuntime.monotonic() * times,
    after: (milliseconds, task) => systemRuntime.after(milliseconds / times, task),
  }
}

for (const level of ['linked', 'plain'] as const)
  describe(`a client of a real instance, on the ${level} level`, () => {
    const clients: Client[] = []
    const start = ({ settings = {}, plugins = [], ...options }: StartOptions = {}) => {
      const spoken = websocket({ port: 0, protocols: SPOKEN[level] })
      return startBus({ ...options, settings, without: ['websocket'], plugins: [spoken, ...plugins] })
    }
    const tunnels: Tunnel[] = []

    const join = (url: string | readonly string[], options: ClientOptions = {}) => {
      const client = connect(url, { retryDelayMs: 10, maxRetryDelayMs: 50, ...options })
      clients.push(client)
      return client
    }

    afterEach(async () => {
      await Promise.all(clients.splice(0).map((client) => client.close()))
      await Promise.all(tunnels.splice(0).map((tunnel) => tunnel.close()))
    })

    it('writes, reads what it has written, and hears what others write', async () => {
      const bus = await start({ plugins: [keeping(new MemoryState())] })
      const shop = join(bus.url, { name: 'shop', tags: ['eu'] })
      const office = join(bus.url)
      const heard = shop.subscribe({ types: ['SK', 'SW'], keys: ['order:'] })
      await heard.ready
      await office.set('order:1', 9007199254740993n, { tags: ['eu'] })
      const receipt = await office.set('order:1', 9007199254740993n)
      await office.setWeighted('order:top', [{ member: 'a', weight: 2 }])
      await office.setArray('order:list', [1, 2])
      expect(receipt).to.deep.include({ status: 'stored', recipients: 2, instanceId: bus.id })
      expect(await office.get('order:1')).to.include({ text: '9007199254740993', version: receipt.version })
      expect((await office.getWeighted('order:top')).value).to.deep.equal([{ member: 'a', weight: 2 }])
      expect((await office.getArray('order:list', { consistency: 'local' })).value).to.deep.equal([1, 2])
      await office.delete('order:1')
      expect((await office.get('order:1')).value).to.equal(null)
      const seen: string[] = []
      for await (const message of heard) {
        seen.push(`${message.type} ${message.raw('value')}`)
        if (seen.length < 3) continue
        message.ack()
        break
      }
      expect(seen).to.deep.equal(['SK 9007199254740993', 'SK 9007199254740993', 'SW [{"member":"a","weight":2}]'])
    })

    it('is refused in the words of the protocol', async () => {
      const bus = await start()
      const client = join(bus.url)
      expect(await refusal(client.publish('nope', {}))).to.include({ code: 'UNKNOWN_TYPE', retryable: false })
      expect(await refusal(client.set('', 1))).to.include({ code: 'INVALID_MESSAGE' })
      await client.set('k', 1, { messageId: 'm' })
      expect((await client.set('k', 1, { messageId: 'm' })).status).to.equal('duplicate')
      expect((await refusal(client.set('k', 2, { messageId: 'm' }))).code).to.equal('CONFLICT')
      expect(await refusal(client.get('k'))).to.include({ code: 'NO_RESPONDERS' })
    })

    it('gets under its name what came while it was away', async () => {
      const bus = await start()
      const office = join(bus.url)
      const shop = join(bus.url, { name: 'shop' })
      await shop.subscribe({ types: ['SK'] }).ready
      await shop.close()
      await office.set('k', 'while you were out')
      const back = join(bus.url, { name: 'shop' })
      for await (const message of back.subscribe({ types: ['SK'] })) {
        expect(message.body.value).to.equal('while you were out')
        message.ack()
        break
      }
      await back.drain()
      await eventually(() => bus.bus.recipients().find(({ name }) => name === 'shop')?.pending === 0)
    })

    it('is replaced by another one of its name, and stays away', async () => {
      const bus = await start()
      const first = join(bus.url, { name: 'shop' })
      const closed = new Promise((resolve) => first.on('closed', ({ error }) => resolve(error?.code)))
      await first.set('k', 1)
      const second = join(bus.url, { name: 'shop' })
      expect(await closed).to.equal('SLP_REPLACED')
      expect((await refusal(first.set('k', 2))).code).to.equal('SLP_REPLACED')
      expect((await second.set('k', 2)).status).to.equal('stored')
    })

    it('goes on with another instance when the first goes away, and comes back to one that restarts', async () => {
      const store = new MemoryStore()
      const [one, two] = [await start({ store }), await start()]
      const client = join([one.url, two.url])
      const levels: string[] = []
      client.on('connected', (told) => levels.push(told.level))
      expect((await client.set('k', 1)).instanceId).to.equal(one.id)
      await one.stop()
      expect((await client.set('k', 2)).instanceId).to.equal(two.id)
      const port = Number(new URL(one.url).port)
      const again = await start({ store, settings: { port } })
      await two.stop()
      expect((await client.set('k', 3)).instanceId).to.equal(again.id)
      expect(levels).to.deep.equal([level, level, level])
    })

    it('takes as long as it likes to handle a message: nothing is counted against it, nothing comes twice', async () => {
      const runtime = faster(5)
      const bus = await start({ runtime })
      const shop = join(bus.url, { name: 'shop', runtime })
      const handled: unknown[] = []
      const subscription = shop.subscribe({ types: ['SK'] }, async ({ body }) => {
        handled.push(body.value)
        if (body.value === 1) await new Promise<void>((resolve) => runtime.after(8_000, resolve))
      })
      await subscription.ready
      const office = join(bus.url, { runtime })
      for (const value of [1, 2, 3]) await office.set('k', value)
      const shopThere = () => bus.bus.recipients().find(({ name }) => name === 'shop')
      await eventually(() => handled.length === 3 && shopThere()?.pending === 0)
      expect(handled).to.deep.equal([1, 2, 3])
      expect(shop.isConnected).to.equal(true)
      expect(bus.log.filter(({ event }) => /dead|failed/.test(event))).to.deep.equal([])
    })

    it('has each message stored once and hears each once, while connections break all the time', async () => {
      const COUNT = 400
      const bus = await start()
      const ledger = await connectRaw(bus, { name: 'ledger' })
      const [near, far] = [await Tunnel.to(bus.url), await Tunnel.to(bus.url)]
      tunnels.push(near, far)
      const publisher = join(near.url, { name: 'publisher' })
      const subscriber = join(far.url, { name: 'subscriber' })
      const heard: string[] = []
      subscriber.subscribe({ types: ['SK'] }, ({ messageId }) => heard.push(messageId))
      const receipts: Promise<{ messageId: string }>[] = []
      for (let n = 0; n < COUNT; n++) {
        receipts.push(publisher.set(`k${n % 7}`, n))
        if (n % 40 === 17) near.cut()
        if (n % 50 === 31) far.cut()
        if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      const ids = (await Promise.all(receipts)).map(({ messageId }) => messageId)
      await eventually(() => heard.length >= COUNT, 10_000)
      await eventually(() => bus.bus.recipients().every(({ pending }) => pending === 0), 10_000)
      expect([...heard].sort()).to.deep.equal([...ids].sort())
      // One that is stored twice has two places in the sequence; what a slow reader is sent again has one.
      const places = ledger.frames
        .filter(({ body }) => isDelivery(body))
        .map(({ body }) => `${body.messageId} ${body.originSequence}`)
      expect([...new Set(places)].map((place) => place.split(' ')[0]).sort()).to.deep.equal([...ids].sort())
    })
  })
