import { expect } from 'chai'
import { memoryHint } from '../../../plugins/dedup/memory.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { type RunningBus, type StartOptions, startBus } from '../../support/bus.ts'
import { connect, eventually, nextMessage } from '../../support/client.ts'

const sk = (messageId: string, members: object = {}) => ({ type: 'SK', messageId, key: 'k', value: 1, ...members })

/** A bus whose store counts the messages that it is asked to write. */
async function counted({
  settings,
  ...options
}: StartOptions = {}): Promise<RunningBus & { readonly writes: string[] }> {
  const store = new MemoryStore()
  const write = store.write.bind(store)
  const writes: string[] = []
  store.write = (batch) => {
    writes.push(...batch.entries.map(({ message }) => message.messageId))
    return write(batch)
  }
  return { ...(await startBus({ store, settings: { instanceId: 'a', ...settings }, ...options })), writes }
}

describe('the hint from memory', () => {
  it('answers a repetition without asking the store', async () => {
    const bus = await counted()
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate', messageId: 'm' })
    expect(bus.writes).to.deep.equal(['m'])
  })

  it('knows a repetition also where the instance gives the group', async () => {
    const bus = await counted({ settings: { clusterGroupId: 'pair' } })
    const publisher = await connect(bus)
    await publisher.publish(sk('m'))
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate' })
    expect(bus.writes).to.deep.equal(['m'])
  })

  it('leaves it to the store to judge another message, or another publisher, under the same id', async () => {
    const bus = await counted()
    const [one, other] = [await connect(bus, { name: 'one' }), await connect(bus, { name: 'other' })]
    await one.publish(sk('m'))
    expect(await one.publish(sk('m', { value: 2 }))).to.include({ code: 'CONFLICT' })
    expect(await other.publish(sk('m'))).to.include({ code: 'CONFLICT' })
    expect(bus.writes).to.deep.equal(['m', 'm', 'm'])
  })

  it('takes the same id in another group for another message', async () => {
    const bus = await counted()
    const publisher = await connect(bus)
    for (const clusterGroupId of ['one', 'other', 'singleton']) {
      expect(await publisher.publish(sk('m', { clusterGroupId }))).to.include({ status: 'stored' })
    }
    expect(await publisher.publish(sk('m'))).to.include({ status: 'duplicate' })
  })

  it('takes messages without an id for what they are: each a new one', async () => {
    const bus = await counted()
    const publisher = await connect(bus)
    await publisher.publish(sk('undefined'))
    const nameless = { type: 'SK', key: 'k', value: 1 }
    const answers = []
    for (let count = 0; count < 2; count++) {
      publisher.send(nameless)
      answers.push((await publisher.next()).body.status)
    }
    expect(answers).to.deep.equal(['stored', 'stored'])
  })

  it('does not remember what was not stored', async () => {
    const store = new MemoryStore()
    const write = store.write.bind(store)
    const bus = await startBus({ store })
    const publisher = await connect(bus)
    store.write = () => Promise.reject(new Error('disk full'))
    publisher.send(sk('m'))
    await eventually(() => bus.log.some(({ event }) => event === 'store failed'))
    store.write = write
    expect(await publisher.publish(sk('m'))).to.include({ status: 'stored' })
  })

  it('forgets the oldest beyond its capacity; the store still knows them', async () => {
    const bus = await counted({ without: ['dedup-memory'], plugins: [memoryHint({ capacity: 2 })] })
    const publisher = await connect(bus)
    for (const id of ['m-1', 'm-2', 'm-3']) await publisher.publish(sk(id))
    expect(await publisher.publish(sk('m-3'))).to.include({ status: 'duplicate' })
    expect(await publisher.publish(sk('m-1'))).to.include({ status: 'duplicate' })
    expect(bus.writes).to.deep.equal(['m-1', 'm-2', 'm-3', 'm-1'])
  })

  it('knows between instances what has come another way', async () => {
    const bus = await counted()
    const [one, other] = [
      await connect(bus, { name: 'b', role: 'instance' }),
      await connect(bus, { name: 'c', role: 'instance' }),
    ]
    const receiver = await connect(bus)
    const relayed = sk('m', { originInstanceId: 'far', originSequence: 'e.7' })
    expect(await one.publish({ ...relayed, messagePath: ['far', 'b'] })).to.include({ status: 'stored' })
    expect(await other.publish({ ...relayed, messagePath: ['far', 'c'] })).to.include({ status: 'duplicate' })
    expect(bus.writes).to.deep.equal(['m'])
    await nextMessage(receiver)
    expect(receiver.frames).to.have.length(1)
  })
})
