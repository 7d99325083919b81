import type { Connection, Plugin, Store } from '../../core/index.ts'
import { commands } from '../../plugins/messages/cmd.ts'
import { reply } from '../../plugins/messages/reply.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import type { DiskConditions } from './device.ts'
import { Disk, type DiskObserver } from './disk.ts'
import { FaultInjector } from './fault-injector.ts'
import { Network } from './network.ts'
import { Node } from './node.ts'
import { drawPlan, type Plan } from './plan.ts'
import type { Place } from './publication.ts'
import { EPOCH_MS } from './runtime.ts'
import type { Conditions } from './wire.ts'
import { type Violation, World } from './world.ts'

const RETRY_DELAY_MS = 2_000
const ACQUAINTANCE_MS = 90_000
const PUBLISHING_MS = 60_000
/** By then everything must have been run, and be known to those who asked. */
const CONVERGENCE_MS = 300_000
const REPEAT_MS = 8_000
const DIAL_AGAIN_MS = 2_000
const LONGEST_RUN_MS = 5_000
const COMMAND = 'sim.run'

/** A command as an application means it. */
interface Order {
  readonly messageId: string
  readonly frame: string
  /** The instances that are to run it. */
  readonly targets: readonly string[]
  /** What each of them has come to, as it was told. */
  readonly told: Map<string, string>
}

export interface CommandReport {
  readonly plan: Plan
  readonly violation: Violation | undefined
  readonly runs: number
  /** How many were told to have been interrupted. */
  readonly interrupted: number
  readonly lastEvents: readonly string[]
}

/** Runs one world in which commands are published, under faults and then in peace. `sabotage` plants a fault in each store. */
export async function runCommands(seed: number, sabotage: (store: Store) => Store = same): Promise<CommandReport> {
  const scenario = new CommandScenario(seed, sabotage)
  await scenario.play()
  return scenario.report()
}

const same = (store: Store) => store
const nothing = () => {}
/** Nobody looks at the disks and wires here: what counts is what is run and what is told. */
const noObserver: DiskObserver = {
  ...{ opened: nothing, wrote: nothing, saved: nothing, renamed: nothing },
  ...{ united: nothing, forgot: nothing, forgotBacklog: nothing, revived: nothing, wiped: nothing },
}

class CommandScenario {
  readonly #world: World
  readonly #plan: Plan
  readonly #network: Network
  readonly #nodes: readonly Node[]
  readonly #askers: readonly Asker[]
  readonly #injector: FaultInjector
  /** How often each instance has run each command, in all its lives. */
  readonly #runs = new Map<string, number>()
  readonly #orders = new Map<string, Order>()
  #peace = true

