import { expect } from 'chai'
import { type Plugin, type Route, Stage, slipstreamError } from '../../../core/index.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { type RunningBus, startBus } from '../../support/bus.ts'
import { type Client, connect, eventually, isDelivery, nextMessage } from '../../support/client.ts'

const sk = (key: string, members: object = {}) => {
  return { type: 'SK', messageId: key.replaceAll(/\W/g, '-'), key, value: 1, ...members }
}
const publish = (publisher: Client, key: string, members: object = {}) => publisher.publish(sk(key, members))

async function subscribe(client: Client, wish: object): Promise<Record<string, unknown>> {
  return client.publish({ type: 'SUBSCRIBE', messageId: `wish-${client.frames.length}`, ...wish })
}

const keysOf = (client: Client) => client.frames.filter(({ body }) => isDelivery(body)).map(({ body }) => body.key)

/** The keys that the client was delivered, up to a last one that it wants in any case. */
async function got(publisher: Client, reader: Client, fence: object = {}): Promise<unknown[]> {
  const key = `fence-${reader.frames.length}`
  await publish(publisher, key, fence)
  await reader.next(({ key: delivered }) => delivered === key)
  return keysOf(reader).filter((one) => one !== key)
}

const subscriptionOf = ({ bus }: RunningBus, name: string) =>
  bus.recipients().find((recipient) => recipient.name === name)?.subscription

