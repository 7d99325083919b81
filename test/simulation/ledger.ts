import type {
  Batch,
  Death,
  Entry,
  Message,
  RecipientKey,
  RecipientRecord,
  RevivedDelivery,
  StoreVerdict,
} from '../../core/index.ts'
import { copyOf, idOf, stampOf } from './copy.ts'
import type { DiskObserver } from './disk.ts'
import { emptyFacts, type HostFacts } from './host-facts.ts'
import { type Circumstances, isLegal } from './legal-death.ts'
import { APPLIED_TYPE, isFor, type Place, type Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** What is told of a broken promise. */
export type Violate = (invariant: string, detail: string) => void

/** All facts of a run. It watches the disks and hears of acknowledgements; the invariants are about what stands here. */
export class Ledger implements DiskObserver {
  /** Told under which stamp a message came onto a disk. */
  stamped: (publication: Publication, stamp: string) => void = () => {}
  /** Told when a delivery that was dead is one again. */
  begunAnew: (host: string, recipient: string, copy: string) => void = () => {}
  readonly places: ReadonlyMap<string, Place>
  readonly publications = new Map<string, Publication>()
  /** Messages for which some instance has sent its publisher an ACK. */
  readonly acknowledged = new Set<string>()
  readonly hosts = new Map<string, HostFacts>()
  /** Which messages each application has acknowledged. */
  readonly taken = new Map<string, Set<string>>()
  /** Where something changed since the last check. */
  readonly changed = new Set<string>()
  /** How often each recipient has refused each message for now, and which it has refused for good. */
  readonly refusals = new Map<string, number>()
  readonly rejections = new Set<string>()
  readonly #renames = new Map<string, number>()
  /** Recipients that a host knew by address and by id at once, until its disk united the two. */
  readonly #twoNames = new Set<string>()
  /** Deliveries that some life of a host has read anew when it united two names. */
  readonly #readAnew = new Set<string>()
  /** Copies that instances had on disk, and had applied, before they lost their disks. */
  readonly #had = new Map<string, { readonly copies: readonly string[]; readonly applied: readonly string[] }>()
  readonly #keepers: ReadonlySet<string>
  readonly #violate: Violate
  readonly #now: (host: string) => number

  /**
   * @param keepers instances that keep state, and so apply what is written to it
   * @param now what the wall clock of a host says
   */
  constructor(
    { places, keepers }: { readonly places: readonly Place[]; readonly keepers: ReadonlySet<string> },
    violate: Violate,
    now: (host: string) => number,
  ) {
    this.#now = now
    this.#keepers = keepers
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

  wrote(host: string, { entries, settlements, retries, deaths }: Batch, verdicts: readonly StoreVerdict[]): void {
    this.changed.add(host)
    for (const { recipient, seq } of settlements) this.#settle(host, recipient, seq)
    for (const death of deaths) this.#bury(host, death)
    for (const { recipient, seq, attempts } of retries) {
      const delivery = this.#delivery(host, recipient, seq)
      if (delivery !== undefined) this.facts(host).attempts.set(delivery, attempts)
    }
    entries.forEach((entry, index) => {
      this.#judged(host, entry, verdicts[index] as StoreVerdict)
    })
  }

  #judged(host: string, entry: Entry, verdict: StoreVerdict): void {
    const { messageId } = entry.message
    const { copies, scheduled } = this.facts(host)
    const waits = scheduled.has(messageId)
    const isNew = !copies.has(messageId) && (!waits || entry.releases !== undefined)
    if (verdict.status === 'duplicate') {
      if (isNew) this.#violate('stored before it is a duplicate', `${messageId} at ${host}`)
    } else if (verdict.status === 'scheduled') {
      if (!isNew) this.#violate('a message is stored once', `${messageId} at ${host}, scheduled`)
      scheduled.add(messageId)
    } else if (verdict.status === 'stored') {
      if (!isNew) this.#violate('a message is stored once', `${messageId} at ${host}`)
      this.#stored(host, entry.message, verdict.seq, entry.recipients)
    } else if (verdict.status === 'lifted') {
      this.#lifted(host, entry, verdict.seq)
    } else {
      this.#violate('a good message is stored', `${messageId} at ${host} was judged ${JSON.stringify(verdict)}`)
    }
  }

  /** Whoever has a message that writes state takes another copy of it if that has a greater stamp. */
  #lifted(host: string, { message, lifts = [] }: Entry, seq: number): void {
    const { messageId, version = '', type } = message
    const copies = this.facts(host).copies.get(messageId) ?? []
    const isGreater = copies.length > 0 && copies.every((copy) => stampOf(copy) < version)
    if (type === APPLIED_TYPE || !isGreater)
      this.#violate('what is lifted has a greater stamp', `${messageId} at ${host}`)
    this.#stored(host, message, seq, lifts)
  }

  #stored(host: string, message: Message, seq: number, recipients: readonly RecipientKey[]): void {
    const { messageId, originInstanceId, path, version = '' } = message
    const { seqs, copies, paths, scheduled } = this.facts(host)
    const copy = copyOf(message)
    const publication = this.publications.get(messageId)
    if (publication) this.stamped(publication, version)
    if (version.endsWith(`-${host}`) && originInstanceId === host) this.#isLater(host, version)
    if (originInstanceId === host && this.#now(host) < (publication?.notBefore ?? 0)) {
      this.#violate('nothing goes before its time', `${messageId} at ${host}`)
    }
    scheduled.delete(messageId)
    copies.set(messageId, [...(copies.get(messageId) ?? []), copy])
    seqs.set(copy, seq)
    paths.set(copy, path)
    for (const key of recipients) this.#wait(host, key, seq, copy)
  }

  /** An instance goes on behind every stamp of its own that is on disk. */
  #isLater(host: string, stamp: string): void {
    const facts = this.facts(host)
    if (stamp <= facts.lastStamp) this.#violate('stamps go forward', `${host} gives ${stamp} after ${facts.lastStamp}`)
    facts.lastStamp = stamp
  }

  saved(host: string, key: RecipientKey, { name }: RecipientRecord): void {
    const { names, waiting } = this.facts(host)
    names.set(key, name)
    if (!waiting.has(key)) waiting.set(key, new Map())
  }

  renamed(host: string, from: string, to: string, key: RecipientKey): void {
    const { names, waiting, paths, settled, dead } = this.facts(host)
    const united = new Map<number, string>()
    if ([...names.values()].includes(from) && [...names.values()].includes(to)) this.#twoNames.add(`${host} ${to}`)
    for (const [old, name] of [...names]) {
      if (name !== from && name !== to) continue
      for (const [seq, copy] of waiting.get(old) ?? []) if (!paths.get(copy)?.includes(to)) united.set(seq, copy)
      names.delete(old)
      waiting.delete(old)
    }
    names.set(key, to)
    waiting.set(key, united)
    // What waited under the address may have been brought under the id already: it goes once more, and is recognised. Or it
    // had died there, by a clock that was ahead then.
    for (const copy of united.values()) {
      settled.delete(`${copy} ${to}`)
      dead.delete(`${copy} ${to}`)
    }
    this.changed.add(host)
  }

  united(host: string, name: string, key: RecipientKey): void {
    const { life, waiting } = this.facts(host)
    // An acknowledgement that is not on disk yet is forgotten: what it was for goes once more as well.
    for (const copy of waiting.get(key)?.values() ?? []) this.#readAnew.add(`${host} ${life} ${name} ${copy}`)
    this.#renames.set(`${host} ${name}`, this.renames(host, name) + 1)
  }

  /** Whether it is on disk that a delivery is done, and this life of the host cannot have read it before it was. */
  isSettled(host: string, recipient: string, copy: string): boolean {
    const { life, settled } = this.facts(host)
    if (this.#readAnew.has(`${host} ${life} ${recipient} ${copy}`)) return false
    return settled.has(`${copy} ${recipient}`)
  }

  /** How often a host has united what waited for an address with what waited for the id behind it. */
  renames(host: string, recipient: string): number {
    return this.#renames.get(`${host} ${recipient}`) ?? 0
  }

  /** Whether a host knows a recipient by its address and by its id, or did so once. */
  hasTwoNames(host: string, recipient: string): boolean {
    const names = [...this.facts(host).names.values()].filter((name) => hostOf(name) === recipient)
    return names.length > 1 || this.#twoNames.has(`${host} ${recipient}`) || this.renames(host, recipient) > 0
  }

  forgot(host: string, key: RecipientKey): void {
    this.facts(host).names.delete(key)
    this.facts(host).waiting.delete(key)
  }

  forgotBacklog(host: string, key: RecipientKey): void {
    this.facts(host).waiting.get(key)?.clear()
  }

  revived(host: string, deliveries: readonly RevivedDelivery[], letters: number): void {
    const facts = this.facts(host)
    const { waiting, dead, attempts } = facts
    facts.deaths -= letters
    for (const { recipient, seq, message } of deliveries) {
      waiting.get(recipient)?.set(seq, copyOf(message))
      const delivery = this.#delivery(host, recipient, seq) as string
      dead.delete(delivery)
      attempts.delete(delivery)
      this.begunAnew(host, hostOf(facts.names.get(recipient) as string), copyOf(message))
    }
    this.changed.add(host)
  }

  wiped(host: string): void {
    const { life, copies, applied } = this.facts(host)
    const had = this.#had.get(host) ?? { copies: [], applied: [] }
    this.#had.set(host, {
      copies: [...had.copies, ...[...copies.values()].flat()],
      applied: [...had.applied, ...applied.keys()],
    })
    this.hosts.set(host, { ...emptyFacts(), life })
    this.changed.add(host)
  }

  /** Whether a host has nothing left to do for anybody, and has given nothing up. */
  isQuiet(host: string): boolean {
    const { waiting, scheduled, dead } = this.facts(host)
    return scheduled.size + dead.size === 0 && [...waiting.values()].every(({ size }) => size === 0)
  }

  /** A recipient tells a host that it does not take the message: for now, or for good. */
  refused(recipient: string, messageId: string, retryable: boolean): void {
    const refusal = `${messageId} ${recipient}`
    if (retryable) this.refusals.set(refusal, 1 + (this.refusals.get(refusal) ?? 0))
    else this.rejections.add(refusal)
  }

  /** Whether a recipient's own facts say that it has a copy, or had it; or else one with a greater stamp. */
  has(host: string, recipient: string, copy: string): boolean {
    const [name, messageId] = [hostOf(recipient), idOf(copy)]
    if (recipient === '@self') return this.#appliedAt(host).includes(copy)
    if (this.taken.has(name)) return this.taken.get(name)?.has(messageId) ?? false
    const isEnough = this.publications.get(messageId)?.type === APPLIED_TYPE ? '' : stampOf(copy)
    const copies = this.#copiesAt(name, messageId)
    return copies.some((other) => stampOf(other) >= isEnough) || this.facts(name).scheduled.has(messageId)
  }

  /** Whether a host has it, be it that it waits for its time. */
  isOnDisk(host: string, messageId: string): boolean {
    const { copies, scheduled } = this.facts(host)
    return copies.has(messageId) || scheduled.has(messageId)
  }

  applied(host: string, copy: string): void {
    const { applied, life } = this.facts(host)
    applied.set(copy, (applied.get(copy) ?? new Set()).add(life))
    this.changed.add(host)
  }

  tookBy(application: string, messageId: string): void {
    this.taken.get(application)?.add(messageId)
    this.changed.add(application)
  }

  /** Whether a message has done at a place what it is for. */
  arrived({ messageId, type }: Publication, { name, role }: Place): boolean {
    if (role === 'client') return this.taken.get(name)?.has(messageId) ?? false
    if (type !== APPLIED_TYPE && !this.#keepers.has(name)) return this.#copiesAt(name, messageId).length > 0
    return this.#appliedAt(name).some((copy) => idOf(copy) === messageId)
  }

  #copiesAt(host: string, messageId: string): readonly string[] {
    const had = this.#had.get(host)?.copies.filter((copy) => idOf(copy) === messageId) ?? []
    return [...had, ...(this.facts(host).copies.get(messageId) ?? [])]
  }

  #appliedAt(host: string): readonly string[] {
    return [...(this.#had.get(host)?.applied ?? []), ...this.facts(host).applied.keys()]
  }

  /** Places that the message must reach: who gets live traffic only has no claim. */
  targets(publication: Publication): readonly Place[] {
    return [...this.places.values()].filter(
      (place) => place.durable && place.name !== publication.publisher && isFor(publication, place),
    )
  }

  #wait(host: string, key: RecipientKey, seq: number, copy: string): void {
    const { waiting, names, paths } = this.facts(host)
    // One that is known by its address only may turn out to be one that the message has passed.
    const name = names.get(key) ?? ''
    if (paths.get(copy)?.includes(name)) {
      this.#violate('no delivery for whom it has passed', `${copy} at ${host} for ${name}`)
    }
    const deliveries = waiting.get(key)
    if (deliveries) deliveries.set(seq, copy)
    else this.#violate('deliveries have a recipient', `${copy} at ${host} for the unknown ${key}`)
  }

  /** The copy that waits there, and for whom. */
  #delivery(host: string, key: RecipientKey, seq: number): string | undefined {
    const { waiting, names } = this.facts(host)
    const copy = waiting.get(key)?.get(seq)
    return copy === undefined ? undefined : `${copy} ${hostOf(names.get(key) as string)}`
  }

  #bury(host: string, death: Death): void {
    const delivery = this.#delivery(host, death.recipient, death.seq)
    if (delivery === undefined) return
    const facts = this.facts(host)
    if (!isLegal(death, this.#circumstances(host, delivery))) {
      const { reason, attempts } = death
      this.#violate(
        'a delivery dies for a legal reason only',
        `${delivery} at ${host}: ${reason} ${JSON.stringify(attempts)}`,
      )
    }
    facts.waiting.get(death.recipient)?.delete(death.seq)
    facts.dead.add(delivery)
    facts.deaths++
  }

  #circumstances(host: string, delivery: string): Circumstances {
    const [copy = '', recipient] = delivery.split(' ')
    const refusal = `${idOf(copy)} ${recipient}`
    return {
      now: this.#now(host),
      expiresAt: this.publications.get(idOf(copy))?.expiresAt,
      refusals: this.refusals.get(refusal) ?? 0,
      isRejected: this.rejections.has(refusal),
    }
  }

  #settle(host: string, key: RecipientKey, seq: number): void {
    const { waiting, names, settled } = this.facts(host)
    const copy = waiting.get(key)?.get(seq)
    if (copy === undefined) return
    const recipient = names.get(key) as string
    waiting.get(key)?.delete(seq)
    settled.add(`${copy} ${hostOf(recipient)}`)
    if (!this.has(host, recipient, copy)) {
      this.#violate('a delivery closes when its recipient has it', `${copy} at ${host} for ${recipient}`)
    }
  }
}
