import { expect } from 'chai'
import { slipstreamError } from '../../../core/index.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { connect, eventually, type Frame } from '../../support/client.ts'
import { Counting, type InstanceOptions, inAMinute, instance, reply, run, send, Waiting } from './cmd-support.ts'

/** A store whose process is gone from a certain moment on: nothing that it is given is kept any more. */
class CrashingStore extends MemoryStore {
  crashed = false

  override async finishExecution(...args: Parameters<MemoryStore['finishExecution']>): Promise<void> {
    if (this.crashed) throw slipstreamError('SLP_STORE_FAILED', ['the process is gone'])
    await super.finishExecution(...args)
  }
}

const pair = async (handlers: InstanceOptions['handlers'] = {}) => {
  const two = await instance('two', { handlers })
  const one = await instance('one', { dials: [two], handlers })
  return { one, two }
}

describe('commands happen at most once', () => {
  it('and whoever repeats one is told the same again: ACK duplicate, then the REPLY', async () => {
    const counting = new Counting()
    const bus = await instance('one', { handlers: counting.handlers })
    const client = await connect(bus, { name: 'ops-1' })
    const command = { messageId: 'c-1', expiresAt: inAMinute() }
    const first = await run(client, 'test.count', command)
    for (let again = 0; again < 3; again++) {
      expect(await send(client, 'test.count', command)).to.include({ type: 'ACK', status: 'duplicate' })
      expect(await reply(client, 'c-1')).to.deep.equal(first)
    }
    expect(counting.runs).to.deep.equal(['c-1@one'])
  })

  it('wherever they were run: over hops, and of all who have run it', async () => {
    const counting = new Counting()
    const { one } = await pair(counting.handlers)
    const client = await connect(one, { name: 'ops-1' })
    const command = { messageId: 'far', expiresAt: inAMinute(), targetInstanceId: 'two' }
    const first = await run(client, 'test.count', command)
    await send(client, 'test.count', command)
    expect(await reply(client, 'far')).to.deep.equal(first)
    const all = { messageId: 'all', expiresAt: inAMinute() }
    await send(client, 'test.count', all)
    await reply(client, 'all', true)
    await send(client, 'test.count', all)
    const answers = [await reply(client, 'all'), await reply(client, 'all')]
    // Those of the first time, and then those of the second.
    if (!answers[1]?.complete) answers.push(await reply(client, 'all', true))
    expect(counting.runs.filter((one) => one.startsWith('far'))).to.deep.equal(['far@two'])
    expect(counting.runs.filter((one) => one.startsWith('all')).sort()).to.deep.equal(['all@one', 'all@two'])
    await client.none()
  })

  it('and large results come back as they were, though together they fit into no frame', async () => {
    const large = 'x'.repeat(200 * 1024)
    const { one } = await pair({ 'test.large': { run: () => large } })
    const client = await connect(one)
    const command = { messageId: 'c-1', expiresAt: inAMinute() }
    await send(client, 'test.large', command)
    await reply(client, 'c-1', true)
    client.frames.length = 0
    await send(client, 'test.large', command)
    await reply(client, 'c-1', true)
    const values = client.frames.filter(({ body }) => body.type === 'REPLY').map(({ body }) => body.value)
    expect(values).to.deep.equal([large, large])
  })

  it('and one that is still running answers whoever asked last', async () => {
    const waiting = new Waiting()
    const { one } = await pair(waiting.handlers)
    const command = { messageId: 'c-1', expiresAt: inAMinute(), targetInstanceId: 'two' }
    const before = await connect(one)
    await send(before, 'test.wait', command)
    await before.close()
    const client = await connect(one)
    expect(await send(client, 'test.wait', command)).to.include({ status: 'duplicate' })
    await client.none(({ type }) => type === 'REPLY')
    waiting.finish('done')
    expect(await reply(client, 'c-1')).to.include({ value: 'done', complete: true })
  })

  it('and a named client that was away is told when it is back', async () => {
    const waiting = new Waiting()
    const bus = await instance('one', { handlers: waiting.handlers })
    const before = await connect(bus, { name: 'ops-1' })
    await send(before, 'test.wait', { messageId: 'c-1' })
    await before.close()
    await eventually(() => bus.bus.links().length === 0)
    waiting.finish('done')
    await eventually(() => bus.log.some(({ event }) => event === 'command ended'))
    const client = await connect(bus, { name: 'ops-1' })
    expect(await reply(client, 'c-1')).to.include({ value: 'done' })
  })

  it('another one under the same id is a conflict', async () => {
    const bus = await instance('one', { handlers: new Counting().handlers })
    const client = await connect(bus, { name: 'ops-1' })
    await run(client, 'test.count', { messageId: 'c-1' })
    expect(await send(client, 'slipstream.ping', { messageId: 'c-1' })).to.include({ type: 'NACK', code: 'CONFLICT' })
  })

  it('another one that came in elsewhere under the same id is not run, and told so', async () => {
    const counting = new Counting()
    const bus = await instance('one', { handlers: counting.handlers })
    const plain = await connect(bus, { name: 'plain', role: 'instance' })
    const command = { type: 'CMD', command: 'test.count', messageId: 'c-1', expiresAt: inAMinute() }
    const from = (originInstanceId: string, clusterGroupId: string) => {
      return { originInstanceId, originSequence: 'e.1', clusterGroupId, messagePath: [originInstanceId, 'plain'] }
    }
    const isReply = ({ correlationId }: Frame['body']) => correlationId === 'c-1'
    plain.send({ ...command, ...from('far-1', 'g-1') })
    expect((await plain.next(isReply)).body).to.include({ value: 1 })
    plain.send({ ...command, ...from('far-2', 'g-2') })
    expect((await plain.next(isReply)).body).to.include({ value: 1 })
    plain.send({ ...command, ...from('far-3', 'g-3'), timeoutMs: 5 })
    expect((await plain.next(isReply)).body).to.have.nested.property('error.code', 'CONFLICT')
    expect(counting.runs).to.deep.equal(['c-1@one'])
  })

  describe('across restarts', () => {
    it('one that has ended is not run again, and its result is still known', async () => {
      const counting = new Counting()
      const store = new MemoryStore()
      const options = { handlers: counting.handlers, store }
      const bus = await instance('one', options)
      const command = { messageId: 'c-1', expiresAt: inAMinute() }
      const first = await run(await connect(bus), 'test.count', command)
      await bus.stop()
      const client = await connect(await instance('one', options))
      expect(await send(client, 'test.count', command)).to.include({ status: 'duplicate' })
      expect((await reply(client, 'c-1')).value).to.equal(first.value)
      expect(counting.runs).to.deep.equal(['c-1@one'])
    })

    it('one that had begun when the process was gone is interrupted, never run again, and its asker is told', async () => {
      const waiting = new Waiting()
      const { handlers } = waiting
      const one = await instance('one', { handlers })
      const store = new CrashingStore()
      const crashing = await instance('two', { dials: [one], handlers, store })
      const client = await connect(one, { name: 'ops-1' })
      const command = { messageId: 'c-1', expiresAt: inAMinute(), targetInstanceId: 'two' }
      await send(client, 'test.wait', command)
      await eventually(() => waiting.begun === 1)
      store.crashed = true
      await crashing.stop()
      expect(
        await store.open({ runtime: {} as never, instanceId: 'two' }).then(() => store.execution('c-1')),
      ).to.include({ finishedAt: undefined })
      await store.close()
      store.crashed = false
      await instance('two', { dials: [one], handlers, store })
      expect(await reply(client, 'c-1'))
        .to.include({ instanceId: 'two', complete: true })
        .and.have.nested.property('error.code', 'INTERRUPTED')
      await send(client, 'test.wait', command)
      expect(await reply(client, 'c-1')).to.have.nested.property('error.code', 'INTERRUPTED')
      expect(waiting.begun).to.equal(1)
    })

    it('one that was claimed and whose delivery was not done is interrupted, and never run', async () => {
      const counting = new Counting()
      const store = new MemoryStore()
      const options = { handlers: counting.handlers, store }
      const bus = await instance('one', options)
      const client = await connect(bus)
      const { fingerprint } = await executionOf(client, store)
      await bus.stop()
      await store.open({ runtime: { now: () => 0 } as never, instanceId: 'one' })
      const claim = { messageId: 'c-2', fingerprint, name: 'test.count', publisher: undefined, via: undefined }
      await store.claimExecutions([claim])
      await store.close()
      const again = await connect(await instance('one', options))
      const { error } = await run(again, 'test.count', { messageId: 'c-2', expiresAt: FIXED })
      expect(error).to.include({ code: 'INTERRUPTED' })
      expect(counting.runs).to.deep.equal(['c-1@one'])
    })

    it('one that was not begun when its instance stopped is run by the next process', async () => {
      const counting = new Counting()
      const store = new MemoryStore()
      const waits = { ...new Waiting().handlers, ...counting.handlers }
      const bus = await instance('one', { handlers: waits, store })
      const client = await connect(bus)
      for (let n = 0; n < 17; n++) await send(client, 'test.wait', { messageId: `wait-${n}` })
      await send(client, 'test.count', { messageId: 'c-1' })
      await client.none(({ correlationId }) => correlationId === 'c-1')
      await bus.stop()
      await instance('one', { handlers: counting.handlers, store })
      await eventually(() => counting.runs.length === 1)
      expect((await store.execution('wait-0'))?.outcome).to.equal('interrupted')
      expect((await store.execution('c-1'))?.outcome).to.equal('done')
    })

    it('what was lost on its way back, because an instance in between was gone, is there for who asks again', async () => {
      const waiting = new Waiting()
      const { handlers } = waiting
      const store = new MemoryStore()
      const three = await instance('three', { handlers })
      const two = await instance('two', { dials: [three], store })
      const { url } = two
      const one = await instance('one', { dials: [two], handlers })
      const client = await connect(one)
      const command = { messageId: 'c-1', expiresAt: inAMinute(), targetInstanceId: 'three' }
      await send(client, 'test.wait', command)
      await eventually(() => waiting.begun === 1)
      await two.stop()
      await eventually(() => three.bus.links().length === 0)
      waiting.finish('done')
      await eventually(() => three.log.some(({ event }) => event === 'command ended'))
      const settings = { port: Number(new URL(url).port) } as never
      await instance('two', { dials: [three], store, settings })
      await eventually(() => one.bus.links().length === 2)
      expect(await send(client, 'test.wait', command)).to.include({ status: 'duplicate' })
      expect(await reply(client, 'c-1')).to.include({ value: 'done', instanceId: 'three', complete: true })
    })
  })

  it('and is written down before anybody is told, though the store fails for a while', async () => {
    const counting = new Counting()
    const store = new CrashingStore()
    const bus = await instance('one', { handlers: counting.handlers, store })
    const client = await connect(bus)
    store.crashed = true
    await send(client, 'test.count', { messageId: 'c-1' })
    await eventually(() => bus.log.some(({ event }) => event === 'outcome not written down'))
    await client.none(({ type }) => type === 'REPLY')
    store.crashed = false
    expect(await reply(client, 'c-1')).to.include({ value: 1 })
    expect((await store.execution('c-1'))?.outcome).to.equal('done')
  })

  it('nor is one run of which the store could not say whether it was claimed', async () => {
    const counting = new Counting()
    const store = new MemoryStore()
    const { claimExecutions } = store
    store.claimExecutions = async (claims) => {
      store.claimExecutions = claimExecutions
      await store.claimExecutions(claims)
      throw slipstreamError('SLP_STORE_FAILED', ['disk I/O error'])
    }
    const bus = await instance('one', { handlers: counting.handlers, store })
    const client = await connect(bus)
    expect((await run(client, 'test.count')).error).to.include({ code: 'INTERRUPTED' })
    expect(counting.runs).to.deep.equal([])
    expect((await run(client, 'test.count')).value).to.equal(1)
  })

  it('what instances ask each other of them is not for applications', async () => {
    const client = await connect(await instance('one'))
    const ask = { type: 'command.outcome', of: 'c-1', messageId: 'ask', consistency: 'all' }
    expect(await client.publish(ask)).to.include({ type: 'NACK', code: 'FORBIDDEN' })
  })
})

/** The same for both, and later than any run of the tests ends. */
const FIXED = inAMinute() + 12 * 60 * 60_000

/** Runs `c-1`, of which `c-2` is the twin: what is kept of it tells them apart by their ids alone. */
async function executionOf(client: Awaited<ReturnType<typeof connect>>, store: MemoryStore) {
  await run(client, 'test.count', { messageId: 'c-1', expiresAt: FIXED })
  return (await store.execution('c-1')) as { fingerprint: string }
}
