import { afterEach } from 'mocha'
import {
  type Bus,
  createBus,
  type Introduction,
  type Kernel,
  type Plugin,
  type Runtime,
  type Settings,
} from '../../core/index.ts'
import { republish } from '../../plugins/delivery/republish.ts'
import { ack } from '../../plugins/messages/ack.ts'
import { hello } from '../../plugins/messages/hello.ts'
import { nack } from '../../plugins/messages/nack.ts'
import { path } from '../../plugins/routes/path.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { storing } from '../support/bus.ts'
import { introduction, MemoryNetwork } from '../support/memory-pair.ts'
import { applying } from './applying.ts'
import { ManualRuntime } from './manual-runtime.ts'

/** Turns of the event loop in which whatever was set going comes to rest. */
const TURNS = 8
const NOW = 1_700_000_000_000

export type Frame = Readonly<Record<string, unknown>>

export interface Answer {
  readonly type: string
  readonly status?: string
  readonly code?: string
  readonly retryable?: boolean
  readonly reason?: string
}

type MakePlugins = (name: string) => readonly Plugin[]
type MakeSettings = (name: string) => Partial<Settings>

/** Somebody who is connected, and all frames that it is sent, as they come. */
export interface Joined {
  readonly frames: readonly Frame[]
  send(message: object): void
}

const labs: Lab[] = []

afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.end()
})

/** Instances that are linked in pairs, each with a wall clock of its own; the test lets time pass for all of them. */
export function clockLab(...pairs: readonly string[]): Promise<Lab> {
  return labOf(pairs)
}

/** As `clockLab`, each instance with further plugins and settings; asked for at each of its starts. */
export async function labOf(
  pairs: readonly string[],
  plugins: MakePlugins = () => [],
  settings: MakeSettings = () => ({}),
): Promise<Lab> {
  const lab = new Lab(
    pairs.map((pair) => pair.split('-') as [string, string]),
    plugins,
    settings,
  )
  labs.push(lab)
  for (const name of lab.names) await lab.start(name)
  await lab.pass(1_000)
  return lab
}

export class Lab {
  readonly names: readonly string[]
  readonly #pairs: (readonly [string, string])[]
  readonly #plugins: MakePlugins
  readonly #settings: MakeSettings
  readonly #network = new MemoryNetwork()
  readonly #running = new Map<string, Instance>()
  readonly #stores = new Map<string, MemoryStore>()
  readonly #time = new ManualRuntime(NOW)
  /** How far each wall clock is off. */
  readonly #leads = new Map<string, number>()

  constructor(pairs: readonly (readonly [string, string])[], plugins: MakePlugins, settings: MakeSettings) {
    this.#pairs = [...pairs]
    this.#plugins = plugins
    this.#settings = settings
    this.names = [...new Set(pairs.flat())]
    for (const name of this.names) this.#stores.set(name, new MemoryStore())
  }

