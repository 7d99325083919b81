import { expect } from 'chai'
import {
  type Runtime,
  SlipstreamError,
  Stage,
  type StoreVerdict,
  slipstreamError,
  systemRuntime,
} from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { failureOf } from '../core/support.ts'
import { startBus } from '../support/bus.ts'
import { answers, connect, eventually } from '../support/client.ts'
import { plugin, publishElsewhere, sk } from './support.ts'

/** Waits a fiftieth of what it is told to. */
const hurried: Runtime = {
  ...systemRuntime,
  after: (milliseconds, task) => systemRuntime.after(milliseconds / 50, task),
}

describe('hook persist', () => {
  it('is given batches: whatever comes in while one is written is the next', async () => {
    const sizes: number[] = []
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const counting = plugin('counting', ({ hooks }) =>
      hooks.persist.tapPromise(
        async (entries) => {
          if (sizes.length === 0) await Promise.all([held, sizes.push(entries.length)])
          else sizes.push(entries.length)
          return undefined
        },
        { stage: Stage.LIMITS },
      ),
    )
    let received = 0
    const reading = plugin('reading', ({ hooks }) => hooks.onReceive.tap(() => void received++))
    const bus = await startBus({ plugins: [counting, reading] })
    const publisher = await connect(bus)
    publisher.send(sk('first'))
    await eventually(() => sizes.length === 1)
    for (let count = 0; count < 20; count++) publisher.send(sk(`m-${count}`))
    await eventually(() => received === 21)
    release()
    await publisher.next(answers('m-19'))
    expect(sizes).to.deep.equal([1, 20])
  })

  it('takes the first answer: a tap before the store can keep messages itself', async () => {
    const store = new MemoryStore()
    const keeping = plugin('elsewhere', ({ hooks }) =>
      hooks.persist.tapPromise(
        async (entries) => entries.map((_, at): StoreVerdict => ({ status: 'stored', seq: at + 1 })),
        {
          stage: Stage.LIMITS,
        },
      ),
    )
    const bus = await startBus({ store, plugins: [keeping] })
    expect(await publishElsewhere(bus)).to.include({ type: 'ACK', status: 'stored' })
    expect(store.statistics().messages).to.equal(0)
  })

  it('goes on to the store when a tap before it says nothing', async () => {
    const store = new MemoryStore()
    const mirrored: string[] = []
    const mirror = plugin('mirror', ({ hooks }) =>
      hooks.persist.tapPromise(
        async (entries) => {
          mirrored.push(...entries.map(({ message }) => message.messageId))
          return undefined
        },
        { stage: Stage.LIMITS },
      ),
    )
    await publishElsewhere(await startBus({ store, plugins: [mirror] }), 'm')
    expect(mirrored).to.deep.equal(['m'])
    expect(store.statistics().messages).to.equal(1)
  })

  it('that fails leaves the sender without any answer, and the bus in service', async () => {
    const store = new MemoryStore()
    const write = store.write.bind(store)
    const bus = await startBus({ store })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    store.write = () => Promise.reject(new Error('disk full'))
    publisher.send(sk('m'))
    await eventually(() => bus.log.some(({ event }) => event === 'store failed'))
    store.write = write
    expect(await publisher.publish(sk('after'))).to.include({ type: 'ACK' })
    await publisher.none(answers('m'))
    expect(receiver.frames.map(({ body }) => body.messageId)).to.deep.equal(['after'])
  })

  it('that fails is logged as critical, with the cause', async () => {
    const store = new MemoryStore()
    const bus = await startBus({ store })
    const publisher = await connect(bus)
    const cause = new Error('disk full')
    store.write = () => Promise.reject(cause)
    publisher.send(sk('m'))
    await eventually(() => bus.log.some(({ level }) => level === 'critical'))
    const { fields } = bus.log.find(({ level }) => level === 'critical') ?? {}
    expect(fields?.reason).to.contain('disk full')
    expect(fields).to.have.nested.property('error.cause', cause)
  })

  for (const [what, verdicts] of Object.entries<readonly StoreVerdict[]>({
    'too few': [],
    'too many': [
      { status: 'stored', seq: 1 },
      { status: 'stored', seq: 2 },
    ],
  })) {
    it(`that answers ${what} verdicts is not believed: nobody gets an ACK`, async () => {
      const bus = await startBus({
        plugins: [
          plugin('odd', ({ hooks }) => hooks.persist.tapPromise(async () => verdicts, { stage: Stage.LIMITS })),
        ],
      })
      const publisher = await connect(bus)
      publisher.send(sk('m'))
      await eventually(() => bus.log.some(({ event }) => event === 'store failed'))
      await publisher.none()
    })
  }

  it('that never ends is ended by the time budget, without an ACK', async () => {
    const store = new MemoryStore()
    const bus = await startBus({ store, settings: { tapBudgetMs: 30 } })
    const publisher = await connect(bus)
    const write = store.write.bind(store)
    store.write = () => new Promise(() => {})
    publisher.send(sk('m'))
    await eventually(() => bus.log.some(({ event }) => event === 'store failed'))
    store.write = write
    expect(await publisher.publish(sk('after'))).to.include({ type: 'ACK' })
    await publisher.none(answers('m'))
  })

  it('that cannot keep its promises any more is said to whoever runs the bus', async () => {
    const store = new MemoryStore()
    const bus = await startBus({ store })
    const publisher = await connect(bus)
    store.write = () => Promise.reject(slipstreamError('SLP_STORE_LOST', ['corrupt']))
    publisher.send(sk('m'))
    expect((await bus.bus.failed).message).to.contain('corrupt')
  })

  it('that is lost is said to whoever runs the bus, whoever of the bus finds out', async () => {
    const store = new MemoryStore()
    let purge: () => Promise<unknown> = () => Promise.resolve()
    const purger = plugin('purger', (kernel) => {
      purge = () => kernel.purge({ settledBefore: 0, deadBefore: 0, limit: 1 })
    })
    const bus = await startBus({ store, plugins: [purger] })
    store.purge = () => Promise.reject(slipstreamError('SLP_STORE_LOST', ['corrupt']))
    await failureOf(SlipstreamError, purge)
    expect((await bus.bus.failed).message).to.contain('corrupt')
  })

  it('is not asked again once the bus has stopped, whatever was left to settle', async () => {
    const store = new MemoryStore()
    const bus = await startBus({ store, runtime: hurried })
    const application = await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    await application.next()
    let writes = 0
    store.write = () => {
      writes++
      return Promise.reject(new Error('disk full'))
    }
    application.send({ type: 'ACK', messageId: 'm' })
    await eventually(() => writes === 1)
    await bus.stop()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(writes).to.equal(1)
  })
})
