import { afterEach } from 'mocha'
import {
  type Attempts,
  createBus,
  type DeadLetter,
  type Introduction,
  type LedgerRow,
  type Plugin,
  type Settings,
  type Store,
} from '../../../core/index.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { ack } from '../../../plugins/messages/ack.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { setKey } from '../../../plugins/messages/sk.ts'
import { path } from '../../../plugins/routes/path.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { storing } from '../../support/bus.ts'
import { introduction, type MemoryConnection, MemoryNetwork } from '../../support/memory-pair.ts'

export const RETRY_DELAY_MS = 5_000
/** Turns of the event loop in which whatever was set going comes to rest. */
const TURNS = 8

declare module '../../../core/index.ts' {
  interface MessageTypes {
    'test.strict': { key: string }
  }
}

const strict: Plugin = {
  name: 'strict',
  apply: (kernel) =>
    kernel.messageType('test.strict', {
      schema: { type: 'object', required: ['key'], properties: { key: { type: 'string' } } },
      orderingKey: ({ key }) => key,
      order: 'strict',
    }),
}

export interface BenchOptions {
  readonly store?: Store
  readonly runtime?: ManualRuntime
  readonly republishes?: boolean
  readonly maxRepublishAttempts?: number
  readonly plugins?: readonly Plugin[]
  readonly settings?: Partial<Settings>
}

type Ended = () => Promise<void>
const benches: Ended[] = []

afterEach(async () => {
  for (const end of benches.splice(0)) await end()
})

/** A bus on which time passes only when the test says so. */
export async function bench(options: BenchOptions = {}) {
  const { store = new MemoryStore(), runtime = new ManualRuntime(), republishes = true, plugins = [] } = options
  const network = new MemoryNetwork()
  const bus = createBus({
    plugins: [
      storing(store),
      network.plugin('memory://bus'),
      setKey(),
      strict,
      ack(),
      nack(),
      path(),
      ...(republishes ? [republish()] : []),
      ...plugins,
    ],
    settings: {
      instanceId: 'bus',
      retryDelayMs: RETRY_DELAY_MS,
      drainTimeoutMs: 0,
      ...(options.maxRepublishAttempts !== undefined && { maxRepublishAttempts: options.maxRepublishAttempts }),
      ...options.settings,
    },
    runtime,
  })
  const subject = new Bench(network, runtime, store)
  await bus.start()
  const end = async () => {
    let ended = false
    const stopping = bus.stop().then(() => {
      ended = true
    })
    while (!ended) await subject.pass(10)
    await stopping
  }
  benches.push(end)
  return Object.assign(subject, { bus, end: () => endNow(end) })
}

function endNow(end: Ended): Promise<void> {
  benches.splice(benches.indexOf(end), 1)
  return end()
}

class Bench {
  readonly runtime: ManualRuntime
  readonly store: Store
  /** All frames that came to who publishes, oldest first. */
  readonly told: Readonly<Record<string, unknown>>[] = []
  readonly #network: MemoryNetwork
  #publisher: MemoryConnection | undefined

  constructor(network: MemoryNetwork, runtime: ManualRuntime, store: Store) {
    this.#network = network
    this.runtime = runtime
    this.store = store
  }

  /** Lets everything happen that needs no time. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await this.runtime.turn()
  }

  /** Lets that much time pass, in milliseconds. */
  async pass(milliseconds: number): Promise<void> {
    await this.rest()
    for (let left = milliseconds; left > 0; ) {
      const step = Math.min(left, this.runtime.timers[0] ?? left)
      await this.runtime.advance(step)
      await this.rest()
      left -= step
    }
  }

  /** Lets a long time pass at once: what is due meanwhile comes late, and then once. */
  async leap(milliseconds: number): Promise<void> {
    await this.rest()
    this.runtime.setClock(this.runtime.now() + milliseconds)
    await this.runtime.advance(0)
    await this.rest()
  }

