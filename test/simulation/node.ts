import { type Bus, createBus, type PeerSettings, type Plugin, type Settings } from '../../core/index.ts'
import { memoryHint } from '../../plugins/dedup/memory.ts'
import { circuitBreaker } from '../../plugins/delivery/circuit-breaker.ts'
import { replay } from '../../plugins/delivery/replay.ts'
import { republish } from '../../plugins/delivery/republish.ts'
import { ack } from '../../plugins/messages/ack.ts'
import { hello } from '../../plugins/messages/hello.ts'
import { nack } from '../../plugins/messages/nack.ts'
import { setArray } from '../../plugins/messages/sa.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { path } from '../../plugins/routes/path.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { target } from '../../plugins/routes/target.ts'
import type { Disk } from './disk.ts'
import type { Network } from './network.ts'
import { type SimulatedRuntime, simulatedRuntime } from './runtime.ts'
import { type DiskConditions, SimulatedStore } from './store.ts'
import { simulatedTransport } from './transport.ts'
import type { World } from './world.ts'

const START_AGAIN_MS = 1_000

/** What does not change about an instance from one life to the next. */
export interface NodePlan {
  readonly name: string
  readonly tags: readonly string[]
  readonly peers: readonly PeerSettings[]
  /** What its wall clock shows. */
  readonly clock: () => number
  readonly settings: Partial<Settings>
  readonly diskConditions: () => DiskConditions
  /** Reads along inside of the bus. */
  readonly witness: () => Plugin
  /** Steers it from within. */
  readonly operator: () => Plugin
  /** Puts a planted fault in the place of something sound. */
  readonly sabotage: (plugins: readonly Plugin[]) => readonly Plugin[]
}

interface Life {
  readonly runtime: SimulatedRuntime
  readonly store: SimulatedStore
  readonly bus: Bus
}

/** One instance: a real kernel with its real plugins, on a simulated machine that can fail and be started again. */
export class Node {
  readonly plan: NodePlan
  readonly #world: World
  readonly #network: Network
  readonly #disk: Disk
  readonly #born: (node: Node) => void
  #life: Life | undefined

  constructor(world: World, network: Network, disk: Disk, plan: NodePlan, born: (node: Node) => void) {
    this.#world = world
    this.#network = network
    this.#disk = disk
    this.plan = plan
    this.#born = born
  }

  get up(): boolean {
    return this.#life !== undefined
  }

  /** The bus of this life, when there is one. */
  get bus(): Bus | undefined {
    return this.#life?.bus
  }

  start(): void {
    if (this.#life) return
    const { name, clock, diskConditions } = this.plan
    const runtime = simulatedRuntime(this.#world, name, clock)
    const store = new SimulatedStore(this.#world, this.#disk, diskConditions)
    const bus = createBus({ plugins: this.#plugins(store), settings: this.#settings(), runtime })
    const life = { runtime, store, bus }
    this.#life = life
    this.#born(this)
    bus.start().then(
      () => this.#world.note(`${name} is up`),
      (error: Error) => this.#died(life, error),
    )
    void bus.failed.then((error) => this.#died(life, error))
  }

  /** Ends at once, with whatever it was doing. */
  async crash(powerCut: boolean): Promise<void> {
    const life = this.#life
    if (!life) return
    this.#life = undefined
    life.runtime.halt()
    this.#network.crash(this.plan.name, powerCut)
    await life.store.crash()
  }

  /** Ends in good order. Resolves when it has. */
  async stop(): Promise<void> {
    const life = this.#life
    if (!life) return
    await life.bus.stop()
    if (this.#life !== life) return
    life.runtime.halt()
    this.#life = undefined
  }

  #died(life: Life, error: Error): void {
    if (this.#life !== life) return
    this.#world.note(`${this.plan.name} died: ${error.message}`)
    void this.crash(false)
    this.#world.after(START_AGAIN_MS, `${this.plan.name} is started again`, () => this.start())
  }

  #settings(): Partial<Settings> {
    const { name, tags, peers, settings } = this.plan
    return { ...settings, instanceId: name, tags, peers }
  }

  #plugins(store: SimulatedStore): readonly Plugin[] {
    const { name, witness, operator, sabotage } = this.plan
    return sabotage([
      // First, so that it sees what is due before it is sent.
      witness(),
      { name: 'store-simulated', apply: (kernel) => kernel.store(store) },
      simulatedTransport(this.#network, name),
      setKey(),
      setArray(),
      ack(),
      nack(),
      hello(),
      path(),
      tags(),
      target(),
      memoryHint({ capacity: 16 }),
      // So few that they open now and then.
      circuitBreaker({ failures: 3 }),
      republish(),
      replay(),
      operator(),
    ])
  }
}
