import type { Socket } from 'node:net'
import { expect } from 'chai'
import type { Kernel, Plugin, StoreVerdict } from '../core/index.ts'
import { Stage } from '../core/index.ts'
import { MemoryStore } from '../plugins/stores/memory.ts'
import { type StartOptions, startBus } from './support/bus.ts'
import { answers, type Client, connect, eventually, nextMessage, noMessage } from './support/client.ts'

const sk = (messageId: string, members: object = {}) => ({ type: 'SK', messageId, key: 'k', value: 1, ...members })

/** Notes each step of the journey as it is taken, before and after everything else that stands there. */
function recorder() {
  const steps: string[] = []
  const note = (step: string) => void steps.push(step)
  const plugin: Plugin = {
    name: 'recorder',
    apply({ hooks }: Kernel) {
      hooks.onReceive.tap((received) => note(`onReceive ${received.type}`) as undefined, { stage: Stage.LATE })
      hooks.route.tap(
        (route, { messageId }) => {
          note(`route ${messageId}`)
          return route
        },
        { stage: Stage.LATE },
      )
      hooks.persist.tapPromise(
        async (entries, { settlements }) => {
          for (const { message } of entries) note(`persist ${message.messageId}`)
          for (const _ of settlements) note('persist settlement')
          return undefined
        },
        { stage: Stage.LIMITS },
      )
      hooks.ack.tap((all) => {
        for (const { messageId, status } of all) note(`ack ${messageId} ${status}`)
      })
      hooks.refused.tap(({ messageId, code }) => note(`refused ${messageId} ${code}`))
      hooks.forwarded.tap((all) => {
        for (const { recipient, message } of all) note(`forward ${message.messageId} ${recipient.name}`)
      })
      hooks.settled.tap(({ recipient, message }) => note(`settled ${message.messageId} ${recipient.name}`))
      hooks.republish.tap(
        (due) => {
          for (const { delivery, cause } of due) note(`republish ${delivery.message.messageId} ${cause}`)
        },
        { stage: Stage.LIMITS },
      )
    },
  }
  return { steps, plugin }
}

/** A bus under observation, with an application that is to get what others publish. */
async function observed({ plugins = [], ...options }: StartOptions = {}) {
  const { steps, plugin } = recorder()
  const bus = await startBus({ plugins: [plugin, ...plugins], ...options })
  const application = await connect(bus, { name: 'app', acknowledges: false })
  const publisher = await connect(bus)
  return { bus, steps, application, publisher }
}

function throwing(problem: string): never {
  throw new Error(problem)
}

const portOf = ({ socket }: Client) => (socket as unknown as { _socket: Socket })._socket.localPort

/** A store that answers its next writes when, and with what, the test says. */
class HeldStore extends MemoryStore {
  readonly held: (() => void)[] = []

  override async write(batch: Parameters<MemoryStore['write']>[0]): Promise<readonly StoreVerdict[]> {
    const verdicts = await super.write(batch)
    await new Promise<void>((resolve) => this.held.push(resolve))
    return verdicts
  }
}

