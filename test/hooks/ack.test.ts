import { expect } from 'chai'
import { type Acknowledgement, Stage } from '../../core/index.ts'
import { startBus } from '../support/bus.ts'
import { connect, nextMessage, noMessage } from '../support/client.ts'
import { failuresIn, plugin, publishElsewhere, sk } from './support.ts'

describe('hook ack', () => {
  it('tells each tap in turn of a whole batch, and has no answer', async () => {
    const seen: string[] = []
    const watching = (name: string, stage: number = Stage.DEFAULT) =>
      plugin(name, ({ hooks }) =>
        hooks.ack.tapPromise(async (all) => void seen.push(`${name} ${all.length}`), { stage }),
      )
    const bus = await startBus({ plugins: [watching('late', Stage.LATE), watching('one'), watching('two')] })
    await publishElsewhere(bus)
    expect(seen).to.deep.equal(['one 1', 'two 1', 'late 1'])
  })

  it('says what is known of the message', async () => {
    const seen: Acknowledgement[] = []
    const watching = plugin('watching', ({ hooks }) => hooks.ack.tap((all) => void seen.push(...all)))
    const bus = await startBus({ plugins: [watching], without: ['dedup-memory'] })
    await connect(bus, { name: 'app' })
    const publisher = await connect(bus)
    await publisher.publish(sk('m', { clusterGroupId: 'pair' }))
    await publisher.publish(sk('m', { clusterGroupId: 'pair' }))
    const [stored, again] = seen
    expect(stored).to.include({ messageId: 'm', clusterGroupId: 'pair', type: 'SK', status: 'stored', recipients: 1 })
    expect(stored?.message).to.include({ messageId: 'm' })
    expect(again).to.include({ messageId: 'm', clusterGroupId: 'pair', status: 'duplicate', recipients: 1 })
    expect(again?.message).to.equal(undefined)
  })

  it('comes before the message is forwarded', async () => {
    const seen: string[] = []
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const holding = plugin('holding', ({ hooks }) => {
      hooks.ack.tapPromise(() => held, { stage: Stage.LATE })
      hooks.forwarded.tap(() => void seen.push('forwarded'))
    })
    const bus = await startBus({ plugins: [holding] })
    const receiver = await connect(bus, { name: 'app' })
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK' })
    await noMessage(receiver)
    release()
    await nextMessage(receiver)
    expect(seen).to.deep.equal(['forwarded'])
  })

  it('gives all others their turn when a tap throws, and forwards as ever', async () => {
    const seen: string[] = []
    const bus = await startBus({
      plugins: [
        plugin('broken', ({ hooks }) => {
          hooks.ack.tap(
            () => {
              throw new Error('out of order')
            },
            { stage: Stage.LIMITS },
          )
          hooks.ack.tapPromise(() => Promise.reject(new Error('out of order')), { stage: Stage.LIMITS })
        }),
        plugin('later', ({ hooks }) => hooks.ack.tap(() => void seen.push('later'), { stage: Stage.LATE })),
      ],
    })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'stored' })
    await nextMessage(receiver)
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate' })
    expect(seen).to.deep.equal(['later', 'later'])
    expect(new Set(failuresIn(bus))).to.deep.equal(new Set(['broken ack']))
    expect(bus.bus.plugins().find(({ name }) => name === 'broken')?.faults).to.equal(4)
  })
})
