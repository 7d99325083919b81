import { expect } from 'chai'
import type { Plugin } from '../../../core/index.ts'
import { startBus } from '../../support/bus.ts'
import { connect, eventually, nextMessage } from '../../support/client.ts'

const RETRY_DELAY_MS = 40

const sk = (messageId: string) => ({ type: 'SK', messageId, key: 'k', value: 1 })

describe('republish', () => {
  it('sends everything that is overdue again, in its old order', async () => {
    const bus = await startBus({ settings: { retryDelayMs: RETRY_DELAY_MS } })
    const application = await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    const ids = ['m-1', 'm-2', 'm-3']
    for (const id of ids) await publisher.publish(sk(id))
    const came: unknown[] = []
    for (let count = 0; count < 6; count++) came.push((await nextMessage(application)).body.messageId)
    expect(came).to.deep.equal([...ids, ...ids])
  })

  it('leaves out what was acknowledged meanwhile', async () => {
    const bus = await startBus({ settings: { retryDelayMs: RETRY_DELAY_MS } })
    const application = await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    for (const id of ['m-1', 'm-2']) await publisher.publish(sk(id))
    await nextMessage(application)
    await nextMessage(application)
    application.send({ type: 'ACK', messageId: 'm-1' })
    expect((await nextMessage(application)).body.messageId).to.equal('m-2')
    expect((await application.closed).code).to.equal(1013)
    expect(application.frames.filter(({ body }) => body.messageId === 'm-1')).to.have.length(1)
  })

  it('is told as another forwarding, by recipient and attempt', async () => {
    const told: unknown[] = []
    const telling: Plugin = {
      name: 'telling',
      apply: ({ hooks }) =>
        hooks.forwarded.tap((all) => {
          for (const { recipient, message, sends } of all) told.push([recipient.name, message.messageId, sends])
        }),
    }
    const bus = await startBus({ plugins: [telling], settings: { retryDelayMs: RETRY_DELAY_MS } })
    await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    await eventually(() => told.length === 2)
    expect(told).to.deep.equal([
      ['app', 'm', 1],
      ['app', 'm', 2],
    ])
  })

  it('brings after a reconnect what was in flight, without waiting for the delay', async () => {
    const bus = await startBus({ settings: { retryDelayMs: 60_000 } })
    const application = await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    for (const id of ['m-1', 'm-2']) await publisher.publish(sk(id))
    await nextMessage(application)
    await application.close()
    await publisher.publish(sk('m-3'))
    const again = await connect(bus, { name: 'app' })
    const came: unknown[] = []
    for (let count = 0; count < 3; count++) came.push((await nextMessage(again)).body.messageId)
    expect(came).to.deep.equal(['m-1', 'm-2', 'm-3'])
    await eventually(() => bus.bus.recipients().find(({ name }) => name === 'app')?.pending === 0)
  })
})