  constructor(seed: number, sabotage: (store: Store) => Store) {
    this.#world = new World(seed)
    this.#plan = drawPlan(this.#world.random.fork())
    const { places, faults } = this.#plan
    this.#network = new Network(this.#world, { sent: nothing, received: nothing }, this.#conditions())
    const instances = places.filter(({ role }) => role === 'instance')
    this.#nodes = instances.map((place) =>
      this.#node(place, new Disk(place.name, () => sabotage(new MemoryStore()), noObserver)),
    )
    this.#askers = instances.map(({ name }, index) => {
      const took = (frame: string) => this.#took(frame)
      const open = () => [...this.#orders.values()].filter((order) => !isDone(order))
      return new Asker(this.#world, this.#network, { home: name, named: index % 2 === 0, took, open })
    })
    this.#injector = new FaultInjector(this.#world, this.#network, this.#nodes, { faults, mayWipe: undefined })
  }

  async play(): Promise<void> {
    for (const node of this.#nodes) node.start()
    for (const asker of this.#askers) asker.start()
    await this.#run(() => false, ACQUAINTANCE_MS)
    this.#setPeace(false)
    this.#injector.start()
    this.#schedule()
    await this.#run(() => false, PUBLISHING_MS)
    this.#setPeace(true)
    this.#injector.end()
    const isDoneWith = () => this.#lacking().length === 0
    if (await this.#run(isDoneWith, CONVERGENCE_MS)) return
    this.#world.violate('whoever asks again learns all that came of it', this.#lacking().slice(0, 8).join('; '))
  }

  report(): CommandReport {
    const { violation, trace } = this.#world
    const told = [...this.#orders.values()].flatMap((order) => [...order.told.values()])
    return {
      plan: this.#plan,
      violation,
      runs: this.#runs.size,
      interrupted: told.filter((one) => one.includes('INTERRUPTED')).length,
      lastEvents: trace.last(60),
    }
  }

  #run(done: () => boolean, milliseconds: number): Promise<boolean> {
    return this.#world.run(done, this.#world.now + milliseconds, async () => {})
  }

  #setPeace(peace: boolean): void {
    this.#peace = peace
    this.#network.conditions = this.#conditions()
  }

  #conditions(): Conditions {
    const { latencyMs, faults } = this.#plan
    const chance = faults.unreliable && !this.#peace ? 0.05 : 0
    return { latencyMs, loss: chance, duplication: chance, reordering: chance }
  }

  #diskConditions(): DiskConditions {
    const { faults } = this.#plan
    return {
      syncMs: faults.slowDisks ? 30 : 1,
      writeFailure: faults.failingWrites && !this.#peace ? 0.03 : 0,
      readFailure: faults.failingReads && !this.#peace ? 0.05 : 0,
    }
  }

  #schedule(): void {
    const { random } = this.#world
    const names = this.#nodes.map(({ plan }) => plan.name)
    for (let number = 1; number <= this.#plan.messages; number++) {
      const target = this.#plan.acquainted && random.chance(0.5) ? random.pick(names) : undefined
      const order = orderOf(`c-${number}`, target, names)
      const asker = random.pick(this.#askers)
      this.#world.after(random.between(0, PUBLISHING_MS), `${asker.host} has something to be done`, () => {
        this.#orders.set(order.messageId, order)
        asker.ask(order)
      })
    }
  }

  /** A handler that takes a while, on the clock of its instance, and must be called once. */
  #handlers(host: string): Plugin {
    return {
      name: 'handlers',
      apply: (kernel) => {
        kernel.use('commands').register(COMMAND, {
          run: (_, { messageId }) => {
            const run = `${host} ${messageId}`
            const before = this.#runs.get(run) ?? 0
            this.#runs.set(run, before + 1)
            this.#world.note(`${host} runs ${messageId}`)
            if (before > 0) this.#world.violate('run at most once', run)
            if (!this.#orders.get(messageId)?.targets.includes(host)) this.#world.violate('run where it is for', run)
            const takesMs = this.#world.random.between(0, LONGEST_RUN_MS)
            return new Promise((resolve) => kernel.runtime.after(takesMs, () => resolve(run)))
          },
        })
      },
    }
  }

  #took(text: string): void {
    const { correlationId, instanceId, value, error } = JSON.parse(text) as Readonly<Record<string, unknown>>
    const order = this.#orders.get(String(correlationId))
    const told = JSON.stringify(value ?? error)
    if (!order || told === undefined) return
    const who = String(instanceId)
    const run = `${who} ${order.messageId}`
    const detail = `${run}: ${told}`
    if (!order.targets.includes(who)) this.#world.violate('told by those whom it is for', detail)
    if (value !== undefined && this.#runs.get(run) !== 1) this.#world.violate('what has a result was run', detail)
    if (value === undefined && (error as { code: string }).code !== 'INTERRUPTED')
      this.#world.violate('nothing else keeps it from being run', detail)
    const before = order.told.get(who)
    if (before !== undefined && before !== told)
      this.#world.violate('the same is told each time', `${before}, ${detail}`)
    order.told.set(who, told)
  }

  #lacking(): readonly string[] {
    return [...this.#orders.values()].flatMap(({ messageId, targets, told }) =>
      targets.filter((name) => !told.has(name)).map((name) => `${messageId} at ${name}`),
    )
  }

  #node({ name, tags }: Place, disk: Disk): Node {
    const allow = [{ command: COMMAND, identities: '*' as const }]
    const plan = {
      ...{ name, tags, peers: this.#plan.peers.get(name) ?? [], clock: () => Math.floor(EPOCH_MS + this.#world.now) },
      settings: { retryDelayMs: RETRY_DELAY_MS },
      diskConditions: () => this.#diskConditions(),
      stateConditions: () => this.#diskConditions(),
      knowsState: false,
      witness: () => ({ name: 'witness', apply: nothing }),
      operator: () => ({ name: 'operator', apply: nothing }),
      sabotage: (plugins: readonly Plugin[]) => [...plugins, reply(), commands({ allow }), this.#handlers(name)],
    }
    return new Node(this.#world, this.#network, [disk, undefined], plan, nothing)
  }
}

function orderOf(messageId: string, target: string | undefined, names: readonly string[]): Order {
  const expiresAt = EPOCH_MS + 20 * 60 * 60_000
  const to = target === undefined ? '' : `,"targetInstanceId":"${target}"`
  const frame = `{"type":"CMD","messageId":"${messageId}","command":"${COMMAND}","expiresAt":${expiresAt}${to}}`
  return { messageId, frame, targets: target === undefined ? names : [target], told: new Map() }
}

function isDone({ targets, told }: Order): boolean {
  return targets.every((name) => told.has(name))
}

interface AskerPlan {
  readonly home: string
  readonly named: boolean
  took(frame: string): void
  /** Commands of which something is not known yet, whoever has published them. */
  open(): readonly Order[]
}

/** An application that publishes commands, and again, until it knows what each of its own has come to everywhere. */
class Asker {
  readonly host: string
  readonly #world: World
  readonly #network: Network
  readonly #plan: AskerPlan
  readonly #own = new Set<string>()
  #connection: Connection | undefined

  constructor(world: World, network: Network, plan: AskerPlan) {
    this.#world = world
    this.#network = network
    this.#plan = plan
    this.host = `ops-${plan.home}`
  }

  start(): void {
    this.#later(100, 'connects', () => void this.#connect())
    this.#repeat()
  }

  ask({ messageId, frame }: Order): void {
    this.#own.add(messageId)
    this.#connection?.send(frame)
  }

  #repeat(): void {
    this.#later(REPEAT_MS, 'asks again', () => {
      for (const { messageId, frame } of this.#plan.open()) if (this.#own.has(messageId)) this.#connection?.send(frame)
      this.#repeat()
    })
  }

  async #connect(): Promise<void> {
    const { home, named, took } = this.#plan
    const instanceId = named ? this.host : undefined
    const says = { instanceId, role: 'client', tags: [], clusterGroupId: undefined, durable: named } as const
    try {
      const connection = await this.#network.dial(this.host, home, { ...says, announces: false })
      this.#connection = connection
      connection.handle({
        frame: (text) => text.includes('"REPLY"') && took(text),
        closed: () => {
          if (this.#connection !== connection) return
          this.#connection = undefined
          this.#connectLater()
        },
      })
    } catch {
      this.#connectLater()
    }
  }

  #connectLater(): void {
    this.#later(DIAL_AGAIN_MS, 'connects', () => void this.#connect())
  }

  #later(milliseconds: number, label: string, run: () => void): void {
    this.#world.after(this.#world.random.between(0.1, 1) * milliseconds, `${this.host} ${label}`, run)
  }
}
