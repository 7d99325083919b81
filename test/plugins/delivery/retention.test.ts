import { expect } from 'chai'
import {
  type Bus,
  createBus,
  type Introduction,
  type Kernel,
  type Plugin,
  type Purged,
  type StoreStatistics,
} from '../../../core/index.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { retention } from '../../../plugins/delivery/retention.ts'
import { ack } from '../../../plugins/messages/ack.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { setKey } from '../../../plugins/messages/sk.ts'
import { path } from '../../../plugins/routes/path.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { storing } from '../../support/bus.ts'
import { introduction, MemoryNetwork } from '../../support/memory-pair.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Between two looks when there is nothing to do. */
const LOOK_MS = 10_000

/** A bus whose clock moves by hand, with the plugin under test and a store in memory. */
class Keeper {
  readonly runtime = new ManualRuntime()
  readonly errors: string[] = []
  readonly bus: Bus
  readonly #network = new MemoryNetwork()
  #kernel: Kernel | undefined

  constructor(options?: Parameters<typeof retention>[0], store = new MemoryStore()) {
    const spy: Plugin = {
      name: 'spy',
      apply: (kernel) => {
        this.#kernel = kernel
        kernel.logSink((level, event) => void (level === 'error' && this.errors.push(event)))
      },
    }
    const basis = [storing(store), this.#network.plugin('memory://bus'), setKey(), ack(), nack(), path(), republish()]
    this.bus = createBus({
      plugins: [...basis, retention(options), spy],
      settings: { instanceId: 'aws-1', drainTimeoutMs: 0 },
      runtime: this.runtime,
    })
  }

  get statistics(): StoreStatistics {
    return (this.#kernel as Kernel).storeStatistics()
  }

  /** Lets the clock jump, and what is overdue then run. */
  async pass(milliseconds: number): Promise<void> {
    this.runtime.setClock(this.runtime.now() + milliseconds)
    await this.runtime.advance(0)
  }

  async until(holds: () => boolean): Promise<void> {
    for (let turns = 0; !holds(); turns++) {
      if (turns > 5_000) throw new Error(`did not come to hold: ${holds}`)
      await this.runtime.turn()
      await this.runtime.advance(1)
    }
  }

  /** Publishes, and waits for the acknowledgements. */
  async publish(...ids: readonly string[]): Promise<void> {
    let acknowledged = 0
    const connection = this.#connect({}, ({ type }) => void (type === 'ACK' && acknowledged++))
    for (const messageId of ids) connection.send(JSON.stringify({ type: 'SK', messageId, key: 'k', value: 1 }))
    await this.until(() => acknowledged === ids.length)
    connection.close(1000, 'done')
  }

  /** Connects a named client that answers each message in that way. Resolves to how it leaves. */
  async listener(answer: 'ACK' | 'NACK'): Promise<() => Promise<void>> {
    const connected = () => this.bus.recipients().some(({ name, connected }) => name === 'pi-1' && connected)
    const connection = this.#connect({ instanceId: 'pi-1' }, ({ messageId }) => {
      connection.send(JSON.stringify({ type: answer, messageId, code: 'INTERNAL', retryable: false }))
    })
    await this.until(connected)
    return async () => {
      connection.close(1000, 'done')
      await this.until(() => !connected())
    }
  }

  async stop(): Promise<void> {
    let stopped = false
    const stopping = this.bus.stop().finally(() => {
      stopped = true
    })
    await this.until(() => stopped)
    await stopping
  }

  #connect(remote: Partial<Introduction>, receive: (message: { type: string; messageId: string }) => void) {
    const connection = this.#network.dial({ url: 'memory://bus' }, introduction(remote))
    connection.handle({ frame: (text) => receive(JSON.parse(text)), closed: () => {} })
    return connection
  }
}

const keepers: Keeper[] = []

async function startKeeper(...given: ConstructorParameters<typeof Keeper>): Promise<Keeper> {
  const keeper = new Keeper(...given)
  keepers.push(keeper)
  await keeper.bus.start()
  return keeper
}