describe('message SUBSCRIBE', () => {
  it('narrows to types', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    expect(await subscribe(reader, { types: ['SK', 'fx.rate'] })).to.include({ type: 'ACK', recipients: 0 })
    await publisher.publish({ type: 'SA', messageId: 'array', key: 'an array', value: [] })
    await publish(publisher, 'a')
    expect(await got(publisher, reader)).to.deep.equal(['a'])
  })

  it('narrows to keys that begin like one of these', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    await subscribe(reader, { keys: ['card/', 'fence'] })
    for (const key of ['card/1', 'card', 'a card/2', 'card/3']) await publish(publisher, key)
    expect(await got(publisher, reader)).to.deep.equal(['card/1', 'card/3'])
  })

  it('takes what messages are ordered by for the key of a type that has none', async () => {
    const plain: Plugin = {
      name: 'plain',
      apply: (kernel) => kernel.messageType('plain', { schema: { type: 'object', required: [], properties: {} } }),
    }
    const bus = await startBus({ plugins: [plain] })
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    await subscribe(reader, { keys: ['account/'] })
    await publisher.publish({ type: 'plain', messageId: 'without' })
    await publisher.publish({ type: 'plain', messageId: 'other', orderingKey: 'card/7' })
    await publisher.publish({ type: 'plain', messageId: 'wanted', orderingKey: 'account/7' })
    expect((await nextMessage(reader)).body.messageId).to.equal('wanted')
  })

  it('narrows to messages that are targeted at one of its tags, which are none that are for everybody', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus, { tags: ['eu', 'us', 'asia'] })]
    await subscribe(reader, { tags: ['eu', 'us'] })
    await publish(publisher, 'everybody')
    await publish(publisher, 'asia', { targetedTags: ['asia'] })
    await publish(publisher, 'us', { targetedTags: ['asia', 'us'] })
    expect(await got(publisher, reader, { targetedTags: ['eu'] })).to.deep.equal(['us'])
  })

  it('does not widen: what is targeted at others stays theirs', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus, { tags: ['eu'] })]
    await subscribe(reader, { tags: ['eu', 'us'] })
    expect(await publish(publisher, 'us', { targetedTags: ['us'] })).to.include({ recipients: 0 })
    expect(await got(publisher, reader, { targetedTags: ['eu'] })).to.deep.equal([])
  })

  it('wants what fits all of its lists', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    await subscribe(reader, { types: ['SK'], keys: ['a/', 'fence'] })
    await publisher.publish({ type: 'SA', messageId: 'array', key: 'a/array', value: [] })
    await publish(publisher, 'b/1')
    await publish(publisher, 'a/1')
    expect(await got(publisher, reader)).to.deep.equal(['a/1'])
  })

  it('takes the place of the one before, and with nothing in it wants everything again', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    await subscribe(reader, { keys: ['a/'] })
    await subscribe(reader, { keys: ['b/'] })
    await publish(publisher, 'a/1')
    await publish(publisher, 'b/1')
    await subscribe(reader, { types: [], keys: [] })
    await publish(publisher, 'a/2')
    expect(await got(publisher, reader)).to.deep.equal(['b/1', 'a/2'])
  })

  it('concerns the connection that it came by, and nobody else', async () => {
    const bus = await startBus()
    const [publisher, reader, other] = [await connect(bus), await connect(bus), await connect(bus)]
    await subscribe(reader, { keys: ['b/'] })
    expect(await publish(publisher, 'a/1')).to.include({ recipients: 1 })
    await nextMessage(other)
    await reader.close()
    const successor = await connect(bus)
    await publish(publisher, 'a/2')
    expect((await nextMessage(successor)).body.key).to.equal('a/2')
  })

  it('holds for a name while it is away, so that nothing waits that it does not want', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus, { name: 'pi' })]
    await subscribe(reader, { keys: ['a/', 'fence'] })
    await reader.close()
    expect(await publish(publisher, 'b/1')).to.include({ recipients: 0 })
    expect(await publish(publisher, 'a/1')).to.include({ recipients: 1 })
    const back = await connect(bus, { name: 'pi' })
    await publish(publisher, 'b/2')
    expect(await got(publisher, back)).to.deep.equal(['a/1'])
  })

  it('holds for a name over a restart of the instance', async () => {
    const store = new MemoryStore()
    const first = await startBus({ store })
    await subscribe(await connect(first, { name: 'pi' }), { types: ['SA'] })
    await first.stop()
    const second = await startBus({ store })
    expect(subscriptionOf(second, 'pi')).to.deep.equal({ types: ['SA'], keys: [], tags: [] })
    expect(await publish(await connect(second), 'k')).to.include({ recipients: 0 })
  })

  it('is over when the name is forgotten', async () => {
    let forget = (_: string): Promise<boolean> => Promise.resolve(false)
    const operator: Plugin = {
      name: 'operator',
      apply(kernel) {
        forget = kernel.forget
      },
    }
    const bus = await startBus({ plugins: [operator] })
    await subscribe(await connect(bus, { name: 'pi' }), { types: ['SA'] })
    expect(await forget('pi')).to.equal(true)
    await connect(bus, { name: 'pi' })
    expect(await publish(await connect(bus), 'k')).to.include({ recipients: 1 })
  })

  it('leaves what was routed before', async () => {
    const bus = await startBus()
    const publisher = await connect(bus)
    const reader = await connect(bus, { name: 'pi', acknowledges: false })
    await reader.close()
    await publish(publisher, 'before')
    const back = await connect(bus, { name: 'pi' })
    await subscribe(back, { keys: ['fence'] })
    await publish(publisher, 'after')
    expect(await got(publisher, back)).to.deep.equal(['before'])
  })

  it('narrows no answers', async () => {
    const bus = await startBus()
    const reader = await connect(bus)
    await subscribe(reader, { types: ['none'], keys: ['none'], tags: ['none'] })
    expect(await publish(reader, 'k')).to.include({ type: 'ACK' })
    reader.send({ type: 'GK', messageId: 'ask', key: 'k', consistency: 'all' })
    const answer = await reader.next(({ type, messageId }) => type === 'NACK' && messageId === 'ask')
    expect(answer.body.code).to.equal('NO_RESPONDERS')
  })

  it('is answered only if it bears an id', async () => {
    const bus = await startBus()
    const [publisher, reader] = [await connect(bus), await connect(bus)]
    reader.send({ type: 'SUBSCRIBE', keys: ['fence'] })
    expect(await subscribe(reader, { keys: ['fence'] })).to.deep.equal({
      type: 'ACK',
      messageId: 'wish-0',
      originInstanceId: bus.id,
      sourceInstanceId: bus.id,
      messagePath: [bus.id],
      status: 'stored',
      recipients: 0,
    })
    await publish(publisher, 'unwanted')
    await got(publisher, reader)
    expect(reader.frames.map(({ body }) => body.type)).to.deep.equal(['ACK', 'SK'])
  })

  it('is refused from an instance', async () => {
    const bus = await startBus()
    const instance = await connect(bus, { name: 'gcp-1', role: 'instance' })
    const answer = await subscribe(instance, { types: ['SA'] })
    expect(answer).to.include({ type: 'NACK', code: 'FORBIDDEN', retryable: false })
    expect(answer.reason).to.match(/only clients subscribe.*tags of the peer/)
    expect(subscriptionOf(bus, 'gcp-1')).to.equal(undefined)
  })

  it('is over for a name that turns out to be an instance', async () => {
    const bus = await startBus()
    const reader = await connect(bus, { name: 'gcp-1' })
    await subscribe(reader, { types: ['SA'] })
    await reader.close()
    await connect(bus, { name: 'gcp-1', role: 'instance' })
    await eventually(() => bus.bus.recipients().some(({ name, role }) => name === 'gcp-1' && role === 'instance'))
    expect(subscriptionOf(bus, 'gcp-1')).to.equal(undefined)
  })

  const tooMany = Array.from({ length: 101 }, (_, n) => `t${n}`)
  for (const [what, wish, where] of [
    ['too many types', { types: tooMany }, '/types'],
    ['too many keys', { keys: tooMany }, '/keys'],
    ['a type that cannot be', { types: ['a b'] }, '/types/0'],
    ['a key that cannot be', { keys: ['k'.repeat(513)] }, '/keys/0'],
    ['a key of nothing', { keys: [''] }, '/keys/0'],
    ['a tag that cannot be', { tags: ['t'.repeat(65)] }, '/tags/0'],
    ['what is no list', { keys: 'a/' }, '/keys'],
  ] as const) {
    it(`is refused with ${what}, and changes nothing`, async () => {
      const bus = await startBus()
      const reader = await connect(bus, { name: 'pi' })
      const answer = await subscribe(reader, wish)
      expect(answer).to.include({ type: 'NACK', code: 'INVALID_MESSAGE' })
      expect(answer.reason).to.contain(where)
      expect(subscriptionOf(bus, 'pi')).to.equal(undefined)
    })
  }

  it('is in force, but not acknowledged, while the store cannot keep it; sent again, it is', async () => {
    let full = false
    class Failing extends MemoryStore {
      override async saveRecipient(...given: Parameters<MemoryStore['saveRecipient']>) {
        if (full) throw slipstreamError('SLP_STORE_FAILED', ['disk full'])
        return super.saveRecipient(...given)
      }
    }
    const bus = await startBus({ store: new Failing() })
    const reader = await connect(bus, { name: 'pi' })
    full = true
    const answer = await subscribe(reader, { types: ['SA'] })
    expect(answer).to.include({ type: 'NACK', code: 'STORE_UNAVAILABLE', retryable: true })
    expect(await publish(await connect(bus), 'k')).to.include({ recipients: 0 })
    full = false
    expect(await subscribe(reader, { types: ['SA'] })).to.include({ type: 'ACK' })
  })

  it('is the reason why a message does not go there', async () => {
    const routes: Route[] = []
    const witness: Plugin = {
      name: 'witness',
      apply(kernel) {
        kernel.hooks.route.tap(
          (route) => {
            routes.push(route)
            return route
          },
          { stage: Stage.LATE },
        )
      },
    }
    const bus = await startBus({ plugins: [witness] })
    const [publisher, reader] = [await connect(bus), await connect(bus, { name: 'pi' })]
    await subscribe(reader, { types: ['SA'] })
    await publish(publisher, 'k')
    const reasons = routes[0]?.excluded.map(({ recipient, reason }) => [recipient.name, reason])
    expect(reasons).to.deep.include(['pi', 'subscription'])
  })
})
