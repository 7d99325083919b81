import { expect } from 'chai'
import type { Plugin } from '../../core/index.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { keeping, type RunningBus, startBus } from '../support/bus.ts'
import { type Client, connect, eventually, type Frame } from '../support/client.ts'

const REQUEST_TIMEOUT_MS = 400

/** Starts an instance that keeps state, and dials those. */
async function instance(
  name: string,
  dials: readonly RunningBus[] = [],
  tags: readonly string[] = [],
): Promise<RunningBus> {
  const settings = { instanceId: name, tags, peers: dials.map(({ url }) => ({ url })), retryDelayMs: 50 }
  const bus = await startBus({ settings, plugins: [keeping(new MemoryState())] })
  await eventually(() => bus.bus.links().length >= dials.length)
  return bus
}

const linked = (bus: RunningBus, count: number) => eventually(() => bus.bus.links().length >= count)

/** Sets a key at one instance alone. */
const only = (name: string, key: string, value: unknown) => ({ type: 'SK', key, value, targetInstanceId: name })

let written = 0
const write = (client: Client, message: object) => client.publish({ messageId: `write-${++written}`, ...message })

async function ask(client: Client, request: object): Promise<Frame['body']> {
  const messageId = `ask-${++written}`
  client.send({ messageId, ...request })
  const { body } = await client.next(({ correlationId, messageId: id, type }) => {
    return correlationId === messageId || (id === messageId && type !== 'GK')
  })
  return body
}

