import { expect } from 'chai'
import { CloseCode, type Plugin } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { eventually } from '../support/client.ts'
import { MemoryNetwork } from '../support/memory-pair.ts'
import { settle } from './manual-runtime.ts'
import { instance, linked, named, visitor } from './mesh-support.ts'

describe('a link', () => {
  it('to oneself is refused', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a', { peers: ['a'] })
    await eventually(() => network.ends.length >= 2 && network.ends.slice(0, 2).every(({ ending }) => ending))
    expect(network.ends[0]?.ending).to.include({ code: CloseCode.POLICY })
    expect(bus.links()).to.deep.equal([])
  })

  it('of somebody who bears the instance’s own name is refused', async () => {
    const network = new MemoryNetwork()
    await instance(network, 'a')
    const impostor = visitor(network, 'a', { instanceId: 'a' })
    await eventually(() => impostor.ending?.code === CloseCode.POLICY)
  })

  it('that leads to another instance than configured is closed with 4003', async () => {
    const network = new MemoryNetwork()
    await instance(network, 'b')
    const a = await instance(network, 'a', { settings: { peers: [{ url: 'memory://b', instanceId: 'c' }] } })
    await eventually(() => network.ends[0]?.ending?.code === CloseCode.FORBIDDEN)
    expect(linked(a, 'c')).to.equal(false)
    expect(named(a, 'b')).to.equal(undefined)
  })

  it('of a client of the same name takes the place of the older one, which is closed with 4009', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a')
    const older = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => linked(bus, 'app'))
    const newer = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => older.ending?.code === CloseCode.REPLACED)
    expect(newer.ending).to.equal(undefined)
    expect(bus.links()).to.have.length(1)
    expect(linked(bus, 'app')).to.equal(true)
  })

  it('of a client of the same name takes its place also when it is not to be remembered', async () => {
    const network = new MemoryNetwork()
    const bus = await instance(network, 'a')
    const older = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => linked(bus, 'app'))
    const newer = visitor(network, 'a', { instanceId: 'app', durable: false })
    await eventually(() => older.ending?.code === CloseCode.REPLACED)
    const newest = visitor(network, 'a', { instanceId: 'app', durable: false })
    await eventually(() => newer.ending?.code === CloseCode.REPLACED)
    expect(newest.ending).to.equal(undefined)
    expect(bus.links()).to.have.length(1)
  })

  it('is not read before it is known whose it is', async () => {
    const network = new MemoryNetwork()
    const store = new MemoryStore()
    const save = store.saveRecipient.bind(store)
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const seen: string[] = []
    const watching: Plugin = {
      name: 'watching',
      apply({ hooks }) {
        hooks.onReceive.tap(({ sender }) => {
          seen.push(`message ${sender.recipient?.name}`)
          return undefined
        })
        hooks.linkUp.tap((link) => void seen.push(`up ${link.peer}`))
      },
    }
    await instance(network, 'a', { store, plugins: [watching] })
    store.saveRecipient = async (recipient) => {
      await held
      return save(recipient)
    }
    const hasty = visitor(network, 'a', { instanceId: 'app' })
    hasty.send('{"type":"SK","key":"k","value":1}')
    for (let turn = 0; turn < 5; turn++) await settle()
    expect(seen).to.deep.equal([])
    release()
    await eventually(() => seen.length === 2)
    expect(seen).to.deep.equal(['up app', 'message app'])
  })

  it('is told of when it comes and when it goes', async () => {
    const network = new MemoryNetwork()
    const seen: string[] = []
    const watching: Plugin = {
      name: 'watching',
      apply({ hooks }) {
        hooks.linkUp.tap(({ peer }) => void seen.push(`+${peer}`))
        hooks.linkDown.tap(({ peer }) => void seen.push(`-${peer}`))
      },
    }
    const bus = await instance(network, 'a', { plugins: [watching] })
    const app = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => linked(bus, 'app'))
    app.close(CloseCode.NORMAL, 'done')
    await eventually(() => !linked(bus, 'app'))
    expect(seen).to.deep.equal(['+app', '-app'])
  })

  it('that breaks while it is identified leaves nothing behind', async () => {
    const network = new MemoryNetwork()
    const store = new MemoryStore()
    const save = store.saveRecipient.bind(store)
    const bus = await instance(network, 'a', { store })
    let saving = false
    store.saveRecipient = async (recipient) => {
      saving = true
      await settle()
      await settle()
      return save(recipient)
    }
    const app = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => saving)
    app.close(CloseCode.NORMAL, 'never mind')
    await eventually(() => named(bus, 'app') !== undefined)
    for (let turn = 0; turn < 5; turn++) await settle()
    expect(linked(bus, 'app')).to.equal(false)
    expect(bus.links()).to.deep.equal([])
  })

  it('is closed with 1013 when the store cannot remember whose it is', async () => {
    const network = new MemoryNetwork()
    const store = new MemoryStore()
    await instance(network, 'a', { store })
    store.saveRecipient = () => Promise.reject(new Error('disk'))
    const app = visitor(network, 'a', { instanceId: 'app' })
    await eventually(() => app.ending?.code === CloseCode.TRY_AGAIN_LATER)
  })
})
