import { MAX_CLOCK_AHEAD_MS, millisecondsOf } from '../../core/hybrid-clock.ts'
import type { StateEntry } from '../../core/index.ts'
import { withoutTombstones } from '../../core/state/tombstones.ts'
import { idOf } from './copy.ts'
import type { Ledger } from './ledger.ts'
import type { Neighbours } from './on-the-way.ts'
import { isFor, type Place, type Publication } from './publication.ts'
import type { StateDisk, StateObserver } from './state-disk.ts'
import { print, type StateModel, stampsIn } from './state-model.ts'
import type { WallClocks } from './wall-clocks.ts'
import type { World } from './world.ts'

/** Later than any stamp. */
const END_OF_TIME = '~'

export interface StateSurroundings {
  readonly world: World
  readonly ledger: Ledger
  readonly clocks: WallClocks
  readonly neighbours: Neighbours
  readonly model: StateModel
  /** Whether what was deleted is forgotten after a while. */
  readonly forgets: boolean
}

/** What must hold of state: in the end, all who keep it hold the join of all that was written, to the byte. */
export class StateInvariants implements StateObserver {
  readonly #surroundings: StateSurroundings
  readonly #disks = new Map<string, StateDisk>()
  /** The stamps of what was joined at each keeper, since its disk was last new. */
  readonly #seen = new Map<string, Set<string>>()
  /** Whether they did when it was last looked. */
  finished = false

  constructor(surroundings: StateSurroundings) {
    this.#surroundings = surroundings
  }

  watch(disk: StateDisk): void {
    this.#disks.set(disk.host, disk)
    this.#seen.set(disk.host, new Set())
  }

  joined(host: string, deltas: readonly StateEntry[]): void {
    const { world, clocks, model } = this.#surroundings
    for (const stamp of deltas.flatMap(stampsIn)) {
      this.#seen.get(host)?.add(stamp)
      if (!model.written(stamp)) world.violate('state is what was written', `${stamp} at ${host}`)
      if (millisecondsOf(stamp) - clocks.latest(host) <= MAX_CLOCK_AHEAD_MS) continue
      world.violate('nothing becomes state ahead of time', `${stamp} at ${host}`)
    }
  }

  wiped(host: string): void {
    this.#seen.get(host)?.clear()
  }

  /** Whether others hold all that this one does, so that nothing is lost with its disk. */
  isDispensable(host: string): boolean {
    const { model } = this.#surroundings
    const group = this.#group(host)
    const all = this.#seenBy(group)
    const others = this.#seenBy(group.filter((name) => name !== host))
    return model.keys.every((key) => {
      const [having, lacking] = [all, others].map((seen) => model.entry(key, (stamp) => seen.has(stamp)))
      return print(having) === print(lacking)
    })
  }

  /** When there is peace: looks anew whether all hold what they should, if that may have changed. */
  async look(): Promise<void> {
    const disks = [...this.#disks.values()]
    if (this.finished && !disks.some(({ changed }) => changed)) return
    this.finished = (await this.lacks()).length === 0
    for (const disk of disks) disk.changed = false
  }

  async lacks(): Promise<readonly string[]> {
    const lacks: string[] = []
    for (const disk of this.#disks.values()) lacks.push(...(await this.#lacksOf(disk)))
    return lacks
  }

  async #lacksOf(disk: StateDisk): Promise<readonly string[]> {
    const { ledger, model } = this.#surroundings
    const place = ledger.places.get(disk.host) as Place
    const entries = new Map((await disk.entries()).map((entry) => [entry.key, entry]))
    const seen = this.#seenBy(this.#group(disk.host))
    const lacks: string[] = []
    for (const key of new Set([...model.keys, ...entries.keys()])) {
      const isComplete = this.#isComplete(key)
      if (!isComplete && !model.isForAll(key)) continue
      const counts = (stamp: string, publication: Publication) =>
        isComplete ? isFor(publication, place) : seen.has(stamp)
      const [holds, should] = [this.#print(entries.get(key)), this.#print(model.entry(key, counts))]
      if (holds !== should) lacks.push(`${disk.host} holds ${holds} instead of ${should}`)
    }
    return lacks
  }

  /** In writing; where what was deleted is forgotten, without what only remembers that. */
  #print(entry: StateEntry | undefined): string {
    return print(this.#surroundings.forgets && entry ? withoutTombstones(entry, END_OF_TIME) : entry)
  }

  /** How much is remembered of things gone, at all instances. */
  get tombstones(): number {
    return [...this.#disks.values()].reduce((sum, { backend }) => sum + backend.statistics().tombstones, 0)
  }

  /** Whether nothing that was written of a key was given up anywhere. If it was, some have it who can give it to others. */
  #isComplete(key: string): boolean {
    const ids = new Set([...this.#surroundings.model.publicationsOf(key)].map(({ messageId }) => messageId))
    for (const { dead } of this.#surroundings.ledger.hosts.values()) {
      for (const delivery of dead) if (ids.has(idOf(delivery))) return false
    }
    return true
  }

  /** Those who keep state and are linked with it by others who do: what one of them holds for all comes to each. */
  #group(host: string): readonly string[] {
    const group = new Set([host])
    for (const name of group) {
      for (const neighbour of this.#surroundings.neighbours.get(name) ?? []) {
        if (this.#disks.has(neighbour)) group.add(neighbour)
      }
    }
    return [...group]
  }

  #seenBy(hosts: readonly string[]): ReadonlySet<string> {
    return new Set(hosts.flatMap((host) => [...(this.#seen.get(host) ?? [])]))
  }
}
