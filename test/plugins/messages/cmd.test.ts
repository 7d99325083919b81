import { expect } from 'chai'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { connect, eventually } from '../../support/client.ts'
import { Counting, instance, reply, run, send, Waiting } from './cmd-support.ts'

const DAY_MS = 24 * 60 * 60_000

describe('commands', () => {
  it('run where they are allowed, and answer: the ACK first, then the REPLY, and no more', async () => {
    const bus = await instance('one')
    const client = await connect(bus, { name: 'ops-1' })
    const ack = await send(client, 'slipstream.ping', { messageId: 'c-1' })
    expect(ack).to.include({ type: 'ACK', status: 'stored', recipients: 1 })
    const answer = await reply(client, 'c-1')
    expect(answer).to.include({ instanceId: 'one', sourceInstanceId: 'one', complete: true })
    expect(answer.value).to.include({ instanceId: 'one' }).and.have.property('time').that.is.a('number')
    await client.none()
  })

  it('give what their handlers return, and none of it to other applications', async () => {
    const handlers = {
      'test.echo': { args: { type: 'object' }, run: (args: unknown) => [args] },
      'test.nothing': { run: async () => undefined },
    }
    const bus = await instance('one', { handlers })
    const other = await connect(bus, { name: 'shop' })
    const client = await connect(bus)
    expect((await run(client, 'test.echo', { args: { a: 'ü', n: [1.5] } })).value).to.deep.equal([{ a: 'ü', n: [1.5] }])
    expect((await run(client, 'test.nothing')).value).to.equal(null)
    expect((await run(client, 'test.echo')).value).to.deep.equal([{}])
    await other.none()
  })

  describe('are off', () => {
    it('unless they are allowed: one that is published is refused, with the remedy', async () => {
      const bus = await instance('one', { allow: false })
      const client = await connect(bus, { name: 'ops-1' })
      const nack = await send(client, 'slipstream.ping')
      expect(nack).to.include({ type: 'NACK', code: 'FORBIDDEN', retryable: false })
      expect(nack.reason).to.include('commands: { allow:')
    })

    it('for whoever is not named, and for whoever has no name', async () => {
      const bus = await instance('one', { allow: [{ command: 'slipstream.ping', identities: ['ops-1', 'ops-2'] }] })
      for (const name of ['ops-1', 'ops-2']) {
        expect(await run(await connect(bus, { name }), 'slipstream.ping')).to.have.property('value')
      }
      for (const name of ['ops-3', undefined]) {
        const client = await connect(bus, name === undefined ? {} : { name })
        expect(await send(client, 'slipstream.ping')).to.include({ code: 'FORBIDDEN' })
        expect(await send(client, 'slipstream.status')).to.include({ code: 'FORBIDDEN' })
      }
    })

    it('at a recipient that does not allow them: it says so, does not run them, and has no dead letter', async () => {
      const counting = new Counting()
      const two = await instance('two', {
        handlers: counting.handlers,
        allow: [{ command: 'test.count', identities: ['ops-2'] }],
      })
      const one = await instance('one', { dials: [two], handlers: counting.handlers })
      const client = await connect(one, { name: 'ops-1' })
      const { error } = await run(client, 'test.count', { targetInstanceId: 'two' })
      expect(error).to.include({ code: 'FORBIDDEN' })
      expect(counting.runs).to.deep.equal([])
      const audit = two.log.find(({ event }) => event === 'command ended')
      expect(audit?.fields).to.include({ command: 'test.count', peer: 'ops-1', status: 'forbidden' })
      await eventually(() => one.bus.recipients().every(({ pending }) => pending === 0))
      expect(await run(await connect(one, { name: 'ops-2' }), 'test.count', { targetInstanceId: 'two' })).to.include({
        value: 1,
      })
    })

    it('at an instance in between, which passes them on', async () => {
      const three = await instance('three')
      const two = await instance('two', { dials: [three], allow: false })
      const one = await instance('one', { dials: [two] })
      const client = await connect(one)
      const { value } = await run(client, 'slipstream.ping', { targetInstanceId: 'three' })
      expect(value).to.include({ instanceId: 'three' })
    })
  })

  describe('are refused', () => {
    it('without an end, or with one that is more than 24 hours ahead, or with a delay', async () => {
      const client = await connect(await instance('one'))
      const wrong = { type: 'NACK', code: 'INVALID_MESSAGE', retryable: false }
      const without = await send(client, 'slipstream.ping', { expiresAt: undefined })
      expect(without).to.include(wrong)
      expect(without.reason).to.include('/expiresAt must be there').and.include('24 hours')
      expect(await send(client, 'slipstream.ping', { expiresAt: Date.now() + DAY_MS + 60_000 })).to.include(wrong)
      const delayed = await send(client, 'slipstream.ping', { notBefore: Date.now() + 1_000 })
      expect(delayed).to.include(wrong)
      expect(delayed.reason).to.include('/notBefore')
      expect(await send(client, 'slipstream.ping', { expiresAt: Date.now() + DAY_MS - 60_000 })).to.include({
        type: 'ACK',
      })
    })

    it('with a name that none can have', async () => {
      const client = await connect(await instance('one'))
      for (const command of ['', 'a b', '../bin/sh', 'a..b', 'x'.repeat(129)]) {
        expect(await send(client, command)).to.include({ code: 'INVALID_MESSAGE' })
      }
    })
  })

  describe('answer with an error', () => {
    it('when their args are wrong: the place is named, never the value', async () => {
      const schema = {
        type: 'object',
        required: ['items'],
        properties: { items: { type: 'array', items: { type: 'integer' } } },
        additionalProperties: false,
      }
      const counting = new Counting()
      const handlers = { 'test.items': { args: schema, run: () => 'fine' }, ...counting.handlers }
      const client = await connect(await instance('one', { handlers }))
      const { error } = await run(client, 'test.items', { args: { items: [1, 'secret'] } })
      expect(error).to.deep.equal({ code: 'INVALID_ARGS', message: 'args/items/1 must be integer' })
      expect((await run(client, 'test.items')).error).to.include({ code: 'INVALID_ARGS' })
      expect((await run(client, 'test.items', { args: { items: [1] } })).value).to.equal('fine')
      expect((await run(client, 'test.count', { args: {} })).error).to.deep.equal({
        code: 'INVALID_ARGS',
        message: 'it takes no args',
      })
      expect(counting.runs).to.deep.equal([])
    })

    it('when there is none of that name', async () => {
      const bus = await instance('one', { allow: [{ command: 'test.nowhere', identities: '*' }] })
      expect((await run(await connect(bus), 'test.nowhere')).error).to.include({ code: 'UNKNOWN_COMMAND' })
    })

    it('when their handler throws, without what that has in common with the args', async () => {
      const handlers = {
        'test.throw': {
          args: { type: 'object' },
          run: () => {
            throw new Error('no account "4711-secret" in this shop')
          },
        },
        'test.reject': { run: () => Promise.reject('down') },
        'test.circular': {
          run: () => {
            const one: Record<string, unknown> = {}
            one.self = one
            return one
          },
        },
      }
      const bus = await instance('one', { handlers })
      const client = await connect(bus)
      const { error } = await run(client, 'test.throw', { args: { account: '4711-secret' } })
      expect(error).to.deep.equal({ code: 'FAILED', message: 'no account "…" in this shop' })
      expect((await run(client, 'test.reject')).error).to.deep.equal({ code: 'FAILED', message: 'down' })
      expect((await run(client, 'test.circular')).error).to.include({ code: 'FAILED' })
      expect(JSON.stringify(bus.log)).not.to.include('4711-secret')
    })

    it('when they take too long: the signal is aborted, and what comes later is dropped', async () => {
      const aborted: boolean[] = []
      let finish: (value: string) => void = () => {}
      const handlers = {
        'test.slow': {
          timeoutMs: 60,
          run: (_: unknown, { signal }: { signal: AbortSignal }) => {
            signal.addEventListener('abort', () => aborted.push(signal.aborted))
            return new Promise((resolve) => {
              finish = resolve
            })
          },
        },
      }
      const client = await connect(await instance('one', { handlers }))
      for (const timeoutMs of [undefined, 20, 600_000]) {
        const answer = await run(client, 'test.slow', timeoutMs === undefined ? {} : { timeoutMs })
        expect(answer.error).to.include({ code: 'TIMEOUT' })
        expect((answer.error as { message: string }).message).to.include(`${Math.min(timeoutMs ?? 60, 60)} ms`)
        finish('late')
      }
      await client.none()
      expect(aborted).to.deep.equal([true, true, true])
    })

    it('when their result is larger than 256 KiB, or nested too deep for a frame', async () => {
      let deep: unknown = 1
      for (let level = 0; level < 31; level++) deep = [deep]
      const handlers = {
        'test.large': { run: () => 'x'.repeat(256 * 1024 - 2) },
        'test.larger': { run: () => 'x'.repeat(256 * 1024 - 1) },
        'test.deep': { run: () => deep },
        'test.deeper': { run: () => [deep] },
      }
      const two = await instance('two', { handlers })
      const client = await connect(await instance('one', { dials: [two], handlers }))
      const at = { targetInstanceId: 'two' }
      expect((await run(client, 'test.large', at)).value).to.have.length(256 * 1024 - 2)
      expect((await run(client, 'test.larger', at)).error).to.include({ code: 'RESULT_TOO_LARGE' })
      expect(await run(client, 'test.deep', at)).to.have.property('value')
      expect((await run(client, 'test.deeper', at)).error).to.include({ code: 'RESULT_TOO_LARGE' })
    })

    it('when there is nobody who could run them: the ACK says that it is for none', async () => {
      const client = await connect(await instance('one'))
      const ack = await send(client, 'slipstream.ping', { targetInstanceId: 'nobody', messageId: 'c-1' })
      expect(ack).to.include({ type: 'ACK', recipients: 0 })
      expect((await reply(client, 'c-1')).error).to.include({ code: 'NO_RESPONDERS' })
      await send(client, 'slipstream.ping', { targetedTags: ['none'], messageId: 'c-2' })
      expect(await reply(client, 'c-2'))
        .to.include({ complete: true })
        .and.have.nested.property('error.code', 'NO_RESPONDERS')
    })

    it('when nobody behind the neighbours could run them either', async () => {
      const two = await instance('two')
      const one = await instance('one', { dials: [two] })
      const client = await connect(one)
      expect((await run(client, 'slipstream.ping', { targetInstanceId: 'nobody' })).error).to.include({
        code: 'NO_RESPONDERS',
      })
    })
  })

  it('have a status, which is what the admin server shows when there is one', async () => {
    const status = { name: 'status', apply: (kernel: never) => provideStatus(kernel) }
    const bus = await instance('one', { plugins: [status] })
    expect((await run(await connect(bus), 'slipstream.status')).value).to.deep.equal({ uptimeSeconds: 7 })
    const bare = await instance('two')
    expect((await run(await connect(bare), 'slipstream.status')).value).to.include({ instanceId: 'two' })
  })

  it('go on while others take long, 16 of them at once, and so does what comes behind them', async () => {
    const waiting = new Waiting()
    const bus = await instance('one', { handlers: waiting.handlers })
    const client = await connect(bus)
    const ids = Array.from({ length: 40 }, (_, n) => `wait-${n}`)
    for (const messageId of ids) await send(client, 'test.wait', { messageId })
    await eventually(() => waiting.begun === 16)
    await client.publish({ type: 'SK', key: 'k', value: 1, messageId: 'write' })
    await client.none(({ type }) => type === 'REPLY')
    expect(waiting.begun).to.equal(16)
    for (let done = 0; done < 40; done++) {
      await eventually(() => waiting.begun > done)
      waiting.finish(null, done)
    }
    for (const messageId of ids) expect(await reply(client, messageId)).to.include({ value: null, complete: true })
  })

  it('need an end that has not come: one that is over is not run, and is a dead letter', async () => {
    const counting = new Counting()
    const store = new MemoryStore()
    const bus = await instance('one', { handlers: counting.handlers, store })
    const client = await connect(bus, { name: 'ops-1' })
    const expiresAt = Date.now() - 1
    expect((await run(client, 'test.count', { messageId: 'late', expiresAt })).error).to.include({ code: 'EXPIRED' })
    expect(counting.runs).to.deep.equal([])
    await send(client, 'test.count', { messageId: 'late', expiresAt })
    expect((await reply(client, 'late')).error).to.include({ code: 'EXPIRED' })
    const { items } = await store.deadLetters({}, { limit: 10 })
    expect(items.map(({ messageId, reason }) => [messageId, reason])).to.deep.equal([['late', 'EXPIRED']])
    const audit = bus.log.filter(({ event }) => event === 'command ended').map(({ fields }) => fields)
    expect(audit).to.deep.equal([{ messageId: 'late', command: 'test.count', peer: 'ops-1', status: 'expired' }])
  })
})

function provideStatus(kernel: { provide(name: string, service: object): void }): void {
  kernel.provide('status', { read: () => ({ uptimeSeconds: 7 }) })
}
