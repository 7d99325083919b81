import type { Plugin, StateBackend, Store } from '../../core/index.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { Absence, FORGETTING } from './absence.ts'
import { Client } from './client.ts'
import type { DiskConditions } from './device.ts'
import { Disk } from './disk.ts'
import { FaultInjector } from './fault-injector.ts'
import { Invariants } from './invariants.ts'
import { Ledger, type Violate } from './ledger.ts'
import { Network } from './network.ts'
import { Node } from './node.ts'
import { operator } from './operator.ts'
import { drawPlan, homeOf, type Plan } from './plan.ts'
import type { Place } from './publication.ts'
import { Publishing } from './publishing.ts'
import { Random } from './random.ts'
import { Reader } from './reader.ts'
import { StateDisk } from './state-disk.ts'
import { StateInvariants } from './state-invariants.ts'
import { StateModel } from './state-model.ts'
import { StrictOrder } from './strict-order.ts'
import { Traffic } from './traffic.ts'
import { WallClocks } from './wall-clocks.ts'
import type { Conditions } from './wire.ts'
import { witness } from './witness.ts'
import { type Violation, World } from './world.ts'

const RETRY_DELAY_MS = 2_000
/** One seed in so many has instances that keep state. Not drawn, so that the other seeds stay what they were. */
const SEEDS_A_STATE = 2
/** One seed in so many has a type of which one message of a key goes at a time. Not drawn either. */
const SEEDS_A_STRICT_TYPE = { every: 7, from: 6 }
/** And one in so many goes on for hours, until what was deleted is forgotten. */
const SEEDS_A_FORGETTING = 50
/** Draws what a run with state has beside the others. */
const STATE_SEEDS = 0x57a7e
/** By how much a clock may be astray, in milliseconds. */
const ASTRAY_MS = 300_000
/** How long all that has come to rest must stay as it is: linked instances compare their state meanwhile. */
const REST_MS = 45_000
const ACQUAINTANCE_MS = 90_000
const PUBLISHING_MS = 60_000
/** By then everything must have arrived: heartbeats, the longest delay of a dialler, and some repetitions. */
const CONVERGENCE_MS = 300_000

/** A fault that is planted on purpose, to see that the invariants notice it. */
export interface Sabotage {
  readonly plugins?: (plugins: readonly Plugin[]) => readonly Plugin[]
  readonly disk?: (store: Store) => Store
  readonly state?: (state: StateBackend) => StateBackend
  /** Runs in which it must be noticed, when few are of the kind. */
  readonly seeds?: readonly number[]
}

export interface Report {
  readonly seed: number
  readonly plan: Plan
  /** SHA-256 over everything that happened. */
  readonly hash: string
  readonly events: number
  readonly simulatedMs: number
  readonly violation: Violation | undefined
  /** What happened last, newest at the end. */
  readonly lastEvents: readonly string[]
}

/** Runs one world from its seed: acquaintance, then traffic under faults, then peace, in which all must arrive. */
export async function run(seed: number, sabotage: Sabotage = {}): Promise<Report> {
  const scenario = new Scenario(seed, sabotage)
  await scenario.play()
  return scenario.report()
}

class Scenario {
  readonly #seed: number
  readonly #world: World
  readonly #plan: Plan
  readonly #clocks: WallClocks
  readonly #ledger: Ledger
  readonly #traffic: Traffic
  readonly #network: Network
  readonly #nodes: readonly Node[]
  readonly #clients: readonly Client[]
  readonly #invariants: Invariants
  readonly #model = new StateModel()
  readonly #stateInvariants: StateInvariants
  readonly #injector: FaultInjector
  #peace = true

