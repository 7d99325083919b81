import { expect } from 'chai'
import { CloseCode } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { eventually } from '../support/client.ts'
import { introduction, type MemoryConnection, MemoryNetwork } from '../support/memory-pair.ts'
import { settle } from './manual-runtime.ts'
import { instance, linked, named, visitor } from './mesh-support.ts'

describe('names of clients', () => {
  it('are taken up to a hundred; one more is refused, known ones and nameless ones are not', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a')
    for (let count = 0; count < 100; count++) visitor(network, 'a', { instanceId: `app-${count}` })
    await eventually(() => bus.links().length === 100)
    const late = visitor(network, 'a', { instanceId: 'late' })
    await eventually(() => late.ending?.code === CloseCode.POLICY)
    const known = visitor(network, 'a', { instanceId: 'app-7' })
    const passing = visitor(network, 'a', { instanceId: 'passing', durable: false })
    const nameless = visitor(network, 'a')
    await eventually(() => bus.links().length === 102)
    expect([known, passing, nameless].map(({ ending }) => ending)).to.deep.equal([undefined, undefined, undefined])
  })

  it('of instances that nobody configured are taken up to 256; those of the configuration are not counted', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a', { settings: { peers: [{ url: 'memory://b', instanceId: 'b' }] } })
    const stranger = (instanceId: string) => visitor(network, 'a', { instanceId, role: 'instance' })
    for (let count = 0; count < 256; count++) stranger(`stranger-${count}`)
    await eventually(() => bus.links().length === 256)
    const late = stranger('late')
    await eventually(() => late.ending?.code === CloseCode.POLICY)
    const known = stranger('stranger-7')
    const configured = stranger('b')
    const client = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => bus.links().length === 258)
    expect([known, configured, client].map(({ ending }) => ending)).to.deep.equal([undefined, undefined, undefined])
  })

  it('are remembered while they are away', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a')
    const app = visitor(network, 'a', { instanceId: 'app', tags: ['aws'] })
    await eventually(() => linked(bus, 'app'))
    app.close(CloseCode.NORMAL, 'later')
    await eventually(() => !linked(bus, 'app'))
    expect(named(bus, 'app')).to.include({ durable: true, connected: false })
    expect([...(named(bus, 'app')?.tags ?? [])]).to.deep.equal(['aws'])
  })

  it('do not let a passing client forget what waits for an instance of its name', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a', { settings: { peers: [{ url: 'memory://b', instanceId: 'b' }] } })
    const publisher = visitor(network, 'a')
    publisher.send('{"type":"SK","key":"k","value":1}')
    await eventually(() => named(bus, 'b')?.pending === 1)
    const stranger = visitor(network, 'a', { instanceId: 'b', durable: false })
    await eventually(() => stranger.ending?.code === CloseCode.FORBIDDEN)
    expect(named(bus, 'b')).to.include({ role: 'instance', pending: 1 })
  })

  it('are forgotten, with what waits for them, when they come back with durable=false', async () => {
    const network = new MemoryNetwork()
    const store = new MemoryStore()
    const bus = await instance(network, 'a', { store })
    const app = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => linked(bus, 'app'))
    app.close(CloseCode.NORMAL, 'later')
    await eventually(() => !linked(bus, 'app'))
    const publisher = visitor(network, 'a')
    publisher.send('{"type":"SK","key":"k","value":1}')
    await eventually(() => named(bus, 'app')?.pending === 1)
    const again = visitor(network, 'a', { instanceId: 'app', durable: false })
    await eventually(() => bus.links().some(({ peer }) => peer === 'app'))
    expect(named(bus, 'app')).to.include({ durable: false, pending: 0 })
    expect(store.statistics().pending).to.equal(0)
    again.close(CloseCode.NORMAL, 'done')
    await eventually(() => named(bus, 'app') === undefined)
  })
})

describe('whoever joins later', () => {
  for (const role of ['client', 'instance'] as const) {
    it(`as ${role === 'client' ? 'a client' : 'an instance'} gets what is routed from then on, and nothing from before`, async () => {
      const network = new MemoryNetwork()
      const bus = await instance(network, 'a')
      visitor(network, 'a', { instanceId: 'there' })
      const publisher = visitor(network, 'a')
      await eventually(() => linked(bus, 'there'))
      const publish = (messageId: string) =>
        publisher.send(`{"type":"SK","messageId":"${messageId}","key":"k","value":1}`)
      publish('before')
      await eventually(() => named(bus, 'there')?.pending === 1)
      const got: unknown[] = []
      const late = network.dial({ url: 'memory://a' }, introduction({ instanceId: 'late', role }))
      const frame = (text: string) => got.push((JSON.parse(text) as { readonly messageId?: string }).messageId)
      late.handle({ frame, closed: () => {} })
      await eventually(() => linked(bus, 'late'))
      publish('after')
      await eventually(() => got.length > 0)
      expect(got).to.deep.equal(['after'])
      expect([named(bus, 'late')?.pending, named(bus, 'there')?.pending]).to.deep.equal([1, 2])
    })
  }
})

describe('a configured peer', () => {
  it('is a recipient under its url before it was ever seen, and what waits is for its id later', async () => {
    const network = new MemoryNetwork()
    const a = await instance(network, 'a', { peers: ['b'] })
    expect(named(a, 'memory://b')).to.include({ durable: true, connected: false })
    const publisher = visitor(network, 'a')
    publisher.send('{"type":"SK","key":"k","value":1,"messageId":"early"}')
    await eventually(() => named(a, 'memory://b')?.pending === 1)
    const b = await instance(network, 'b')
    await eventually(() => linked(a, 'b') && named(a, 'b')?.pending === 0)
    expect(named(a, 'memory://b')).to.equal(undefined)
    expect(b.recipients().map(({ name }) => name)).to.include('a')
  })

  it('that never says its id is a recipient under its url, and its url travels with no message', async () => {
    const network = new MemoryNetwork()
    const deployed = network.transport('memory://old')
    const frames: string[] = []
    const accepted: MemoryConnection[] = []
    await deployed.listen(
      () => introduction({ role: 'instance' }),
      (connection) => {
        accepted.push(connection as MemoryConnection)
        connection.handle({ frame: (text) => frames.push(text), closed: () => {} })
      },
    )
    const a = await instance(network, 'a', { peers: ['old'] })
    await eventually(() => linked(a, 'memory://old'))
    const received: string[] = []
    const app = network.dial({ url: 'memory://a' }, introduction({ instanceId: 'app' }))
    app.handle({ frame: (text) => received.push(text), closed: () => {} })
    await eventually(() => linked(a, 'app'))
    accepted[0]?.send('{"type":"SK","messageId":"m","key":"k","value":1,"messagePath":["pi","old"]}')
    await eventually(() => received.length === 1)
    expect(JSON.parse(received[0] as string)).to.have.deep.property('messagePath', ['a'])
    for (let turn = 0; turn < 5; turn++) await settle()
    expect(
      frames.filter((text) => text.includes('"SK"')),
      'never back to the sender',
    ).to.deep.equal([])
  })
})
