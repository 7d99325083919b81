import type { Plugin, Store } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { Client } from './client.ts'
import { Disk } from './disk.ts'
import { FaultInjector } from './fault-injector.ts'
import { Invariants } from './invariants.ts'
import { Ledger } from './ledger.ts'
import { Network } from './network.ts'
import { Node } from './node.ts'
import { operator } from './operator.ts'
import { drawPlan, homeOf, type Plan } from './plan.ts'
import { APPLIED_TYPE, type Place, type Publication } from './publication.ts'
import { EPOCH_MS } from './runtime.ts'
import type { DiskConditions } from './store.ts'
import { Traffic } from './traffic.ts'
import { WallClocks } from './wall-clocks.ts'
import type { Conditions } from './wire.ts'
import { witness } from './witness.ts'
import { type Violation, World } from './world.ts'

const RETRY_DELAY_MS = 2_000
/** One seed in so many has messages of all priorities. Not drawn, so that the other seeds stay what they were. */
const SEEDS_A_PRIORITY = 5
const ACQUAINTANCE_MS = 90_000
const PUBLISHING_MS = 60_000
/** By then everything must have arrived: heartbeats, the longest delay of a dialler, and some repetitions. */
const CONVERGENCE_MS = 300_000

/** A fault that is planted on purpose, to see that the invariants notice it. */
export interface Sabotage {
  readonly plugins?: (plugins: readonly Plugin[]) => readonly Plugin[]
  readonly disk?: (store: Store) => Store
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
  readonly #injector: FaultInjector
  #peace = true

  constructor(seed: number, sabotage: Sabotage) {
    this.#seed = seed
    this.#world = new World(seed)
    this.#plan = drawPlan(this.#world.random.fork())
    const { places, neighbours, faults } = this.#plan
    this.#clocks = new WallClocks(this.#world, seed, places, faults.skew)
    const clock = (host: string) => this.#clocks.now(host)
    this.#ledger = new Ledger(places, (invariant, detail) => this.#world.violate(invariant, detail), clock)
    this.#traffic = new Traffic(this.#world, this.#ledger)
    this.#network = new Network(this.#world, this.#traffic, this.#conditions())
    const instances = places.filter(({ role }) => role === 'instance')
    const disks = instances.map(({ name }) => new Disk(name, sabotaged(sabotage), this.#ledger))
    this.#nodes = instances.map((place, index) => this.#node(place, disks[index] as Disk, sabotage))
    this.#clients = places.filter(({ role }) => role === 'client').map((place) => this.#client(place))
    this.#invariants = new Invariants(this.#world, this.#ledger, neighbours, disks)
    this.#traffic.acknowledged = (publication) => this.#invariants.acknowledged(publication)
    this.#injector = new FaultInjector(this.#world, this.#network, this.#nodes, faults)
  }

  async play(): Promise<void> {
    await this.#acquaint()
    this.#setPeace(false)
    this.#injector.start()
    this.#schedulePublications()
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
    const done = await this.#run(() => this.#invariants.finished, CONVERGENCE_MS + clockMs)
    if (this.#world.violation) return
    const lacks = this.#invariants.unfinished()
    if (!done) this.#world.violate('everything arrives', `${lacks.length} lacking: ${lacks.slice(0, 8).join('; ')}`)
    const { faults, acquainted, links } = this.#plan
    const disturbed = Object.values(faults).some((on) => on) || !acquainted || this.#clocks.astray !== undefined
    const most = this.#traffic.mostHops
    if (!disturbed && most > 2 * links) this.#world.violate('at most two sends a link', `${most} on ${links} links`)
  }

  #run(done: () => boolean, milliseconds: number): Promise<boolean> {
    return this.#world.run(done, this.#world.now + milliseconds, () => this.#invariants.check())
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

  #node({ name, tags }: Place, disk: Disk, sabotage: Sabotage): Node {
    const { peers } = this.#plan
    const plan = {
      name,
      tags,
      peers: peers.get(name) ?? [],
      clock: () => this.#clocks.now(name),
      settings: { retryDelayMs: RETRY_DELAY_MS },
      diskConditions: () => this.#diskConditions(),
      witness: () => witness(this.#world, this.#ledger, this.#traffic, this.#clocks, name, RETRY_DELAY_MS),
      operator: () => operator(this.#world, name, this.#plan.faults, () => !this.#peace),
      sabotage: sabotage.plugins ?? ((plugins: readonly Plugin[]) => plugins),
    }
    return new Node(this.#world, this.#network, disk, plan, () => this.#ledger.facts(name).life++)
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
    })
  }

  #expiry(): number {
    return Math.floor(EPOCH_MS + this.#world.now + this.#world.random.between(0, 2 * PUBLISHING_MS))
  }

  /** Of an application that may publish at several instances nobody can say by which clock. */
  #delay({ plan: { homes } }: Client): number | undefined {
    const [home, ...others] = homes
    const { random } = this.#world
    if (!this.#plan.faults.delays || home === undefined || others.length > 0 || random.chance(0.6)) return undefined
    return Math.floor(this.#clocks.now(home) + random.between(0, 2 * PUBLISHING_MS))
  }

  #schedulePublications(): void {
    const { random } = this.#world
    if (this.#clients.length === 0) return
    for (let number = 1; number <= this.#plan.messages; number++) {
      const client = random.pick(this.#clients)
      const publication = this.#publication(number, client)
      this.#world.after(random.between(0, PUBLISHING_MS), `${client.plan.host} has something`, () =>
        client.publish(publication),
      )
    }
  }

  #publication(number: number, client: Client): Publication {
    const { random } = this.#world
    const type = random.pick(['SK', 'SA', APPLIED_TYPE] as const)
    // A number that no double holds: it must come out as it went in.
    const value = `90071992547409${String(number).padStart(2, '0')}93.10`
    const addressed = this.#plan.acquainted ? random.pick(['all', 'all', 'tags', 'target']) : 'all'
    const publication = {
      messageId: `m-${number}`,
      type,
      publisher: client.plan.host,
      key: `key-${random.integer(1, 4)}`,
      value: type === 'SA' ? `[${value}]` : value,
      priority: this.#seed % SEEDS_A_PRIORITY === 1 ? (number * 7) % 10 : undefined,
      targetedTags: addressed === 'tags' ? [random.pick(['aws', 'gcp', 'eu', 'us', 'app'])] : [],
      expiresAt: this.#plan.faults.expiry && random.chance(0.3) ? this.#expiry() : undefined,
      targetInstanceId: addressed === 'target' ? random.pick(this.#nodes).plan.name : undefined,
    }
    return { ...publication, notBefore: publication.expiresAt === undefined ? this.#delay(client) : undefined }
  }
}

function sabotaged({ disk = (store) => store }: Sabotage): Store {
  return disk(new MemoryStore())
}