  constructor(seed: number, sabotage: Sabotage) {
    this.#seed = seed
    this.#world = new World(seed)
    const stateRandom = seed % SEEDS_A_STATE === 0 ? new Random(seed + STATE_SEEDS) : undefined
    this.#plan = drawPlan(this.#world.random.fork(), stateRandom, seed % SEEDS_A_FORGETTING === 0)
    const { places, neighbours, faults, state } = this.#plan
    this.#clocks = new WallClocks(this.#world, seed, places, {
      skew: faults.skew,
      mostAstrayMs: state?.farMs ?? ASTRAY_MS,
    })
    const clock = (host: string) => this.#clocks.now(host)
    const violate: Violate = (invariant, detail) => this.#world.violate(invariant, detail)
    this.#ledger = new Ledger({ places, keepers: this.#keepers }, violate, clock)
    this.#stateInvariants = new StateInvariants({
      ...{ world: this.#world, ledger: this.#ledger, clocks: this.#clocks, neighbours, model: this.#model },
      forgets: state?.forgets ?? false,
    })
    this.#traffic = new Traffic(this.#world, this.#ledger)
    if (this.#isStrict) this.#traffic.strictOrder = new StrictOrder(this.#ledger, clock, violate)
    this.#network = new Network(this.#world, this.#traffic, this.#conditions())
    const instances = places.filter(({ role }) => role === 'instance')
    const disks = instances.map(({ name }) => new Disk(name, () => sabotagedStore(sabotage), this.#ledger))
    this.#nodes = instances.map((place, index) => this.#node(place, disks[index] as Disk, sabotage))
    this.#clients = places.filter(({ role }) => role === 'client').map((place) => this.#client(place))
    this.#invariants = new Invariants(this.#world, this.#ledger, neighbours, disks)
    this.#traffic.acknowledged = (publication) => this.#invariants.acknowledged(publication)
    this.#ledger.stamped = (publication, stamp) => this.#model.stamped(publication, stamp)
    const mayWipe = (host: string) => this.#ledger.isQuiet(host) && this.#stateInvariants.isDispensable(host)
    this.#injector = new FaultInjector(this.#world, this.#network, this.#nodes, {
      faults,
      mayWipe: state?.wipes ? mayWipe : undefined,
    })
  }

  async play(): Promise<void> {
    await this.#acquaint()
    this.#setPeace(false)
    this.#injector.start()
    this.#publish()
    await this.#run(() => false, PUBLISHING_MS)
    if (this.#world.violation) return
    this.#setPeace(true)
    this.#injector.end()
    await this.#finish()
  }

  report(): Report {
    const { trace, events, now, violation } = this.#world
    return {
      seed: this.#seed,
      plan: this.#plan,
      hash: trace.digest(),
      events,
      simulatedMs: now,
      violation,
      lastEvents: trace.last(60),
    }
  }

  /** Applications find their instances, and instances each other, unless the plan keeps them apart until later. */
  async #acquaint(): Promise<void> {
    const names = this.#nodes.map(({ plan }) => plan.name)
    const pairs = names.flatMap((one, place) => names.slice(place + 1).map((other) => [one, other] as const))
    if (!this.#plan.acquainted) for (const [one, other] of pairs) this.#network.partition(one, other)
    for (const node of this.#nodes) node.start()
    for (const client of this.#clients) client.start()
    await this.#run(() => false, ACQUAINTANCE_MS)
    if (this.#plan.acquainted) return
    for (const [one, other] of pairs) {
      this.#world.after(this.#world.random.between(0, PUBLISHING_MS), `${one} and ${other} may meet`, () =>
        this.#network.heal(one, other),
      )
    }
  }

  async #finish(): Promise<void> {
    const clockMs = this.#clocks.setRight()
    const { faults, acquainted, links, state } = this.#plan
    const isDone = () => this.#invariants.finished && this.#stateInvariants.finished
    const done = await this.#run(isDone, CONVERGENCE_MS + Math.max(clockMs, state?.farMs ?? 0))
    if (this.#world.violation) return
    const lacks = [...this.#invariants.unfinished(), ...(await this.#stateInvariants.lacks())]
    if (!done) this.#world.violate('everything arrives', `${lacks.length} lacking: ${lacks.slice(0, 8).join('; ')}`)
    if (state) await this.#stay()
    if (state?.forgets && !this.#world.violation) await this.#forget()
    const disturbed = Object.values(faults).some((on) => on) || !acquainted || this.#clocks.astray !== undefined
    const most = this.#traffic.mostHops
    if (!disturbed && !state && most > 2 * links)
      this.#world.violate('at most two sends a link', `${most} on ${links} links`)
  }

  /** What all hold alike, they go on to hold alike. */
  async #stay(): Promise<void> {
    await this.#run(() => false, REST_MS)
    const [lack] = await this.#stateInvariants.lacks()
    if (lack !== undefined) this.#world.violate('what has come to rest stays as it is', lack)
  }

  /** What was deleted is forgotten by all, and nobody who was away meanwhile brings it back. */
  async #forget(): Promise<void> {
    const { neighbours } = this.#plan
    await new Absence({
      ...{ world: this.#world, network: this.#network, neighbours, model: this.#model, clients: this.#clients },
      instances: this.#nodes.map(({ plan }) => plan.name),
      pass: (milliseconds) => this.#run(() => false, milliseconds),
    }).play()
    const isDone = () => this.#invariants.finished && this.#stateInvariants.finished
    await this.#run(isDone, CONVERGENCE_MS)
    await this.#stay()
    const lacks = this.#invariants.unfinished()
    if (lacks.length > 0) this.#world.violate('everything arrives', lacks.slice(0, 8).join('; '))
    this.#world.note(`${this.#stateInvariants.tombstones} tombstones are left`)
  }

  #run(done: () => boolean, milliseconds: number): Promise<boolean> {
    return this.#world.run(done, this.#world.now + milliseconds, () => this.#check())
  }

  async #check(): Promise<void> {
    await this.#invariants.check()
    if (this.#peace && this.#invariants.finished) await this.#stateInvariants.look()
  }

  get #isStrict(): boolean {
    return this.#seed % SEEDS_A_STRICT_TYPE.every === SEEDS_A_STRICT_TYPE.from
  }

  get #keepers(): ReadonlySet<string> {
    return this.#plan.state?.keepers ?? new Set()
  }

  #setPeace(peace: boolean): void {
    this.#peace = peace
    this.#network.conditions = this.#conditions()
  }

  #conditions(): Conditions {
    const { latencyMs, faults } = this.#plan
    const faulty = faults.unreliable && !this.#peace
    const chance = faulty ? 0.05 : 0
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

  #stateConditions(): DiskConditions {
    const chance = this.#plan.state?.fails && !this.#peace ? 0.1 : 0
    return { syncMs: this.#plan.faults.slowDisks ? 30 : 1, writeFailure: chance, readFailure: chance }
  }

  #node({ name, tags }: Place, disk: Disk, sabotage: Sabotage): Node {
    const { peers, state } = this.#plan
    const plan = {
      name,
      tags,
      peers: peers.get(name) ?? [],
      clock: () => this.#clocks.now(name),
      settings: { retryDelayMs: RETRY_DELAY_MS },
      diskConditions: () => this.#diskConditions(),
      stateConditions: () => this.#stateConditions(),
      knowsState: state !== undefined,
      catchUp: state?.forgets ? { tombstones: FORGETTING } : {},
      witness: () =>
        witness(this.#world, this.#ledger, this.#traffic, this.#clocks, name, {
          retryDelayMs: RETRY_DELAY_MS,
          strictness: this.#isStrict ? { fails: () => this.#plan.faults.refusals && !this.#peace } : undefined,
        }),
      operator: () => operator(this.#world, name, this.#plan.faults, () => !this.#peace),
      sabotage: sabotage.plugins ?? ((plugins: readonly Plugin[]) => plugins),
    }
    const disks = [disk, this.#stateDisk(name, sabotage)] as const
    return new Node(this.#world, this.#network, disks, plan, () => this.#ledger.facts(name).life++)
  }

  #stateDisk(host: string, { state = (same) => same }: Sabotage): StateDisk | undefined {
    if (!this.#keepers.has(host)) return undefined
    const disk = new StateDisk(host, () => state(new MemoryState()), this.#stateInvariants)
    this.#stateInvariants.watch(disk)
    return disk
  }

  #client(place: Place): Client {
    const { faults } = this.#plan
    const home = homeOf(place)
    const elsewhere = faults.failover && !place.durable ? (this.#plan.neighbours.get(home) ?? []) : []
    return new Client(this.#world, this.#network, this.#ledger, {
      host: place.name,
      named: place.durable,
      tags: place.tags,
      homes: [home, ...elsewhere.filter((name) => this.#ledger.hosts.has(name))],
      thinkMs: this.#world.random.pick([0.1, 5, 300]),
      forgets: () => (faults.forgetfulClients && !this.#peace ? 0.2 : 0),
      refuses: () => faults.refusals && !this.#peace,
      reader: this.#plan.state?.asks ? this.#reader() : undefined,
    })
  }

  #reader(): Reader {
    return new Reader({
      world: this.#world,
      ledger: this.#ledger,
      clocks: this.#clocks,
      model: this.#model,
      keepers: this.#keepers,
    })
  }

  #publish(): void {
    new Publishing({
      world: this.#world,
      seed: this.#seed,
      plan: this.#plan,
      clocks: this.#clocks,
      clients: this.#clients,
      withinMs: PUBLISHING_MS,
    }).schedule()
  }
}

function sabotagedStore({ disk = (store) => store }: Sabotage): Store {
  return disk(new MemoryStore())
}
