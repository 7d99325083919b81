import type { PendingDelivery } from '../../core/index.ts'
import { copyOf } from './copy.ts'
import type { Disk } from './disk.ts'
import type { Ledger } from './ledger.ts'
import { isOnTheWay, type Neighbours } from './on-the-way.ts'
import type { Place, Publication } from './publication.ts'
import { hostOf } from './transport.ts'
import type { World } from './world.ts'

/** What must hold after every event, and what must hold in the end. */
export class Invariants {
  readonly #world: World
  readonly #ledger: Ledger
  readonly #neighbours: Neighbours
  readonly #disks: readonly Disk[]
  /** Targets that acknowledged messages have not reached yet. */
  readonly #owed = new Map<Publication, Set<Place>>()

  constructor(world: World, ledger: Ledger, neighbours: Neighbours, disks: readonly Disk[]) {
    this.#world = world
    this.#ledger = ledger
    this.#neighbours = neighbours
    this.#disks = disks
  }

  /** From now on the message must not be lost. */
  acknowledged(publication: Publication): void {
    if (this.#ledger.acknowledged.has(publication.messageId)) return
    this.#ledger.acknowledged.add(publication.messageId)
    this.#owed.set(publication, new Set(this.#ledger.targets(publication)))
    this.#ledger.changed.add(publication.publisher)
  }

  /** After every event. What no disk has changed need not be looked at again. */
  async check(): Promise<void> {
    const { changed } = this.#ledger
    if (changed.size === 0) return
    for (const disk of this.#disks) {
      if (!disk.opened || !changed.has(disk.host)) continue
      await this.#conserved(disk)
    }
    changed.clear()
    for (const [publication, targets] of this.#owed) this.#notLost(publication, targets)
  }

  /** What still lacks when everything has healed; empty when all is done. */
  unfinished(): readonly string[] {
    const { publications, acknowledged, hosts } = this.#ledger
    const lacks: string[] = []
    for (const id of publications.keys()) if (!acknowledged.has(id)) lacks.push(`${id} is not acknowledged`)
    for (const [{ messageId }, targets] of this.#owed) {
      for (const { name } of targets) lacks.push(`${messageId} has not reached ${name}`)
    }
    for (const [host, { names, waiting }] of hosts) {
      for (const [key, deliveries] of waiting) {
        for (const copy of deliveries.values()) lacks.push(`${copy} waits at ${host} for ${names.get(key)}`)
      }
    }
    return lacks
  }

  get finished(): boolean {
    const { publications, acknowledged, hosts } = this.#ledger
    if (acknowledged.size < publications.size || this.#owed.size > 0) return false
    for (const { waiting } of hosts.values()) {
      for (const deliveries of waiting.values()) if (deliveries.size > 0) return false
    }
    return true
  }

  /** For each recipient, the sums are right, and what should wait on disk is what waits there. */
  async #conserved(disk: Disk): Promise<void> {
    const { host } = disk
    let deaths = 0
    for (const { recipient, targeted, acked, pending, dead, collapsed, forgotten } of disk.store.ledger()) {
      deaths += dead
      if (targeted === acked + pending + dead + collapsed + forgotten) continue
      this.#world.violate(
        'targeted = acked + pending + dead + collapsed + forgotten',
        `${host} for ${recipient}: ${targeted} = ${acked} + ${pending} + ${dead} + ${collapsed} + ${forgotten}`,
      )
    }
    const expected = this.#ledger.facts(host).deaths
    if (deaths !== expected) this.#world.violate('what died is counted', `${deaths} of ${expected} at ${host}`)
    for (const [key, deliveries] of this.#ledger.facts(host).waiting) {
      const waiting = await disk.waiting(key)
      const found = waiting.map(({ seq }) => seq)
      const name = hostOf(this.#ledger.facts(host).names.get(key) ?? '')
      this.#counted(host, name, waiting)
      if (found.length === deliveries.size && found.every((seq) => deliveries.has(seq))) continue
      this.#world.violate(
        'what is neither acknowledged nor dead waits',
        `${host} for ${name}: ${[...deliveries.keys()]} should wait, ${found} do`,
      )
    }
  }

  /** What was written of failures is what can be read. */
  #counted(host: string, recipient: string, waiting: readonly PendingDelivery[]): void {
    // Of two names of one recipient, each has counts of its own, of which one remains.
    if (this.#ledger.hasTwoNames(host, recipient)) return
    for (const { message, attempts } of waiting) {
      const written = this.#ledger.facts(host).attempts.get(`${copyOf(message)} ${recipient}`)
      if (!written || JSON.stringify(written) === JSON.stringify(attempts)) continue
      this.#world.violate('failures stay counted', `${message.messageId} at ${host} for ${recipient}`)
    }
  }

  #notLost(publication: Publication, targets: Set<Place>): void {
    for (const target of targets) {
      if (this.#ledger.arrived(publication, target)) targets.delete(target)
      else if (isOnTheWay(this.#ledger, this.#neighbours, publication, target, 'waits')) continue
      else if (isOnTheWay(this.#ledger, this.#neighbours, publication, target, 'died')) targets.delete(target)
      else {
        this.#world.violate('nothing acknowledged is lost', `${publication.messageId} for ${target.name}`)
      }
    }
    if (targets.size === 0) this.#owed.delete(publication)
  }
}
