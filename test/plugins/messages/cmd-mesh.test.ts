import { expect } from 'chai'
import type { RunningBus } from '../../support/bus.ts'
import { type Client, connect, eventually, type Frame } from '../../support/client.ts'
import { Counting, type InstanceOptions, inAMinute, instance, reply, run, send } from './cmd-support.ts'

const linked = (bus: RunningBus, count: number) => eventually(() => bus.bus.links().length >= count)

/** Everything that is replied to that message, until it is complete. */
async function replies(client: Client, messageId: string): Promise<readonly Frame['body'][]> {
  const all: Frame['body'][] = []
  for (;;) {
    const one = await reply(client, messageId)
    all.push(one)
    if (one.complete) return all
  }
}

/** Who has run it, by what is replied. */
async function ranAt(client: Client, messageId: string): Promise<readonly unknown[]> {
  const answers = await replies(client, messageId)
  return answers
    .filter((answer) => 'value' in answer)
    .map(({ instanceId }) => instanceId)
    .sort()
}

describe('commands in a mesh', () => {
  it('go over hops to whom they are for, and what comes of them the way back', async () => {
    const three = await instance('three')
    const two = await instance('two', { dials: [three] })
    const one = await instance('one', { dials: [two] })
    const client = await connect(one, { name: 'ops-1' })
    const answer = await run(client, 'slipstream.ping', { targetInstanceId: 'three' })
    expect(answer).to.include({ instanceId: 'three', sourceInstanceId: 'one', complete: true })
    expect(answer.value).to.include({ instanceId: 'three' })
    await client.none()
  })

  it('that are for all run at each once, and each answer comes as it is there, the last one complete', async () => {
    const counting = new Counting()
    const { handlers } = counting
    const names = ['a', 'b', 'c', 'd']
    const ring: RunningBus[] = []
    for (const name of names) ring.push(await instance(name, { dials: ring, handlers }))
    for (const bus of ring) await linked(bus, 3)
    const client = await connect(ring[0] as RunningBus, { name: 'ops-1' })
    for (let round = 0; round < 5; round++) {
      await send(client, 'test.count', { messageId: `all-${round}` })
      expect(await ranAt(client, `all-${round}`)).to.deep.equal(names)
    }
    await client.none()
    const expected = names.flatMap((name) => [0, 1, 2, 3, 4].map((round) => `all-${round}@${name}`))
    expect([...counting.runs].sort()).to.deep.equal(expected.sort())
  })

  it('reach those who bear a tag, through those who do not', async () => {
    const aws = await instance('aws-1', { settings: { tags: ['aws'] } })
    const hub = await instance('hub', { dials: [aws] })
    const one = await instance('one', { dials: [hub] })
    await eventually(() => one.bus.recipients().some(({ tags }) => tags.has('aws')))
    const client = await connect(one)
    await send(client, 'slipstream.ping', { targetedTags: ['aws'], messageId: 'c-1' })
    expect(await ranAt(client, 'c-1')).to.deep.equal(['aws-1'])
  })

  it('are in a cluster group run by its member with the smallest id alone, or by the one that is named', async () => {
    const counting = new Counting()
    const options: InstanceOptions = { handlers: counting.handlers, settings: { clusterGroupId: 'pair' } }
    const b = await instance('pair-b', options)
    const a = await instance('pair-a', { ...options, dials: [b] })
    await linked(b, 1)
    for (const bus of [a, b]) {
      const client = await connect(bus)
      await send(client, 'test.count', { messageId: `at-${bus.id}` })
      expect(await ranAt(client, `at-${bus.id}`)).to.deep.equal(['pair-a'])
      await send(client, 'test.count', { messageId: `b-of-${bus.id}`, targetInstanceId: 'pair-b' })
      expect(await ranAt(client, `b-of-${bus.id}`)).to.deep.equal(['pair-b'])
    }
    const runs = ['at-pair-a@pair-a', 'at-pair-b@pair-a', 'b-of-pair-a@pair-b', 'b-of-pair-b@pair-b']
    expect([...counting.runs].sort()).to.deep.equal(runs)
    await a.stop()
    await eventually(() => b.bus.links().every(({ role }) => role === 'client'))
    const client = await connect(b)
    await send(client, 'test.count', { messageId: 'alone' })
    expect((await reply(client, 'alone')).instanceId).to.equal('pair-b')
  })

  it('wait for whoever is away, and answer when it is back', async () => {
    const counting = new Counting()
    const { handlers } = counting
    const gone = await instance('two', { handlers })
    const { url } = gone
    const one = await instance('one', { dials: [gone], handlers })
    const client = await connect(one)
    await gone.stop()
    await eventually(() => one.bus.links().every(({ role }) => role === 'client'))
    await send(client, 'test.count', { messageId: 'all' })
    expect(await reply(client, 'all')).to.include({ instanceId: 'one', complete: false })
    const port = Number(new URL(url).port)
    await instance('two', { handlers, settings: { port } as never })
    expect(await reply(client, 'all')).to.include({ instanceId: 'two', complete: true })
    expect(counting.runs).to.deep.equal(['all@one', 'all@two'])
  })

  it('that nobody fetched in time are dead letters, of which the one who asked is told', async () => {
    const counting = new Counting()
    const one = await instance('one', { handlers: counting.handlers })
    const mute = await connect(one, { name: 'two', role: 'instance', acknowledges: false })
    await mute.close()
    await eventually(() => one.bus.links().length === 0)
    const client = await connect(one)
    const expiresAt = Date.now() + 100
    await send(client, 'test.count', { messageId: 'late', targetInstanceId: 'two', expiresAt })
    await eventually(() => Date.now() > expiresAt)
    await connect(one, { name: 'two', role: 'instance', acknowledges: false })
    expect(await reply(client, 'late'))
      .to.include({ instanceId: 'two', complete: true })
      .and.have.nested.property('error.code', 'EXPIRED')
  })

  it('pass a plain neighbour, which answers as the protocol says', async () => {
    const one = await instance('one')
    const plain = await connect(one, { name: 'plain', role: 'instance' })
    const client = await connect(one, { name: 'ops-1' })
    await send(client, 'slipstream.ping', { messageId: 'c-1', args: { n: 1 }, targetInstanceId: 'plain' })
    const { body, text } = await plain.next(({ type }) => type === 'CMD')
    expect(body).to.deep.include({ command: 'slipstream.ping', args: { n: 1 }, messagePath: ['ops-1', 'one'] })
    expect(text).to.include('"expiresAt":')
    plain.send('{"type":"REPLY","correlationId":"c-1","instanceId":"far","value":9007199254740993,"complete":true}')
    const { text: answer } = await client.next(({ type }) => type === 'REPLY')
    expect(answer).to.include('"instanceId":"far","value":9007199254740993,"complete":true')
    plain.send({ type: 'REPLY', correlationId: 'c-1', value: 'again' })
    const liar = await connect(one, { name: 'liar', role: 'instance' })
    liar.send({ type: 'REPLY', correlationId: 'c-1', value: 'lie' })
    await client.none()
  })

  it('come from a plain neighbour, which is told once by whom, and by a second way that there is nothing to add', async () => {
    const one = await instance('one', { allow: [{ command: 'slipstream.ping', identities: ['ops-9'] }] })
    const left = await connect(one, { name: 'left', role: 'instance' })
    const right = await connect(one, { name: 'right', role: 'instance' })
    const envelope = { originInstanceId: 'far', originSequence: 'e.1', messageId: 'c-1', expiresAt: inAMinute() }
    const command = { type: 'CMD', command: 'slipstream.ping', ...envelope, targetInstanceId: 'one' }
    left.send({ ...command, messagePath: ['ops-9', 'far', 'left'] })
    const isReply = ({ correlationId }: Frame['body']) => correlationId === 'c-1'
    expect((await left.next(isReply)).body)
      .to.include({ instanceId: 'one', complete: true })
      .and.have.property('value')
    right.send({ ...command, messagePath: ['ops-9', 'far', 'right'] })
    expect((await right.next(isReply)).body)
      .to.include({ complete: true })
      .and.not.have.any.keys('value', 'error')
    await left.none(isReply)
  })
})
