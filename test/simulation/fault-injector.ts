import type { Network } from './network.ts'
import type { Node } from './node.ts'
import type { Faults } from './plan.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

const MOST_OFTEN_MS = 300
const LEAST_OFTEN_MS = 6_000
const LONGEST_PARTITION_MS = 50_000
const LONGEST_OUTAGE_MS = 15_000

/** Breaks things at random, each kind only if the plan has it, until it is told to stop; then it mends them all. */
export class FaultInjector {
  readonly #world: World
  readonly #random: Random
  readonly #network: Network
  readonly #nodes: readonly Node[]
  readonly #kinds: readonly (() => void)[]
  readonly #mend = new Set<() => void>()
  #active = true

  /** @param mayWipe whether an instance may lose its disk now; undefined: never */
  constructor(
    world: World,
    network: Network,
    nodes: readonly Node[],
    { faults, mayWipe }: { readonly faults: Faults; readonly mayWipe: ((host: string) => boolean) | undefined },
  ) {
    this.#world = world
    this.#random = world.random.fork()
    this.#network = network
    this.#nodes = nodes
    this.#kinds = [
      ...(faults.breaks ? [() => this.#break()] : []),
      ...(faults.partitions ? [() => this.#partition()] : []),
      ...(faults.crashes ? [() => this.#crash()] : []),
      ...(faults.stops ? [() => this.#stop()] : []),
      ...(mayWipe ? [() => this.#wipe(mayWipe)] : []),
    ]
  }

  start(): void {
    if (this.#kinds.length > 0) this.#next()
  }

  /** No more faults, and those that last end now. */
  end(): void {
    this.#active = false
    for (const mend of [...this.#mend]) mend()
  }

  #next(): void {
    this.#world.after(this.#random.between(MOST_OFTEN_MS, LEAST_OFTEN_MS), 'a fault', () => {
      if (!this.#active) return
      this.#random.pick(this.#kinds)()
      this.#next()
    })
  }

  #break(): void {
    const wires = this.#network.wires()
    if (wires.length === 0) return
    const wire = this.#random.pick(wires)
    this.#world.note(`wire ${wire.id} breaks`)
    this.#network.break(wire, this.#random.chance(0.2))
  }

  #partition(): void {
    const wires = this.#network.wires()
    if (wires.length === 0) return
    const { dialler, listener } = this.#random.pick(wires)
    this.#world.note(`partition between ${dialler.host} and ${listener.host}`)
    this.#network.partition(dialler.host, listener.host)
    this.#for(this.#random.between(100, LONGEST_PARTITION_MS), () => this.#network.heal(dialler.host, listener.host))
  }

  /** Now and then all of them at once. */
  #crash(): void {
    const nodes = this.#random.chance(0.1) ? this.#nodes : [this.#random.pick(this.#nodes)]
    for (const node of nodes) {
      this.#world.note(`${node.plan.name} crashes`)
      void node.crash(this.#random.chance(0.3))
      this.#for(this.#random.between(10, LONGEST_OUTAGE_MS), () => node.start())
    }
  }

  #stop(): void {
    const node = this.#random.pick(this.#nodes)
    this.#world.note(`${node.plan.name} is stopped`)
    void node.stop().then(() => this.#for(this.#random.between(10, LONGEST_OUTAGE_MS), () => node.start()))
  }

  #wipe(mayWipe: (host: string) => boolean): void {
    const node = this.#random.pick(this.#nodes)
    if (!mayWipe(node.plan.name)) return
    this.#world.note(`${node.plan.name} loses its disk`)
    void node.wipe()
    this.#for(this.#random.between(10, LONGEST_OUTAGE_MS), () => node.start())
  }

  #for(milliseconds: number, mend: () => void): void {
    const once = () => {
      if (this.#mend.delete(once)) mend()
    }
    this.#mend.add(once)
    if (this.#active) this.#world.after(milliseconds, 'a fault ends', once)
    else once()
  }
}
