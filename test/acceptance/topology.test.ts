import { expect } from 'chai'
import { type Client, closeClients, connect, nextMessage, noMessage } from '../support/client.ts'
import type { Instance } from './support/instance.ts'
import { get, startMesh, untilKnown } from './support/mesh.ts'
import { Stage } from './support/stage.ts'
import { storedIds } from './support/stored.ts'

const NAMES = ['a', 'b', 'c', 'd'] as const

describe('four processes that know only their neighbours', function () {
  this.timeout(120_000)

  let stage: Stage
  let clients: ReadonlyMap<string, Client>

  beforeEach(async () => {
    stage = await Stage.open()
  })

  afterEach(async () => {
    await closeClients()
    await stage.close()
  })

  /** At each instance a named client that bears the instance's name as its tag. */
  async function populate(instances: ReadonlyMap<string, Instance>): Promise<void> {
    const connected = NAMES.map(async (name) => {
      const client = await connect(get(instances, name), { name: `client-${name}`, tags: [name] })
      return [name, client] as const
    })
    clients = new Map(await Promise.all(connected))
    await untilKnown(instances.values(), NAMES)
  }

  async function publish(at: Instance, messageId: string, targetedTags?: readonly string[]): Promise<unknown> {
    const publisher = await connect(at, { tags: ['publisher'] })
    const answer = await publisher.publish({ type: 'SK', messageId, key: 'rate', value: 1, targetedTags })
    await publisher.close()
    return answer
  }

  /** Exactly these clients get the message; the path that each was told is returned. */
  async function reached(names: readonly string[]): Promise<readonly unknown[]> {
    const paths = await Promise.all(names.map(async (name) => (await nextMessage(get(clients, name))).body.messagePath))
    await Promise.all([...clients.values()].map((client) => noMessage(client)))
    return paths
  }

  it('in a line, a tag is reached from end to end, and those in between store and forward only', async () => {
    const line = await startMesh(stage, [
      { name: 'a' },
      { name: 'b', dials: ['a'] },
      { name: 'c', dials: ['b'] },
      { name: 'd', dials: ['c'] },
    ])
    await populate(line)
    expect(await publish(get(line, 'a'), 'end-to-end', ['d'])).to.include({ type: 'ACK', recipients: 1 })
    expect(await reached(['d'])).to.deep.equal([['a', 'b', 'c', 'd']])
    expect(await publish(get(line, 'd'), 'back', ['a', 'b'])).to.include({ type: 'ACK', recipients: 1 })
    expect(await reached(['a', 'b'])).to.deep.equal([
      ['d', 'c', 'b', 'a'],
      ['d', 'c', 'b'],
    ])
    for (const name of ['b', 'c']) await get(line, name).end('SIGKILL')
    expect([...(await storedIds(stage, get(line, 'b')))]).to.have.members(['end-to-end', 'back'])
    expect([...(await storedIds(stage, get(line, 'c')))]).to.have.members(['end-to-end', 'back'])
  })

  it('in a star, the hub sends to the leaves behind which the tag is, and to no other', async () => {
    const star = await startMesh(stage, [
      { name: 'a' },
      { name: 'b', dials: ['a'] },
      { name: 'c', dials: ['a'] },
      { name: 'd', dials: ['a'] },
    ])
    await populate(star)
    expect(await publish(get(star, 'b'), 'leaf-to-leaf', ['c'])).to.include({ type: 'ACK', recipients: 1 })
    expect(await reached(['c'])).to.deep.equal([['b', 'a', 'c']])
    expect(await publish(get(star, 'b'), 'to-all')).to.include({ type: 'ACK', recipients: 3 })
    expect(await reached(NAMES)).to.have.deep.members([['b', 'a'], ['b'], ['b', 'a', 'c'], ['b', 'a', 'd']])
    await get(star, 'd').end('SIGKILL')
    expect([...(await storedIds(stage, get(star, 'd')))]).to.deep.equal(['to-all'])
  })

  it('in a line, what a far end is to have waits at its neighbour while it is away, over a restart of both', async () => {
    const line = await startMesh(stage, [
      { name: 'a' },
      { name: 'b', dials: ['a'] },
      { name: 'c', dials: ['b'] },
      { name: 'd', dials: ['c'] },
    ])
    await populate(line)
    const [c, d] = [get(line, 'c'), get(line, 'd')]
    await d.end('SIGKILL')
    expect(await publish(get(line, 'a'), 'kept', ['d'])).to.include({ type: 'ACK', recipients: 1 })
    await publish(c, 'last', ['d'])
    await c.end('SIGTERM')
    await c.start()
    await d.start()
    const back = await connect(d, { name: 'client-d', tags: ['d'] })
    const ids = [await nextMessage(back), await nextMessage(back)].map(({ body }) => body.messageId)
    expect(ids).to.have.members(['kept', 'last'])
  })
})
