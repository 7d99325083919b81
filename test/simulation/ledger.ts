import type { Batch, RecipientKey, RecipientRecord, StoreVerdict } from '../../core/index.ts'
import type { DiskObserver } from './disk.ts'
import { APPLIED_TYPE, isFor, type Place, type Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** What one instance durably knows, kept beside its disk by somebody who makes no mistakes. */
export interface HostFacts {
  /** Which of its lives this is: a crash ends one. */
  life: number
  /** Place of each message that is on its disk. */
  readonly seqs: Map<string, number>
  readonly paths: Map<string, readonly string[]>
  readonly names: Map<RecipientKey, string>
  /** Deliveries that are not settled: by recipient, the id of the message at each place. */
  readonly waiting: Map<RecipientKey, Map<number, string>>
  /** Deliveries of which it is on disk that they are done. */
  readonly settled: Set<string>
  /** In which of its lives it has applied each message. */
  readonly applied: Map<string, Set<number>>
}

/** What is told of a broken promise. */
export type Violate = (invariant: string, detail: string) => void

/** All facts of a run. It watches the disks and hears of acknowledgements; the invariants are about what stands here. */
export class Ledger implements DiskObserver {
  readonly places: ReadonlyMap<string, Place>
  readonly publications = new Map<string, Publication>()
  /** Messages for which some instance has sent its publisher an ACK. */
  readonly acknowledged = new Set<string>()
  readonly hosts = new Map<string, HostFacts>()
  /** Which messages each application has acknowledged. */
  readonly taken = new Map<string, Set<string>>()
  /** Where something changed since the last check. */
  readonly changed = new Set<string>()
  readonly #renames = new Map<string, number>()
  /** Deliveries that some life of a host has read anew when it united two names. */
  readonly #readAnew = new Set<string>()
  readonly #violate: Violate

  constructor(places: readonly Place[], violate: Violate) {
    this.places = new Map(places.map((place) => [place.name, place]))
    this.#violate = violate
    for (const { name, role } of places) {
      if (role === 'instance') this.hosts.set(name, emptyFacts())
      else this.taken.set(name, new Set())
    }
  }

  facts(host: string): HostFacts {
    return this.hosts.get(host) as HostFacts
  }

  opened(host: string): void {
    this.changed.add(host)
  }

  wrote(host: string, { entries, settlements }: Batch, verdicts: readonly StoreVerdict[]): void {
    this.changed.add(host)
    for (const { recipient, seq } of settlements) this.#settle(host, recipient, seq)
    entries.forEach(({ message, recipients }, index) => {
      const verdict = verdicts[index] as StoreVerdict
      const { messageId } = message
      const facts = this.facts(host)
      const known = facts.seqs.has(messageId)
      if (verdict.status === 'duplicate') {
        if (!known) this.#violate('stored before it is a duplicate', `${messageId} at ${host}`)
      } else if (verdict.status !== 'stored') {
        this.#violate('a good message is stored', `${messageId} at ${host} was judged ${JSON.stringify(verdict)}`)
      } else {
        if (known) this.#violate('a message is stored once', `${messageId} at ${host}`)
        facts.seqs.set(messageId, verdict.seq)
        facts.paths.set(messageId, message.path)
        for (const key of recipients) this.#wait(host, key, verdict.seq, messageId)
      }
    })
  }

  saved(host: string, key: RecipientKey, { name }: RecipientRecord): void {
    const { names, waiting } = this.facts(host)
    names.set(key, name)
    if (!waiting.has(key)) waiting.set(key, new Map())
  }

  renamed(host: string, from: string, to: string, key: RecipientKey): void {
    const { names, waiting, paths, settled } = this.facts(host)
    const united = new Map<number, string>()
    for (const [old, name] of [...names]) {
      if (name !== from && name !== to) continue
      for (const [seq, id] of waiting.get(old) ?? []) if (!paths.get(id)?.includes(to)) united.set(seq, id)
      names.delete(old)
      waiting.delete(old)
    }
    names.set(key, to)
    waiting.set(key, united)
    // What waited under the address may have been brought under the id already: it goes once more, and is recognised.
    for (const id of united.values()) settled.delete(`${id} ${to}`)
    this.changed.add(host)
  }

  united(host: string, name: string, key: RecipientKey): void {
    const { life, waiting } = this.facts(host)
    // An acknowledgement that is not on disk yet is forgotten: what it was for goes once more as well.
    for (const id of waiting.get(key)?.values() ?? []) this.#readAnew.add(`${host} ${life} ${name} ${id}`)
    this.#renames.set(`${host} ${name}`, this.renames(host, name) + 1)
  }

  /** Whether it is on disk that a delivery is done, and this life of the host cannot have read it before it was. */
  isSettled(host: string, recipient: string, messageId: string): boolean {
    const { life, settled } = this.facts(host)
    if (this.#readAnew.has(`${host} ${life} ${recipient} ${messageId}`)) return false
    return settled.has(`${messageId} ${recipient}`)
  }

  /** How often a host has united what waited for an address with what waited for the id behind it. */
  renames(host: string, recipient: string): number {
    return this.#renames.get(`${host} ${recipient}`) ?? 0
  }

  forgot(host: string, key: RecipientKey): void {
    this.facts(host).names.delete(key)
    this.facts(host).waiting.delete(key)
  }

  /** Whether a recipient's own facts say that it has the message. */
  has(host: string, recipient: string, messageId: string): boolean {
    if (recipient === '@self') return this.facts(host).applied.has(messageId)
    const name = hostOf(recipient)
    return this.taken.get(name)?.has(messageId) ?? this.facts(name).seqs.has(messageId)
  }

  applied(host: string, messageId: string): void {
    const { applied, life } = this.facts(host)
    applied.set(messageId, (applied.get(messageId) ?? new Set()).add(life))
    this.changed.add(host)
  }

  tookBy(application: string, messageId: string): void {
    this.taken.get(application)?.add(messageId)
    this.changed.add(application)
  }

  /** Whether a message has done at a place what it is for. */
  arrived({ messageId, type }: Publication, { name, role }: Place): boolean {
    if (role === 'client') return this.taken.get(name)?.has(messageId) ?? false
    const { seqs, applied } = this.facts(name)
    return type === APPLIED_TYPE ? applied.has(messageId) : seqs.has(messageId)
  }

  /** Places that the message must reach: who gets live traffic only has no claim. */
  targets(publication: Publication): readonly Place[] {
    return [...this.places.values()].filter(
      (place) => place.durable && place.name !== publication.publisher && isFor(publication, place),
    )
  }

  #wait(host: string, key: RecipientKey, seq: number, messageId: string): void {
    const { waiting, names, paths } = this.facts(host)
    // One that is known by its address only may turn out to be one that the message has passed.
    const name = names.get(key) ?? ''
    if (paths.get(messageId)?.includes(name)) {
      this.#violate('no delivery for whom it has passed', `${messageId} at ${host} for ${name}`)
    }
    const deliveries = waiting.get(key)
    if (deliveries) deliveries.set(seq, messageId)
    else this.#violate('deliveries have a recipient', `${messageId} at ${host} for the unknown ${key}`)
  }

  #settle(host: string, key: RecipientKey, seq: number): void {
    const { waiting, names, settled } = this.facts(host)
    const messageId = waiting.get(key)?.get(seq)
    if (messageId === undefined) return
    const recipient = names.get(key) as string
    waiting.get(key)?.delete(seq)
    settled.add(`${messageId} ${hostOf(recipient)}`)
    if (!this.has(host, recipient, messageId)) {
      this.#violate('a delivery closes when its recipient has it', `${messageId} at ${host} for ${recipient}`)
    }
  }
}

function emptyFacts(): HostFacts {
  return {
    life: 0,
    seqs: new Map(),
    paths: new Map(),
    names: new Map(),
    waiting: new Map(),
    settled: new Set(),
    applied: new Map(),
  }
}