  /** Publishes these, as somebody without a name. Of ids alone, an SK of a key of its own each. */
  async publish(...messages: readonly (string | Readonly<Record<string, unknown>>)[]): Promise<void> {
    this.#publisher ??= this.#dial({}, (text) => this.told.push(JSON.parse(text)))
    for (const message of messages) {
      const members = typeof message === 'string' ? { messageId: message, key: message } : message
      this.#publisher.send(JSON.stringify({ type: 'SK', value: 1, ...members }))
    }
    await this.rest()
  }

  /** Connects an application of that name, or what it says it is, which answers as the test says. */
  async connect(
    name: string,
    answers: Answers = () => undefined,
    remote: Partial<Introduction> = {},
  ): Promise<Application> {
    const application = new Application(this.#dial({ instanceId: name, ...remote }), answers)
    await this.rest()
    return application
  }

  /** A neighbouring instance that sends these. Resolves to what it is answered. */
  async relay(name: string, ...messages: readonly object[]): Promise<readonly Reply[]> {
    const connection = this.#network.dial({ url: 'memory://bus' }, introduction({ instanceId: name, role: 'instance' }))
    const answers: Reply[] = []
    connection.handle({ frame: (text) => answers.push(JSON.parse(text)), closed: () => {} })
    await this.rest()
    for (const message of messages) connection.send(JSON.stringify(message))
    await this.rest()
    return answers.filter(({ type }) => type === 'ACK' || type === 'NACK')
  }

  /** The sums of a recipient. */
  sums(recipient = 'app'): Omit<LedgerRow, 'recipient' | 'oldestPendingAt'> {
    const {
      recipient: _,
      oldestPendingAt: __,
      ...sums
    } = this.store.ledger().find((row) => row.recipient === recipient) as LedgerRow
    return sums
  }

  async dead(): Promise<readonly DeadLetter[]> {
    return (await this.store.deadLetters({}, { limit: 100 })).items
  }

  /** What is counted on disk of the only delivery that waits for the recipient. */
  async attempts(recipient = 'app'): Promise<Attempts | undefined> {
    const key = await this.store.saveRecipient({
      name: recipient,
      role: 'client',
      tags: [],
      clusterGroupId: undefined,
      url: undefined,
      lastSeenAt: 0,
    })
    return (await this.store.pending(key, [], { messages: 1, bytes: 1 }))[0]?.attempts
  }

  #dial(remote: Partial<Introduction>, frame: (text: string) => void = () => {}): MemoryConnection {
    const connection = this.#network.dial({ url: 'memory://bus' }, introduction(remote))
    connection.handle({ frame, closed: () => {} })
    return connection
  }
}

/** A frame that the bus sent. */
export interface Reply {
  readonly type: string
  readonly status?: string
  readonly code?: string
  readonly retryable?: boolean
  readonly recipients?: number
}

export type Answer = 'ACK' | { readonly code: string; readonly retryable?: boolean; readonly retryAfterMs?: number }
/** What an application answers to a message, told how many it has got before. Undefined: nothing. */
export type Answers = (messageId: string, before: number) => Answer | undefined

export class Application {
  /** Ids of all that came, oldest first. */
  readonly got: string[] = []
  /** Their frames. */
  readonly frames: string[] = []
  closed: number | undefined
  readonly #connection: MemoryConnection

  constructor(connection: MemoryConnection, answers: Answers) {
    this.#connection = connection
    connection.handle({
      frame: (text) => {
        const { type, messageId } = JSON.parse(text) as { type: string; messageId: string }
        if (type === 'ACK' || type === 'NACK') return
        const answer = answers(messageId, this.got.length)
        this.got.push(messageId)
        this.frames.push(text)
        if (answer === 'ACK') this.ack(messageId)
        else if (answer) this.nack(messageId, answer)
      },
      closed: (code) => {
        this.closed = code
      },
    })
  }

  ack(...ids: readonly string[]): void {
    for (const messageId of ids) this.#connection.send(JSON.stringify({ type: 'ACK', messageId }))
  }

  nack(messageId: string, answer: Exclude<Answer, 'ACK'>): void {
    this.#connection.send(JSON.stringify({ type: 'NACK', messageId, reason: 'no', ...answer }))
  }

  send(frame: string): void {
    this.#connection.send(frame)
  }

  close(): void {
    this.#connection.close(1000, 'bye')
  }
}