  /** Starts an instance on what it has stored. */
  async start(name: string): Promise<void> {
    const [store, runtime] = [this.#stores.get(name) as MemoryStore, this.#runtime(name)]
    const peers = this.#pairs.filter(([dialler]) => dialler === name).map(([, peer]) => ({ url: `memory://${peer}` }))
    const seen = applying()
    const listening = this.#network.plugin(`memory://${name}`)
    const standard: Plugin[] = [storing(store), listening, ack(), nack(), hello(), path(), republish(), seen.plugin]
    const plugins = [...standard, ...this.#plugins(name)]
    const settings = { instanceId: name, peers, retryDelayMs: 1_000, drainTimeoutMs: 0, ...this.#settings(name) }
    const bus = createBus({ plugins, settings, runtime })
    await bus.start()
    this.#running.set(name, new Instance(bus, seen))
  }

  async stop(name: string): Promise<void> {
    let stopped = false
    const stopping = this.at(name)
      .bus.stop()
      .then(() => {
        stopped = true
      })
    while (!stopped) await this.pass(10)
    await stopping
    this.#running.delete(name)
  }

  /** The first one dials the second one too, from its next start on, which is now. */
  async link(dialler: string, peer: string): Promise<void> {
    this.#pairs.push([dialler, peer])
    await this.stop(dialler)
    await this.start(dialler)
  }

  async end(): Promise<void> {
    for (const name of this.names) if (this.#running.has(name)) await this.stop(name)
  }

  at(name: string): Instance {
    return this.#running.get(name) as Instance
  }

  /** What the wall clock of an instance shows. */
  now(name: string): number {
    return this.#time.now() + (this.#leads.get(name) ?? 0)
  }

  /** Sets the wall clock of an instance forward, or back. */
  async step(name: string, milliseconds: number): Promise<void> {
    this.#leads.set(name, (this.#leads.get(name) ?? 0) + milliseconds)
    await this.rest()
  }

  /** Publishes a message, as somebody without a name, and resolves to the answer. */
  publish(name: string, messageId: string, members: object = {}): Promise<Answer | undefined> {
    return this.#send(name, introduction(), { messageId, key: messageId, ...members })
  }

  /** Somebody sends a message as an instance of the deployed system would. It stays linked. */
  relay(name: string, peer: string, message: object, says: Partial<Introduction> = {}): Promise<Answer | undefined> {
    return this.#send(name, introduction({ instanceId: peer, role: 'instance', ...says }), message)
  }

  /** Somebody who stays: connected under that name, or without one. Resolves to all frames that it is sent, as they come. */
  async listen(name: string, clientName?: string): Promise<readonly Frame[]> {
    return (await this.join(name, clientName)).frames
  }

  /** As `listen`, for somebody who also has something to say. */
  async join(name: string, clientName?: string): Promise<Joined> {
    const says = introduction({ instanceId: clientName })
    const connection = this.#network.dial({ url: `memory://${name}` }, says)
    const frames: Frame[] = []
    const acknowledge = (frame: Frame) => {
      if (frame.type !== 'ACK' && clientName)
        connection.send(JSON.stringify({ type: 'ACK', messageId: frame.messageId }))
    }
    connection.handle({
      frame: (text) => {
        const frame = JSON.parse(text) as Frame
        frames.push(frame)
        acknowledge(frame)
      },
      closed: () => {},
    })
    await this.rest()
    return { frames, send: (message) => connection.send(JSON.stringify(message)) }
  }

  async #send(name: string, says: Introduction, message: object): Promise<Answer | undefined> {
    const connection = this.#network.dial({ url: `memory://${name}` }, says)
    const answers: Answer[] = []
    connection.handle({ frame: (text) => answers.push(JSON.parse(text)), closed: () => {} })
    await this.rest()
    connection.send(JSON.stringify({ type: 'test.merged', ...message }))
    await this.rest()
    if (says.role === 'client') connection.close(1000, 'done')
    return answers.find(({ type }) => type === 'ACK' || type === 'NACK')
  }

  /** Lets that much time pass everywhere, in milliseconds. */
  async pass(milliseconds: number): Promise<void> {
    await this.rest()
    for (let left = milliseconds; left > 0; ) {
      const step = Math.min(left, this.#time.timers[0] ?? left)
      await this.#time.advance(step)
      await this.rest()
      left -= step
    }
  }

  /** All that whoever is linked to that one has sent it by now; or as much of it as went ahead of what was not read yet. */
  sentTo(name: string, lane?: 'ahead'): readonly string[] {
    const ends = this.#network.ends.filter(({ remote }) => remote.instanceId === name)
    return ends.flatMap(({ sent, sentAhead }) => (lane ? sentAhead : sent))
  }

  /** Ends one turn of the event loop. */
  turn(): Promise<void> {
    return this.#time.turn()
  }

  /** Lets everything happen that needs no time. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await this.#time.turn()
  }

  #runtime(name: string): Runtime {
    const { monotonic, random, id, after, defer } = this.#time
    return { now: () => this.now(name), monotonic, random, id, after, defer }
  }
}

class Instance {
  readonly bus: Bus
  readonly #seen: ReturnType<typeof applying>

  constructor(bus: Bus, seen: ReturnType<typeof applying>) {
    this.bus = bus
    this.#seen = seen
  }

  get kernel(): Kernel {
    return this.#seen.kernel
  }

  /** Ids that were applied here, in order. */
  get applied(): readonly string[] {
    return this.#seen.applied
  }

  get clockCheck() {
    return this.kernel
      .healthChecks()
      .find(({ name }) => name === 'clock')
      ?.check()
  }

  /** How far another instance's clock is ahead, in seconds. */
  aheadSeconds(name: string): number | undefined {
    const ms = this.bus.recipients().find((recipient) => recipient.name === name)?.clockAheadMs
    return ms === undefined ? undefined : Math.round(ms / 1000) || 0
  }
}
