import { expect } from 'chai'
import { type RunningBus, startBus } from '../../support/bus.ts'
import { closeClients, connect, eventually, nextMessage, noMessage } from '../../support/client.ts'

const tagged = (messageId: string, ...targetedTags: string[]) => ({
  type: 'SK',
  messageId,
  key: 'k',
  value: 1,
  targetedTags,
})

const start = (instanceId: string, peers: readonly RunningBus[] = [], tags: readonly string[] = [instanceId]) =>
  startBus({ settings: { instanceId, tags, peers: peers.map(({ url }) => ({ url })), retryDelayMs: 20 } })

const tagsOf = ({ bus }: RunningBus, name: string) => {
  const recipient = bus.recipients().find((one) => one.name === name)
  return recipient?.connected ? [...recipient.tags].sort().join() : 'not linked'
}

describe('message HELLO', () => {
  it('tells along a line of four what is reachable behind each link', async () => {
    const a = await start('a')
    const b = await start('b', [a])
    const c = await start('c', [b])
    const d = await start('d', [c])
    await eventually(() => tagsOf(a, 'b') === 'b,c,d' && tagsOf(d, 'c') === 'a,b,c')
    expect([tagsOf(b, 'a'), tagsOf(b, 'c'), tagsOf(c, 'b'), tagsOf(c, 'd')]).to.deep.equal(['a', 'c,d', 'a,b', 'd'])
  })

  it('tells the arms of a star of four of each other', async () => {
    const hub = await start('hub')
    const arms = [await start('x', [hub]), await start('y', [hub]), await start('z', [hub])] as const
    await eventually(() => tagsOf(arms[0], 'hub') === 'hub,y,z' && tagsOf(arms[2], 'hub') === 'hub,x,y')
    expect(['x', 'y', 'z'].map((name) => tagsOf(hub, name))).to.deep.equal(['x', 'y', 'z'])
  })

  it('ends in a ring as well', async () => {
    const a = await start('a')
    const b = await start('b', [a])
    const c = await start('c', [b, a])
    await eventually(() => tagsOf(a, 'b').includes('c') && tagsOf(b, 'c').includes('a'))
    const rounds = () => [a, b, c].flatMap(({ bus }) => bus.plugins()).reduce((sum, { calls }) => sum + calls, 0)
    let last = -1
    await eventually(() => {
      const now = rounds()
      const isQuiet = now === last
      last = now
      return isQuiet
    })
  })

  it('lets a tagged message pass an instance in between that does not bear the tag', async () => {
    const a = await start('a')
    const b = await start('b', [a])
    const c = await start('c', [b])
    await eventually(() => tagsOf(a, 'b') === 'b,c')
    const publisher = await connect(a)
    const [between, behind] = [await connect(b, { tags: ['b'] }), await connect(c, { tags: ['c'] })]
    await eventually(() => tagsOf(a, 'b') === 'b,c')
    expect(await publisher.publish(tagged('m', 'c'))).to.include({ type: 'ACK', recipients: 1 })
    expect((await nextMessage(behind)).body).to.include({ messageId: 'm' })
    await noMessage(between)
    expect(await publisher.publish(tagged('nowhere', 'nobody'))).to.include({ type: 'ACK', recipients: 0 })
  })

  it('tells when an application with a new tag comes, and when a passing one goes', async () => {
    const a = await start('a')
    const b = await start('b', [a])
    await eventually(() => tagsOf(a, 'b') === 'b')
    await connect(b, { tags: ['fraud'] })
    await eventually(() => tagsOf(a, 'b') === 'b,fraud')
    await closeClients()
    await eventually(() => tagsOf(a, 'b') === 'b')
  })

  it('is sent to no client, and to no instance that did not say it understands it', async () => {
    const bus = await start('a')
    const deployed = await connect(bus, { name: 'old', role: 'instance', acknowledges: false })
    const client = await connect(bus, { name: 'app', tags: ['new'] })
    for (const one of [deployed, client]) {
      await one.publish(tagged(`fence-${one.frames.length}`, 'nobody'))
      expect(one.frames.filter(({ body }) => body.type === 'HELLO')).to.deep.equal([])
    }
  })

  it('tells a client that asked for it who this is and what time it is, and no other client', async () => {
    const a = await start('a')
    const plain = await connect(a)
    const greeted = await connect(`${a.url}?hello=1`)
    const { body } = await greeted.next()
    expect(body).to.deep.include({ type: 'HELLO', instanceId: 'a' })
    expect(body.time).to.be.within(Date.now() - 60_000, Date.now())
    expect(Object.keys(body)).to.deep.equal(['type', 'instanceId', 'time'])
    await plain.none()
  })

  it('lets a client bear other tags when it comes again, whether it is told the time or not', async () => {
    const a = await start('a')
    const shop = (tags: string) => connect(`${a.url}?hello=1&instanceId=shop&tags=${tags}`)
    await (await shop('eu,us')).close()
    await shop('us')
    await eventually(() => tagsOf(a, 'shop') === 'us')
  })
})
