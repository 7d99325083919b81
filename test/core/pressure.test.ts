import { expect } from 'chai'
import { type Batch, type Introduction, type Plugin, type StoreVerdict, slipstreamError } from '../../core/index.ts'
import { hello } from '../../plugins/messages/hello.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { bench } from '../plugins/delivery/support.ts'
import { startBus } from '../support/bus.ts'
import { connect, eventually } from '../support/client.ts'
import { introduction, type MemoryConnection, MemoryNetwork } from '../support/memory-pair.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    'test.applied': { n: number }
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

/** A store in memory that writes nothing while it is blocked, and fails at that while it is out of order. */
class HinderedStore extends MemoryStore {
  #release: () => void = () => {}
  #gate: Promise<void> | undefined
  outOfOrder = false

  block(): void {
    this.#gate = new Promise((resolve) => {
      this.#release = resolve
    })
  }

  unblock(): void {
    this.#release()
    this.#gate = undefined
  }

  override async write(batch: Batch): Promise<readonly StoreVerdict[]> {
    await this.#gate
    if (this.outOfOrder) throw slipstreamError('SLP_STORE_FAILED', ['out of order'])
    return super.write(batch)
  }
}

const LARGE = 'x'.repeat(250 * 1024)

/** Somebody who publishes one large message that is for nobody, and keeps what it is answered. */
class Publisher {
  readonly answers: Readonly<Record<string, unknown>>[] = []
  readonly #message: string
  readonly #connection: MemoryConnection

  constructor(network: MemoryNetwork, name: string, role: 'client' | 'instance') {
    const origin = role === 'instance' ? { originInstanceId: name, originSequence: 'e.1' } : {}
    const message = { type: 'SK', messageId: `from-${name}`, key: name, value: LARGE, targetedTags: ['none'] }
    this.#message = JSON.stringify({ ...message, ...origin })
    this.#connection = network.dial({ url: 'memory://side' }, introduction({ instanceId: name, role }))
    this.#connection.handle({ frame: (text) => void this.answers.push(JSON.parse(text)), closed: () => {} })
  }

  publish(): void {
    this.#connection.send(this.#message)
  }
}

describe('under pressure', () => {
  it('a message is refused with BUSY, from clients and instances alike, and none that was let in is dropped', async () => {
    const store = new HinderedStore()
    const network = new MemoryNetwork()
    const subject = await bench({ store, plugins: [tags(), network.plugin('memory://side')] })
    const publishers = numbers(80).map((at) => new Publisher(network, `p-${at}`, at % 2 === 0 ? 'client' : 'instance'))
    await subject.rest()
    store.block()
    for (const publisher of publishers) publisher.publish()
    await subject.rest()
    const refused = publishers.filter(({ answers }) => answers.length > 0)
    // Up to 8 MiB wait as they come, up to 16 MiB with their links paused.
    expect(refused).to.have.length(80 - 66)
    for (const { answers } of refused) {
      expect(answers).to.have.length(1)
      expect(answers[0]).to.include({ type: 'NACK', code: 'BUSY', retryable: true })
      expect(answers[0]?.retryAfterMs).to.be.within(100, 60_000)
    }
    store.unblock()
    await subject.rest()
    await subject.rest()
    for (const publisher of refused) publisher.publish()
    await subject.rest()
    for (const { answers } of publishers) expect(answers.at(-1)).to.include({ type: 'ACK', status: 'stored' })
    expect(store.statistics().messages).to.equal(80)
  })

  it('many sockets at once are answered BUSY or have their message kept, whatever was on its way already', async () => {
    const store = new HinderedStore()
    const bus = await startBus({ store })
    const clients = await Promise.all(numbers(16).map(() => connect(bus)))
    store.block()
    for (const [at, client] of clients.entries()) {
      for (const n of numbers(700))
        client.send({ type: 'SK', messageId: `m-${at}-${n}`, key: 'k', value: n, targetedTags: ['none'] })
    }
    const answers = (type: string) => clients.flatMap(({ frames }) => frames.filter(({ body }) => body.type === type))
    await eventually(() => answers('NACK').length > 0, 15_000)
    store.unblock()
    await eventually(() => answers('NACK').length + answers('ACK').length === 16 * 700, 15_000)
    const codes = new Set(answers('NACK').map(({ body }) => body.code))
    expect([...codes]).to.deep.equal(['BUSY'])
    expect(store.statistics().messages).to.equal(answers('ACK').length)
  })

  it('answers and announcements overtake messages that wait for a slow reader', async () => {
    const network = new MemoryNetwork()
    const subject = await bench({ plugins: [hello(), network.plugin('memory://side')] })
    const dial = (says: Partial<Introduction>) => network.dial({ url: 'memory://side' }, introduction(says))
    const neighbour = dial({ instanceId: 'neighbour', role: 'instance', announces: true })
    const read: unknown[] = []
    neighbour.handle({ frame: (text) => void read.push(JSON.parse(text).type), closed: () => {} })
    await subject.rest()
    read.length = 0
    neighbour.pause()
    await subject.publish(...numbers(10).map((n) => ({ messageId: `m-${n}`, key: 'k', value: LARGE })))
    const origin = { originInstanceId: 'neighbour', originSequence: 'e.1' }
    neighbour.send(JSON.stringify({ type: 'SK', messageId: 'theirs', key: 'k', value: 1, ...origin }))
    neighbour.send('{"type":"SK"')
    dial({ instanceId: 'newcomer', tags: ['new'] }).handle({ frame: () => {}, closed: () => {} })
    await subject.rest()
    neighbour.resume()
    await subject.rest()
    expect(read.slice(0, 3)).to.have.members(['ACK', 'NACK', 'HELLO'])
    expect(read.slice(3), 'a window of them').to.deep.equal(Array(5).fill('SK'))
  })

  it('no more is delivered than can be written down, and all of it when that is possible again', async () => {
    const store = new HinderedStore()
    const subject = await bench({ store })
    const away = await subject.connect('app')
    away.close()
    await subject.rest()
    const ids = numbers(10_500).map((n) => `m-${n}`)
    await subject.publish(...ids)
    while (subject.sums().targeted < ids.length) await subject.rest()
    store.outOfOrder = true
    const application = await subject.connect('app', () => 'ACK')
    await subject.pass(60_000)
    expect(application.got.length).to.be.within(10_000, 10_063)
    expect(application.closed).to.equal(undefined)
    store.outOfOrder = false
    await subject.pass(5_000)
    expect(application.got).to.deep.equal(ids)
    expect(subject.sums()).to.include({ acked: ids.length, pending: 0 })
  })

  it('no more is applied here than can be written down either', async () => {
    const store = new HinderedStore()
    let applied = 0
    let mayApply = () => {}
    const permission = new Promise<void>((resolve) => {
      mayApply = resolve
    })
    const applying: Plugin = {
      name: 'applying',
      apply: (kernel) =>
        kernel.messageType('test.applied', {
          schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } },
          apply: async (messages) => {
            await permission
            applied += messages.length
          },
        }),
    }
    const subject = await bench({ store, plugins: [applying] })
    await subject.publish(...numbers(10_500).map((n) => ({ type: 'test.applied', messageId: `m-${n}`, n })))
    while (subject.sums('@self').targeted < 10_500) await subject.rest()
    store.outOfOrder = true
    mayApply()
    await subject.pass(60_000)
    expect(applied).to.be.within(10_000, 10_255)
    store.outOfOrder = false
    await subject.pass(5_000)
    expect(subject.sums('@self')).to.include({ acked: 10_500, pending: 0 })
  })
})
