import { type Bus, createBus, type Kernel, type PeerSettings, type Plugin, type Settings } from '../../core/index.ts'
import { memoryHint } from '../../plugins/dedup/memory.ts'
import { circuitBreaker } from '../../plugins/delivery/circuit-breaker.ts'
import { replay } from '../../plugins/delivery/replay.ts'
import { republish } from '../../plugins/delivery/republish.ts'
import { ack } from '../../plugins/messages/ack.ts'
import { deleteKey } from '../../plugins/messages/del.ts'
import { getArray } from '../../plugins/messages/ga.ts'
import { getKey } from '../../plugins/messages/gk.ts'
import { getWeighted } from '../../plugins/messages/gw.ts'
import { hello } from '../../plugins/messages/hello.ts'
import { nack } from '../../plugins/messages/nack.ts'
import { reply } from '../../plugins/messages/reply.ts'
import { setArray } from '../../plugins/messages/sa.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { setWeighted } from '../../plugins/messages/sw.ts'
import { path } from '../../plugins/routes/path.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { target } from '../../plugins/routes/target.ts'
import { type CatchUpOptions, catchUp } from '../../plugins/state/catch-up/index.ts'
import type { DiskConditions } from './device.ts'
import type { Disk } from './disk.ts'
import type { Network } from './network.ts'
import { type SimulatedRuntime, simulatedRuntime } from './runtime.ts'
import { SimulatedState } from './simulated-state.ts'
import type { StateDisk } from './state-disk.ts'
import { SimulatedStore } from './store.ts'
import { simulatedTransport } from './transport.ts'
import type { World } from './world.ts'

const START_AGAIN_MS = 1_000
/** How often linked instances compare their state, in seconds. */
const COMPARE_SECONDS = 30

/** What does not change about an instance from one life to the next. */
export interface NodePlan {
  readonly name: string
  readonly tags: readonly string[]
  readonly peers: readonly PeerSettings[]
  /** What its wall clock shows. */
  readonly clock: () => number
  readonly settings: Partial<Settings>
  readonly diskConditions: () => DiskConditions
  readonly stateConditions: () => DiskConditions
  /** Whether it knows the types that write state and ask for it. */
  readonly knowsState: boolean
  /** What may be set of how instances catch up. */
  readonly catchUp?: CatchUpOptions
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
  readonly state: SimulatedState | undefined
  readonly bus: Bus
}

/** One instance: a real kernel with its real plugins, on a simulated machine that can fail and be started again. */
export class Node {
  readonly plan: NodePlan
  readonly #world: World
  readonly #network: Network
  readonly #disk: Disk
  readonly #stateDisk: StateDisk | undefined
  readonly #born: (node: Node) => void
  #life: Life | undefined

  /** @param disks undefined in the place of the second: it keeps no state */
  constructor(
    world: World,
    network: Network,
    disks: readonly [Disk, StateDisk | undefined],
    plan: NodePlan,
    born: (node: Node) => void,
  ) {
    this.#world = world
    this.#network = network
    this.#disk = disks[0]
    this.#stateDisk = disks[1]
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
    const { name, clock, diskConditions, stateConditions } = this.plan
    const runtime = simulatedRuntime(this.#world, name, clock)
    const store = new SimulatedStore(this.#world, this.#disk, diskConditions)
    const state = this.#stateDisk && new SimulatedState(this.#world, this.#stateDisk, stateConditions)
    const bus = createBus({ plugins: this.#plugins(store, state), settings: this.#settings(), runtime })
    const life = { runtime, store, state, bus }
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
    await life.state?.crash()
  }

  /** Ends at once, and what it had on disk is gone. */
  async wipe(): Promise<void> {
    await this.crash(false)
    this.#disk.wipe()
    this.#stateDisk?.wipe()
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

  #plugins(store: SimulatedStore, state: SimulatedState | undefined): readonly Plugin[] {
    const { name, witness, operator, sabotage, knowsState, catchUp } = this.plan
    return sabotage([
      // First, so that it sees what is due before it is sent.
      witness(),
      { name: 'store-simulated', apply: (kernel) => kernel.store(store) },
      simulatedTransport(this.#network, name),
      ...(state ? [{ name: 'state-simulated', apply: (kernel: Kernel) => kernel.stateBackend(state) }] : []),
      setKey(),
      setArray(),
      ...(knowsState ? typesOfState(catchUp) : []),
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

function typesOfState(options: CatchUpOptions = {}): readonly Plugin[] {
  const compared = catchUp({ everySeconds: COMPARE_SECONDS, ...options })
  return [setWeighted(), deleteKey(), getKey(), getArray(), getWeighted(), reply(), compared]
}
