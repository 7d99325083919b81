import { expect } from 'chai'
import { startBus } from '../../support/bus.ts'
import { connect, eventually, nextMessage } from '../../support/client.ts'

const sk = (messageId: string, members: object = {}) => ({ type: 'SK', messageId, key: 'k', value: 1, ...members })

describe('message SK', () => {
  for (const value of [null, false, 0, '', 'text', [1, [2]], { a: { b: null } }]) {
    it(`carries a value of ${JSON.stringify(value)}`, async () => {
      const bus = await startBus()
      const [publisher, receiver] = [await connect(bus), await connect(bus)]
      expect(await publisher.publish(sk('m', { value }))).to.include({ type: 'ACK', status: 'stored' })
      expect((await nextMessage(receiver)).body).to.deep.include({ type: 'SK', key: 'k', value })
    })
  }

  it('keeps its order by its key', async () => {
    const bus = await startBus()
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    await publisher.publish(sk('m', { key: 'card/7' }))
    expect((await nextMessage(receiver)).body).to.include({ orderingKey: 'card/7' })
  })
})

describe('message SA', () => {
  it('carries a whole array, the empty one too', async () => {
    const bus = await startBus()
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    for (const value of [[], ['a', 1, null, { b: [] }]]) {
      const messageId = `m-${value.length}`
      expect(await publisher.publish({ type: 'SA', messageId, key: 'k', value })).to.include({ type: 'ACK' })
      expect((await nextMessage(receiver)).body).to.deep.include({ type: 'SA', key: 'k', value, orderingKey: 'k' })
    }
  })
})

describe('message ACK', () => {
  it('has all members of the deployed system', async () => {
    const bus = await startBus({ settings: { instanceId: 'aws-1' } })
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m', { clusterGroupId: 'pair' }))).to.deep.equal({
      type: 'ACK',
      messageId: 'm',
      originInstanceId: 'aws-1',
      sourceInstanceId: 'aws-1',
      messagePath: ['aws-1'],
      clusterGroupId: 'pair',
      status: 'stored',
      recipients: 0,
    })
  })

  it('bears no group when the message bears none', async () => {
    const publisher = await connect(await startBus())
    expect(await publisher.publish(sk('m'))).not.to.have.property('clusterGroupId')
  })

  it('names the id that the instance gave, when the publisher gave none', async () => {
    const bus = await startBus()
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    publisher.send({ type: 'SK', key: 'k', value: 1 })
    const { body } = await publisher.next()
    expect(body).to.include({ type: 'ACK', status: 'stored' })
    expect((await nextMessage(receiver)).body.messageId).to.equal(body.messageId)
  })

  it('says how many it is for, durable and live', async () => {
    const bus = await startBus()
    const publisher = await connect(bus)
    await connect(bus)
    const away = await connect(bus, { name: 'away' })
    await away.close()
    expect(await publisher.publish(sk('m'))).to.include({ recipients: 2 })
  })

  it('of a client without a name changes nothing, for nothing waits for it', async () => {
    const bus = await startBus()
    const receiver = await connect(bus)
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    await nextMessage(receiver)
    expect(await receiver.publish(sk('fence'))).to.include({ type: 'ACK' })
    expect(bus.log.filter(({ event }) => event === 'stray ack')).to.have.length(1)
  })
})

describe('message NACK', () => {
  it('says what was wrong, where, and whether to try again', async () => {
    const publisher = await connect(await startBus())
    expect(await publisher.publish(sk('m', { priority: 12 }))).to.deep.equal({
      type: 'NACK',
      messageId: 'm',
      code: 'INVALID_MESSAGE',
      reason: '/priority must be <= 9',
      retryable: false,
    })
  })

  it('names no id when the message has none that is proper', async () => {
    const publisher = await connect(await startBus())
    publisher.send(sk('not an id'))
    expect((await publisher.next()).body).not.to.have.property('messageId')
  })

  it('from a recipient leaves the delivery open, and is logged without its reason', async () => {
    const bus = await startBus()
    const application = await connect(bus, { name: 'app', acknowledges: false })
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    await nextMessage(application)
    application.send({ type: 'NACK', messageId: 'm', code: 'BUSY', reason: 'SECRET', retryable: true })
    await eventually(() => bus.log.some(({ event }) => event === 'refused by recipient'))
    expect(bus.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(1)
    expect(JSON.stringify(bus.log)).not.to.contain('SECRET')
  })
})
