import { expect } from 'chai'
import { createBus, SlipstreamError, type Transport } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { plugin, socket, storing, type } from './plugin-support.ts'
import { failureOf } from './support.ts'

describe('a bus', () => {
  it('has no identity before it is started, and says so', async () => {
    const bus = createBus({ plugins: [storing] })
    expect((await failureOf(SlipstreamError, () => bus.instanceId)).code).to.equal('SLP_BUS_STATE')
    await bus.start()
    expect(bus.instanceId).to.match(/^[A-Za-z0-9._:-]+$/)
    await bus.stop()
  })

  it('is started once', async () => {
    const bus = createBus({ plugins: [storing] })
    await bus.start()
    expect((await failureOf(SlipstreamError, () => bus.start())).code).to.equal('SLP_BUS_STATE')
    await bus.stop()
  })

  it('gives back what it opened when a later step fails', async () => {
    const store = new MemoryStore()
    const network = socket()
    const refusing: Transport = {
      name: 'refusing',
      protocols: [],
      listen: () => Promise.reject(new Error('port taken')),
      dial: () => Promise.reject(new Error('never')),
      stopListening: async () => {},
      close: async () => {},
    }
    const bus = createBus({
      plugins: [
        plugin('keep', (kernel) => kernel.store(store)),
        network.plugin,
        plugin('refusing', (kernel) => kernel.transport(refusing)),
      ],
    })
    const error = await failureOf(Error, () => bus.start())
    expect(error.message).to.equal('port taken')
    expect(network.seen).to.deep.equal({ opened: 1, closed: 1 })
    await store.open({ runtime: { now: () => 0, id: () => 'id' } as never, instanceId: undefined })
    await store.close()
  })

  it('that is told to stop while it starts opens nothing more, and closes what it had', async () => {
    const network = socket()
    const closed: string[] = []
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = plugin('slow', () => held, { close: () => void closed.push('slow') })
    const bus = createBus({ plugins: [network.plugin, slow, storing] })
    const starting = bus.start().catch((error: SlipstreamError) => error.code)
    const stopping = bus.stop()
    release()
    expect(await starting).to.equal('SLP_BUS_STATE')
    await stopping
    expect(closed).to.deep.equal(['slow'])
    expect(network.seen.opened).to.equal(0)
  })

  it('shares nothing with others in the process', async () => {
    const seen: string[] = []
    const own = (name: string) =>
      createBus({
        plugins: [
          storing,
          plugin('rates', (kernel) => type('fx.rate')(kernel)),
          plugin('watching', ({ hooks }) => {
            hooks.stop.tap(() => void seen.push(name))
          }),
        ],
        settings: { instanceId: name, tags: [name] },
      })
    const [a, b, c] = [own('a'), own('b'), own('c')]
    await Promise.all([a.start(), b.start(), c.start()])
    expect([a, b, c].map(({ instanceId }) => instanceId)).to.deep.equal(['a', 'b', 'c'])
    await b.stop()
    expect(seen).to.deep.equal(['b'])
    expect([...(a.recipients()[0]?.tags ?? [])]).to.deep.equal(['a'])
    await Promise.all([a.stop(), c.stop()])
  })

  it('keeps its identity with its store', async () => {
    const store = new MemoryStore()
    const again = () => createBus({ plugins: [plugin('keep', (kernel) => kernel.store(store))] })
    const first = again()
    await first.start()
    const { instanceId } = first
    await first.stop()
    const second = again()
    await second.start()
    expect(second.instanceId).to.equal(instanceId)
    await second.stop()
  })
})