describe('retention', () => {
  afterEach(async () => {
    for (const keeper of keepers.splice(0)) await keeper.stop()
  })

  it('keeps a settled message for 24 hours, and then no longer', async () => {
    const keeper = await startKeeper()
    await keeper.listener('ACK')
    await keeper.publish('m-1')
    await keeper.until(() => keeper.statistics.pending === 0)
    await keeper.pass(DAY_MS - MINUTE_MS)
    expect(keeper.statistics.messages).to.equal(1)
    await keeper.pass(MINUTE_MS + LOOK_MS)
    expect(keeper.statistics.messages).to.equal(0)
  })

  it('keeps a message for as long as one of its recipients lacks it', async () => {
    const keeper = await startKeeper()
    const leave = await keeper.listener('ACK')
    await leave()
    await keeper.publish('m-1')
    await keeper.pass(2 * DAY_MS)
    await keeper.pass(LOOK_MS)
    expect(keeper.statistics).to.include({ messages: 1, pending: 1 })
    await keeper.listener('ACK')
    await keeper.until(() => keeper.statistics.pending === 0)
    await keeper.pass(LOOK_MS)
    expect(keeper.statistics.messages).to.equal(0)
  })

  it('keeps a dead letter and its message for 30 days, and then no longer', async () => {
    const keeper = await startKeeper()
    await keeper.listener('NACK')
    await keeper.publish('m-1')
    await keeper.until(() => keeper.statistics.dead === 1)
    await keeper.pass(30 * DAY_MS - MINUTE_MS)
    expect(keeper.statistics).to.include({ messages: 1, dead: 1 })
    await keeper.pass(MINUTE_MS + LOOK_MS)
    await keeper.pass(LOOK_MS)
    expect(keeper.statistics).to.include({ messages: 0, dead: 0 })
  })

  it('keeps both for as long as it was told to', async () => {
    const keeper = await startKeeper({ settledHours: 48, deadLetterDays: 1 })
    await keeper.publish('settled')
    await keeper.listener('NACK')
    await keeper.publish('dead')
    await keeper.until(() => keeper.statistics.dead === 1)
    await keeper.pass(DAY_MS + LOOK_MS)
    expect(keeper.statistics).to.include({ messages: 2, dead: 0 })
    await keeper.pass(DAY_MS)
    expect(keeper.statistics.messages).to.equal(0)
  })

  it('keeps what came of an effect for 7 days, and then no longer', async () => {
    const store = new MemoryStore()
    const keeper = await startKeeper({}, store)
    const id = 'c-1'
    const claim = { messageId: id, fingerprint: 'f', name: 'ping', publisher: undefined, via: undefined }
    await store.claimExecutions([claim])
    await store.finishExecution(id, { outcome: 'done', text: '{}' })
    await keeper.pass(7 * DAY_MS)
    expect(await store.execution(id)).to.include({ outcome: 'done' })
    await keeper.pass(LOOK_MS)
    expect(await store.execution(id)).to.equal(undefined)
  })

  it('goes through many a little at a time, without long pauses', async () => {
    const keeper = await startKeeper()
    await keeper.publish(...Array.from({ length: 1_200 }, (_, n) => `m-${n}`))
    await keeper.pass(DAY_MS + LOOK_MS)
    const left = [keeper.statistics.messages]
    for (let looks = 0; looks < 2; looks++) {
      await keeper.pass(100)
      left.push(keeper.statistics.messages)
    }
    expect(left).to.deep.equal([700, 200, 0])
  })

  it('says so when the store fails, and tries again', async () => {
    const store = new MemoryStore()
    const keeper = await startKeeper({}, store)
    await keeper.publish('m-1')
    const { purge } = store
    store.purge = () => Promise.reject(new Error('disk I/O error'))
    await keeper.pass(DAY_MS + LOOK_MS)
    expect(keeper.errors).to.deep.equal(['purge failed'])
    expect(keeper.statistics.messages).to.equal(1)
    store.purge = purge
    await keeper.pass(LOOK_MS)
    expect(keeper.statistics.messages).to.equal(0)
  })

  it('ends with the bus', async () => {
    const keeper = await startKeeper()
    await keeper.stop()
    expect(keeper.runtime.timers).to.deep.equal([])
  })

  it('does not look again when the bus has ended meanwhile', async () => {
    const store = new MemoryStore()
    const keeper = await startKeeper({}, store)
    let finish = (_: Purged) => {}
    store.purge = () =>
      new Promise<Purged>((resolve) => {
        finish = resolve
      })
    await keeper.pass(LOOK_MS)
    await keeper.stop()
    finish({ messages: 0, deadLetters: 0, deliveries: 0 })
    await keeper.runtime.turn()
    expect(keeper.runtime.timers).to.deep.equal([])
  })
})
