import { expect } from 'chai'
import { type RunningBus, startBus } from '../../support/bus.ts'
import { type Client, connect, eventually, nextMessage, noMessage } from '../../support/client.ts'

const sk = (messageId: string, members: object = {}) => ({ type: 'SK', messageId, key: 'k', value: 1, ...members })

async function start(instanceId: string, ...peers: readonly RunningBus[]): Promise<RunningBus> {
  return startBus({ settings: { instanceId, peers: peers.map(({ url }) => ({ url })), retryDelayMs: 20 } })
}

const isLinked = ({ bus }: RunningBus, name: string) =>
  bus.recipients().some((one) => one.name === name && one.connected)

/** Who of the clients got that message. */
async function gotIt(clients: Readonly<Record<string, Client>>, messageId: string, count: number): Promise<string[]> {
  const names = () =>
    Object.keys(clients).filter((name) => clients[name]?.frames.some(({ body }) => body.messageId === messageId))
  await eventually(() => names().length >= count)
  await Promise.all(Object.values(clients).map((client) => noMessageTwice(client, messageId)))
  return names().sort()
}

async function noMessageTwice(client: Client, messageId: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(client.frames.filter(({ body }) => body.messageId === messageId).length).to.be.lessThan(2)
}

describe('route path', () => {
  it('leads never back to the publisher, named or not', async () => {
    const bus = await start('a')
    const [named, nameless] = [await connect(bus, { name: 'pi' }), await connect(bus)]
    await named.publish(sk('one'))
    await nameless.publish(sk('two'))
    expect((await nextMessage(nameless)).body.messageId).to.equal('one')
    expect((await nextMessage(named)).body.messageId).to.equal('two')
    await noMessage(named)
    await noMessage(nameless)
  })

  it('leads to nobody whom the message has passed: an application at two instances never gets its own back', async () => {
    const a = await start('a')
    const b = await start('b', a)
    await eventually(() => isLinked(a, 'b') && isLinked(b, 'a'))
    const [here, there] = [await connect(a, { name: 'pi' }), await connect(b, { name: 'pi' })]
    const witness = await connect(b)
    expect(await here.publish(sk('m'))).to.include({ recipients: 1 })
    await nextMessage(witness)
    await noMessage(there)
  })

  it('brings a message once to everybody in a ring of three', async () => {
    const a = await start('a')
    const b = await start('b', a)
    const c = await start('c', b, a)
    await eventually(() => [a, b, c].every((one) => one.bus.links().length === 2))
    const clients = { a: await connect(a), b: await connect(b), c: await connect(c) }
    const publisher = await connect(a)
    await publisher.publish(sk('m'))
    expect(await gotIt(clients, 'm', 3)).to.deep.equal(['a', 'b', 'c'])
  })
})

describe('route tags', () => {
  const cases: readonly [string, readonly string[] | undefined, readonly string[]][] = [
    ['no tags: everybody', undefined, ['aws', 'both', 'none']],
    ['an empty list: everybody', [], ['aws', 'both', 'none']],
    ['one tag: those who bear it', ['aws'], ['aws', 'both']],
    ['another tag: those who bear it', ['eu'], ['both']],
    ['two tags: those who bear at least one', ['aws', 'eu'], ['aws', 'both']],
    ['a tag of nobody: nobody', ['mars'], []],
    ['part of a tag: nobody', ['aw'], []],
    ['a tag in capitals: nobody', ['AWS'], []],
    ['the name of what objects have by birth: nobody', ['constructor'], []],
  ]
  for (const [what, targetedTags, expected] of cases) {
    it(what, async () => {
      const bus = await start('a')
      const clients = {
        aws: await connect(bus, { tags: ['aws'] }),
        both: await connect(bus, { name: 'both', tags: ['aws', 'eu'] }),
        none: await connect(bus, { name: 'none' }),
      }
      const publisher = await connect(bus)
      expect(await publisher.publish(sk('m', { targetedTags }))).to.include({ recipients: expected.length })
      expect(await gotIt(clients, 'm', expected.length)).to.deep.equal(expected)
    })
  }

  it('that the configuration gives to a peer count beside those it announces', async () => {
    const b = await startBus({ settings: { instanceId: 'b', tags: ['own'] } })
    const peers = [{ url: b.url, tags: ['given'] }]
    const a = await startBus({ settings: { instanceId: 'a', peers } })
    await eventually(() => isLinked(a, 'b'))
    const publisher = await connect(a)
    for (const tag of ['own', 'given']) {
      expect(await publisher.publish(sk(tag, { targetedTags: [tag] }))).to.include({ recipients: 1 })
    }
  })
})

describe('route target', () => {
  it('leads to the one that is named, and to nobody else', async () => {
    const bus = await start('a')
    const clients = { x: await connect(bus, { name: 'x' }), y: await connect(bus, { name: 'y' }) }
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m', { targetInstanceId: 'y' }))).to.include({ recipients: 1 })
    expect(await gotIt(clients, 'm', 1)).to.deep.equal(['y'])
  })

  it('leads on to other instances when nobody of that name is known here, and to no client', async () => {
    const a = await start('a')
    const b = await start('b', a)
    await eventually(() => isLinked(a, 'b') && isLinked(b, 'a'))
    const clients = { x: await connect(a, { name: 'x' }), y: await connect(b, { name: 'y' }), z: await connect(b) }
    const publisher = await connect(a)
    expect(await publisher.publish(sk('m', { targetInstanceId: 'y' }))).to.include({ recipients: 1 })
    expect(await gotIt(clients, 'm', 1)).to.deep.equal(['y'])
  })

  it('leads nowhere from the instance that is named itself and has nothing to do for it', async () => {
    const bus = await start('a')
    await connect(bus, { name: 'x' })
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m', { targetInstanceId: 'a' }))).to.include({ recipients: 0 })
  })
})