describe('the journey of a message', () => {
  it('is onReceive, route, persist, ack, forward; and its recipient’s ACK closes it', async () => {
    const { steps, application, publisher } = await observed()
    await publisher.publish(sk('m'))
    await nextMessage(application)
    application.send({ type: 'ACK', messageId: 'm' })
    await eventually(() => steps.includes('persist settlement'))
    expect(steps).to.deep.equal([
      'onReceive SK',
      'route m',
      'persist m',
      'ack m stored',
      'forward m app',
      'onReceive ACK',
      'settled m app',
      'persist settlement',
    ])
  })

  it('goes on with republish until the recipient answers', async () => {
    const { steps, application, publisher } = await observed({ settings: { retryDelayMs: 20 } })
    await publisher.publish(sk('m'))
    await nextMessage(application)
    await nextMessage(application)
    application.send({ type: 'ACK', messageId: 'm' })
    await eventually(() => steps.includes('persist settlement'))
    expect(steps.slice(4, 7)).to.deep.equal(['forward m app', 'republish m silence', 'forward m app'])
  })

  it('waits behind ack for the time of a message that asks for it, and goes on at route, with no word to its sender', async () => {
    const { steps, application, publisher } = await observed()
    await publisher.publish(sk('m', { notBefore: Date.now() + 500 }))
    expect(steps).to.deep.equal(['onReceive SK', 'route m', 'persist m', 'ack m stored'])
    const { body } = await nextMessage(application)
    expect(body.notBefore).to.be.at.most(Date.now())
    expect(steps.slice(4)).to.deep.equal(['route m', 'persist m', 'forward m app'])
  })

  it('ends at the scan for what is no message: NACK, and no hook is asked', async () => {
    const { steps, publisher } = await observed()
    publisher.send('{"type":"SK"')
    expect((await publisher.next()).body).to.include({ type: 'NACK', code: 'INVALID_JSON' })
    expect(steps).to.deep.equal(['refused undefined INVALID_JSON'])
  })

  it('ends at onReceive for what does not fit its type: NACK', async () => {
    const { steps, publisher } = await observed()
    expect(await publisher.publish(sk('m', { key: 1 }))).to.include({ type: 'NACK', code: 'INVALID_MESSAGE' })
    expect(steps).to.deep.equal(['refused m INVALID_MESSAGE'])
  })

  it('ends at onReceive for a repetition that is still in memory: ACK again, not routed', async () => {
    const { steps, publisher, application } = await observed()
    const first = await publisher.publish(sk('m'))
    steps.length = 0
    const again = await publisher.publish(sk('m'))
    expect(again).to.include({ type: 'ACK', status: 'duplicate', recipients: first.recipients })
    expect(steps).to.deep.equal(['ack m duplicate'])
    expect(application.frames).to.have.length(1)
  })

  it('ends at persist for a repetition that only the store knows: ACK again, not forwarded', async () => {
    const { steps, publisher, application } = await observed({ without: ['dedup-memory'] })
    await publisher.publish(sk('m'))
    await nextMessage(application)
    steps.length = 0
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate', recipients: 1 })
    expect(steps).to.deep.equal(['onReceive SK', 'route m', 'persist m', 'ack m duplicate'])
    await noMessage(application)
  })

  it('ends at persist for another message under a used id: NACK CONFLICT, final', async () => {
    const { steps, publisher, application } = await observed()
    await publisher.publish(sk('m'))
    await nextMessage(application)
    steps.length = 0
    expect(await publisher.publish(sk('m', { value: 2 }))).to.include({
      type: 'NACK',
      code: 'CONFLICT',
      retryable: false,
    })
    expect(steps).to.deep.equal(['onReceive SK', 'route m', 'persist m', 'refused m CONFLICT'])
    await noMessage(application)
  })

  it('ends at persist for the same message from another named publisher: NACK CONFLICT', async () => {
    const { bus } = await observed()
    const [one, other] = [await connect(bus, { name: 'one' }), await connect(bus, { name: 'other' })]
    expect(await one.publish(sk('m'))).to.include({ type: 'ACK' })
    expect(await other.publish(sk('m'))).to.include({ type: 'NACK', code: 'CONFLICT' })
  })

  it('ends at persist for what the store rejects: a NACK without its words, which may quote; others of the batch go on', async () => {
    const store = new MemoryStore()
    const write = store.write.bind(store)
    store.write = async (batch) =>
      (await write(batch)).map((verdict, at) =>
        batch.entries[at]?.message.messageId === 'bad'
          ? { status: 'rejected', reason: 'too much for one row' }
          : verdict,
      )
    const { publisher, application } = await observed({ store })
    publisher.send(sk('bad'))
    publisher.send(sk('good'))
    expect((await publisher.next(answers('good'))).body).to.include({ type: 'ACK' })
    const { body } = await publisher.next(answers('bad'))
    expect(body).to.include({ type: 'NACK', code: 'INTERNAL', retryable: false })
    expect(body.reason).not.to.include('too much')
    expect((await nextMessage(application)).body).to.include({ messageId: 'good' })
  })

  it('ends in silence when the store cannot say what became of it; the repetition is stored once', async () => {
    const store = new MemoryStore()
    const write = store.write.bind(store)
    const { bus, steps, publisher, application } = await observed({ store, without: ['dedup-memory'] })
    // The worst of both: it is on disk, and the store does not know.
    store.write = async (batch) => {
      await write(batch)
      throw new Error('the disk has gone away')
    }
    publisher.send(sk('m'))
    await eventually(() => bus.log.some(({ event }) => event === 'store failed'))
    await publisher.none()
    expect(steps.filter((step) => /^(ack|refused)/.test(step))).to.deep.equal([])
    store.write = write
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate', recipients: 1 })
    expect(store.statistics().messages).to.equal(1)
    expect((await nextMessage(application)).body).to.include({ messageId: 'm' })
    await noMessage(application)
    application.send({ type: 'ACK', messageId: 'm' })
    await eventually(() => store.statistics().pending === 0)
  })

  it('does not blame the store for a connection that fails: what was not offered yet is found on disk', async () => {
    const store = new HeldStore()
    const { bus, publisher, application } = await observed({ store, settings: { retryDelayMs: 20 } })
    const watcher = await connect(bus)
    const toWatcher = bus.bus.links().find(({ address }) => address.endsWith(`:${portOf(watcher)}`))
    publisher.send(sk('first'))
    await eventually(() => store.held.length === 1)
    for (const id of ['m-1', 'm-2']) publisher.send(sk(id))
    await watcher.none()
    Object.assign(toWatcher?.connection ?? {}, { send: () => throwing('the socket is out of order') })
    for (const _ of [1, 2]) {
      await eventually(() => store.held.length > 0)
      store.held.shift()?.()
    }
    for (const id of ['first', 'm-1', 'm-2']) {
      expect((await publisher.next(answers(id))).body).to.include({ type: 'ACK' })
      expect((await nextMessage(application)).body.messageId).to.equal(id)
    }
    const failures = bus.log.filter(({ level }) => level === 'error' || level === 'critical')
    expect(failures.map(({ event, fields }) => [event, fields.reason])).to.deep.equal([
      ['forwarding failed', 'the socket is out of order'],
      ['forwarding failed', 'the socket is out of order'],
    ])
  })

  it('ends with BUSY while the instance shuts down', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const holding: Plugin = { name: 'holding', apply: ({ hooks }) => hooks.drain.tapPromise(() => held) }
    const { bus, publisher } = await observed({ plugins: [holding] })
    const stopping = bus.stop()
    const answer = await publisher.publish(sk('m'))
    expect(answer).to.include({ type: 'NACK', code: 'BUSY', retryable: true })
    expect(answer.retryAfterMs).to.be.greaterThan(0)
    release()
    await stopping
    expect((await publisher.closed).code).to.equal(1001)
  })

  it('gives no ACK, and forwards nothing, before the store has answered', async () => {
    const store = new HeldStore()
    const bus = await startBus({ store })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    publisher.send(sk('m'))
    await eventually(() => store.held.length === 1)
    await publisher.none()
    expect([publisher.frames.length, receiver.frames.length]).to.deep.equal([0, 0])
    store.held[0]?.()
    expect((await publisher.next()).body).to.include({ type: 'ACK', status: 'stored' })
    await nextMessage(receiver)
  })

  it('tells of nobody with an ACK for none', async () => {
    const bus = await startBus()
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'stored', recipients: 0 })
  })

  it('keeps the order of the publisher', async () => {
    const { publisher, application } = await observed()
    const ids = Array.from({ length: 50 }, (_, at) => `m-${at}`)
    for (const id of ids) publisher.send(sk(id))
    for (const id of ids) expect((await nextMessage(application)).body.messageId).to.equal(id)
  })

  it('stores once what is sent twice in one turn, and acknowledges both', async () => {
    const store = new MemoryStore()
    const { publisher } = await observed({ store })
    publisher.send(sk('m'))
    publisher.send(sk('m'))
    const both = [await publisher.next(), await publisher.next()].map(({ body }) => body.status)
    expect(both).to.deep.equal(['stored', 'duplicate'])
    expect(store.statistics().messages).to.equal(1)
  })

  it('survives a restart: what was not acknowledged by its recipient comes again', async () => {
    const store = new MemoryStore()
    const { bus, publisher, application } = await observed({ store })
    await publisher.publish(sk('m'))
    const first = await nextMessage(application)
    await bus.stop()
    const restarted = await startBus({ store })
    const again = await connect(restarted, { name: 'app' })
    expect((await nextMessage(again)).text).to.equal(first.text)
    await eventually(() => store.statistics().pending === 0)
  })
})