describe('requests', () => {
  it('are answered by the instance that is asked, values to the byte', async () => {
    const bus = await instance('one')
    const client = await connect(bus, { name: 'app' })
    client.send('{"type":"SK","messageId":"big","key":"n","value":9007199254740993}')
    await client.next(({ type }) => type === 'ACK')
    client.send({ type: 'GK', key: 'n', messageId: 'ask' })
    const { text, body } = await client.next(({ correlationId }) => correlationId === 'ask')
    expect(text).to.include('"value":9007199254740993,')
    expect(body).to.include({ type: 'REPLY', complete: true, sourceInstanceId: 'one' })
    expect(body.version).to.match(/^\d{13}-\d{5}-one$/)
  })

  it('know what was acknowledged before, and are neither stored nor acknowledged', async () => {
    const bus = await instance('one')
    const client = await connect(bus, { name: 'app' })
    for (let n = 0; n < 50; n++) {
      await write(client, { type: 'SK', key: 'k', value: n })
      expect(await ask(client, { type: 'GK', key: 'k', consistency: 'local' })).to.include({ type: 'REPLY', value: n })
    }
    expect(client.frames.filter(({ body }) => body.type === 'ACK')).to.have.length(50)
  })

  it('answer with nothing for a key that was never written, and with its version for a deleted one', async () => {
    const bus = await instance('one')
    const client = await connect(bus)
    expect(await ask(client, { type: 'GK', key: 'k' }))
      .to.include({ value: null, complete: true })
      .and.not.have.property('version')
    await write(client, { type: 'SK', key: 'k', value: 1 })
    await write(client, { type: 'DEL', key: 'k' })
    expect(await ask(client, { type: 'GK', key: 'k' }))
      .to.include({ value: null })
      .and.have.property('version')
  })

  it('ask for arrays and members in their own shape', async () => {
    const bus = await instance('one')
    const client = await connect(bus)
    await write(client, { type: 'SA', key: 'list', value: ['a', 1] })
    await write(client, {
      type: 'SW',
      key: 'set',
      value: [
        { member: 'b', weight: 2 },
        { member: 'a', weight: 1.5 },
      ],
    })
    await write(client, { type: 'SW', key: 'set', value: [{ member: 'b', weight: null }] })
    expect((await ask(client, { type: 'GA', key: 'list' })).value).to.deep.equal(['a', 1])
    expect((await ask(client, { type: 'GW', key: 'set' })).value).to.deep.equal([{ member: 'a', weight: 1.5 }])
    expect((await ask(client, { type: 'GK', key: 'set' })).value).to.equal(null)
  })

  it('go on over hops until somebody knows, and come back the way they went', async () => {
    const third = await instance('three')
    const second = await instance('two', [third])
    const first = await instance('one', [second])
    const there = await connect(third)
    await write(there, only('three', 'k', 'far'))
    const client = await connect(first, { name: 'app' })
    expect(await ask(client, { type: 'GK', key: 'k' })).to.include({
      value: 'far',
      complete: true,
      sourceInstanceId: 'one',
    })
  })

  it('end in a ring with redundant links, each instance answering once', async () => {
    const names = ['a', 'b', 'c', 'd']
    const ring: RunningBus[] = []
    for (const name of names) ring.push(await instance(name, ring))
    for (const bus of ring) await linked(bus, 3)
    for (const [n, name] of names.entries()) {
      const client = await connect(ring[n] as RunningBus)
      await write(client, only(name, 'k', name))
    }
    const client = await connect(ring[0] as RunningBus)
    const { values, complete } = await ask(client, { type: 'GK', key: 'k', consistency: 'all' })
    expect(complete).to.equal(true)
    const found = (values as { instanceId: string; value: string }[]).map(({ instanceId, value }) => [
      instanceId,
      value,
    ])
    expect(found.sort()).to.deep.equal(names.map((name) => [name, name]))
    expect(await ask(client, { type: 'GK', key: 'k', consistency: 'newest' })).to.include({
      value: 'd',
      complete: true,
    })
    expect(await ask(client, { type: 'GK', key: 'k' })).to.include({ value: 'a' })
    expect(await ask(client, { type: 'GK', key: 'k', targetInstanceId: 'c' })).to.include({ value: 'c' })
  })

  it('reach only those who bear the tag, through those who do not', async () => {
    const aws = await instance('aws-1', [], ['aws'])
    const hub = await instance('hub', [aws])
    const first = await instance('one', [hub], ['gcp'])
    await eventually(() => first.bus.recipients().some(({ tags }) => tags.has('aws')))
    const there = await connect(aws)
    await write(there, only('aws-1', 'k', 'aws'))
    const client = await connect(first)
    await write(client, only('one', 'k', 'own'))
    const { values } = await ask(client, { type: 'GK', key: 'k', consistency: 'all', targetedTags: ['aws'] })
    expect(values).to.have.length(1)
    expect(await ask(client, { type: 'GK', key: 'k', targetedTags: ['aws'] })).to.include({ value: 'aws' })
  })

  it('are refused at once when nobody can answer', async () => {
    const bus = await instance('one')
    const client = await connect(bus)
    expect(await ask(client, { type: 'GK', key: 'k', targetInstanceId: 'nobody' })).to.include({
      type: 'NACK',
      code: 'NO_RESPONDERS',
    })
    expect(await ask(client, { type: 'GK', key: 'k', targetedTags: ['no'] })).to.include({
      code: 'NO_RESPONDERS',
      retryable: true,
    })
  })

  it('are refused when nobody behind the neighbours can answer either', async () => {
    const second = await instance('two')
    const first = await instance('one', [second])
    const client = await connect(first)
    expect(await ask(client, { type: 'GK', key: 'k', targetInstanceId: 'nobody' })).to.include({
      code: 'NO_RESPONDERS',
    })
  })

  it('are answered in time, with what there is, when somebody does not answer', async () => {
    const first = await instance('one')
    await connect(first, { name: 'mute', role: 'instance', acknowledges: false })
    const client = await connect(first)
    await write(client, only('one', 'k', 1))
    const timeoutMs = REQUEST_TIMEOUT_MS
    expect(await ask(client, { type: 'GK', key: 'k', consistency: 'newest', timeoutMs })).to.include({
      value: 1,
      complete: false,
    })
    const all = await ask(client, { type: 'GK', key: 'k', consistency: 'all', timeoutMs })
    expect(all).to.include({ complete: false }).and.have.property('values').with.length(1)
    expect(await ask(client, { type: 'GK', key: 'k', targetInstanceId: 'mute', timeoutMs })).to.include({
      type: 'NACK',
      code: 'TIMEOUT',
    })
  })

  it('do not wait for a neighbour that is gone', async () => {
    const first = await instance('one')
    const mute = await connect(first, { name: 'mute', role: 'instance', acknowledges: false })
    const client = await connect(first)
    const answer = ask(client, { type: 'GK', key: 'k', consistency: 'newest', timeoutMs: 60_000 })
    await mute.next(({ type }) => type === 'GK')
    mute.socket.terminate()
    expect(await answer).to.include({ value: null, complete: false })
  })

  it('pass a neighbour that only asks and answers as the protocol says', async () => {
    const first = await instance('one')
    const plain = await connect(first, { name: 'plain', role: 'instance', acknowledges: false })
    const client = await connect(first, { name: 'app' })
    const answer = ask(client, { type: 'GK', key: 'k', consistency: 'all' })
    const { body } = await plain.next(({ type }) => type === 'GK')
    expect(body).to.deep.include({ sourceInstanceId: 'one', messagePath: ['app', 'one'], originInstanceId: 'one' })
    plain.send({
      type: 'REPLY',
      correlationId: body.messageId,
      values: [{ value: 7, instanceId: 'far', version: 'v' }],
    })
    expect(((await answer).values as object[])[1]).to.deep.include({ value: 7, instanceId: 'far' })
    plain.send({ type: 'GK', key: 'k', messageId: 'asked', messagePath: ['far', 'plain'] })
    expect((await plain.next(({ correlationId }) => correlationId === 'asked')).body).to.include({
      value: null,
      complete: true,
    })
    plain.send({ type: 'GK', key: 'k', messageId: 'asked', messagePath: ['far', 'other', 'plain'] })
    const again = await plain.next(({ correlationId }) => correlationId === 'asked')
    expect(again.body).to.include({ complete: true }).and.not.have.property('value')
  })

  it('are not believed from those who were not asked', async () => {
    const first = await instance('one')
    await connect(first, { name: 'mute', role: 'instance', acknowledges: false })
    const liar = await connect(first, { name: 'liar' })
    const client = await connect(first)
    const timeoutMs = REQUEST_TIMEOUT_MS
    const answer = ask(client, { type: 'GK', key: 'k', messageId: 'known', consistency: 'newest', timeoutMs })
    liar.send({ type: 'REPLY', correlationId: 'known', value: 'lie', version: '9999999999999-00000-x' })
    liar.send({ type: 'NACK', messageId: 'known', code: 'NO_RESPONDERS' })
    client.send({ type: 'GK', key: 'k', messageId: 'done', consistency: 'local' })
    expect((await client.next(({ correlationId }) => correlationId === 'done')).body).to.include({ value: null })
    const { body } = await client.next(({ correlationId }) => correlationId === 'known')
    expect(body).to.include({ value: null, complete: false })
    void answer.catch(() => {})
  })

  it('need an id of their own', async () => {
    const bus = await instance('one')
    const client = await connect(bus)
    expect(await ask(client, { type: 'GK', key: 'k', messageId: 'same', consistency: 'local' }).catch(() => 0)).to.exist
    client.send({ type: 'GK', key: 'k', messageId: 'same' })
    expect((await client.next(({ code }) => code === 'CONFLICT')).body).to.include({
      messageId: 'same',
      code: 'CONFLICT',
    })
  })

  it('are answered by no instance that keeps no state', async () => {
    const bus = await startBus()
    const client = await connect(bus)
    expect(await ask(client, { type: 'GK', key: 'k' })).to.include({ code: 'NO_RESPONDERS' })
  })

  it('are a type like any other: a plugin may ask and answer what it likes', async () => {
    const clock: Plugin = {
      name: 'clock',
      apply(kernel) {
        kernel.messageType('time.ask', {
          schema: { type: 'object', required: [], properties: {} },
          answer: () => ({ value: '"noon"', version: '1' }),
        })
      },
    }
    const bus = await startBus({ plugins: [clock] })
    const client = await connect(bus)
    expect(await ask(client, { type: 'time.ask' })).to.include({ type: 'REPLY', value: 'noon' })
  })
})
