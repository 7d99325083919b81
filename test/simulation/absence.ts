import type { Client } from './client.ts'
import type { Network } from './network.ts'
import type { Neighbours } from './on-the-way.ts'
import type { Random } from './random.ts'
import type { StateModel } from './state-model.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
/** What was deleted is remembered for so long at least, and whoever is away for so long is not waited for. */
export const FORGETTING = { keepDays: 10 / 1_440, awayDays: 20 / 1_440 }
/** Nothing is forgotten in the first hour after a start, and then it is looked every ten minutes. */
const SETTLED_MS = 62 * MINUTE_MS
const AWAY_MS = 55 * MINUTE_MS

export interface AbsenceSurroundings {
  readonly world: World
  readonly network: Network
  readonly neighbours: Neighbours
  readonly model: StateModel
  readonly clients: readonly Client[]
  readonly instances: readonly string[]
  /** Lets so much time pass. */
  readonly pass: (milliseconds: number) => Promise<unknown>
}

/**
 * One instance is cut off while the others delete what it holds too, give it up, and forget what they deleted. Then it comes
 * back, and must bring nothing back.
 */
export class Absence {
  readonly #surroundings: AbsenceSurroundings
  readonly #random: Random
  #deletions = 0

  constructor(surroundings: AbsenceSurroundings) {
    this.#surroundings = surroundings
    this.#random = surroundings.world.random.fork()
  }

  async play(): Promise<void> {
    const { world, network, neighbours, instances, pass } = this.#surroundings
    await pass(SETTLED_MS)
    const away = this.#random.pick(this.#dispensable)
    const others = (neighbours.get(away) ?? []).filter((name) => instances.includes(name))
    world.note(`${away} is cut off`)
    for (const other of others) network.partition(away, other)
    await pass(MINUTE_MS)
    this.#deleteSome(away)
    await pass(AWAY_MS)
    world.note(`${away} is back`)
    for (const other of others) network.heal(away, other)
  }

  /** Instances without which the others are linked, beside whom somebody publishes, if there are such. */
  get #dispensable(): readonly string[] {
    const { instances } = this.#surroundings
    const linked = instances.filter((name) => this.#isLinkedWithout(name))
    const some = linked.filter((name) => this.#elsewhere(name).length > 0)
    return some.length > 0 ? some : linked
  }

  /** Who is alone for so long is away as well, and what it deletes meanwhile comes too late. */
  #isLinkedWithout(away: string): boolean {
    const { instances, neighbours } = this.#surroundings
    const others = instances.filter((name) => name !== away)
    const reached = new Set(others.slice(0, 1))
    for (const name of reached) {
      for (const neighbour of neighbours.get(name) ?? []) if (others.includes(neighbour)) reached.add(neighbour)
    }
    return reached.size === others.length
  }

  /** Applications that are never connected to that instance. */
  #elsewhere(away: string): readonly Client[] {
    return this.#surroundings.clients.filter(({ plan: { homes } }) => !homes.includes(away))
  }

  #deleteSome(away: string): void {
    const { model } = this.#surroundings
    const elsewhere = this.#elsewhere(away)
    if (elsewhere.length === 0) return
    for (const key of model.keys) {
      if (!model.isForAll(key) || this.#random.chance(0.3)) continue
      const client = this.#random.pick(elsewhere)
      client.publish({
        messageId: `deletion-${++this.#deletions}`,
        type: 'DEL',
        publisher: client.plan.host,
        key,
        value: undefined,
        version: undefined,
        targetedTags: [],
        targetInstanceId: undefined,
        priority: undefined,
        expiresAt: undefined,
        notBefore: undefined,
      })
    }
  }
}
