import type {
  Attempts,
  Batch,
  Death,
  Entry,
  RecipientKey,
  RecipientRecord,
  RevivedDelivery,
  StoreVerdict,
} from '../../core/index.ts'
import type { DiskObserver } from './disk.ts'
import { APPLIED_TYPE, isFor, type Place, type Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** The rules of §6 of the protocol, with default settings. */
const MAX_FAILURES = 3
const POISON_DISCONNECTS = 20

/** What one instance durably knows, kept beside its disk by somebody who makes no mistakes. */
export interface HostFacts {
  /** Which of its lives this is: a crash ends one. */
  life: number
  /** Place of each message that is on its disk. */
  readonly seqs: Map<string, number>
  /** Messages that are on its disk and wait for their time. */
  readonly scheduled: Set<string>
  readonly paths: Map<string, readonly string[]>
  readonly names: Map<RecipientKey, string>
  /** Deliveries that are not settled: by recipient, the id of the message at each place. */
  readonly waiting: Map<RecipientKey, Map<number, string>>
  /** Deliveries of which it is on disk that they are done. */
  readonly settled: Set<string>
  /** Deliveries of which it is on disk that they are dead letters. */
  readonly dead: Set<string>
  /** How often a delivery of it died. */
  deaths: number
  /** Failures of deliveries that are counted on disk. */
  readonly attempts: Map<string, Attempts>
  /** In which of its lives it has applied each message. */
  readonly applied: Map<string, Set<number>>
}

/** What is told of a broken promise. */
export type Violate = (invariant: string, detail: string) => void

/** All facts of a run. It watches the disks and hears of acknowledgements; the invariants are about what stands here. */
export class Ledger implements DiskObserver {
  /** Told when a delivery that was dead is one again. */
  begunAnew: (host: string, recipient: string, messageId: string) => void = () => {}
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
  readonly #violate: Violate
  readonly #now: (host: string) => number

  /** @param now what the wall clock of a host says */
  constructor(places: readonly Place[], violate: Violate, now: (host: string) => number) {
    this.#now = now
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
    const { seqs, scheduled } = this.facts(host)
    const waits = scheduled.has(messageId)
    const isNew = !seqs.has(messageId) && (!waits || entry.releases !== undefined)
    if (verdict.status === 'duplicate') {
      if (isNew) this.#violate('stored before it is a duplicate', `${messageId} at ${host}`)
    } else if (verdict.status === 'scheduled') {
      if (!isNew) this.#violate('a message is stored once', `${messageId} at ${host}, scheduled`)
      scheduled.add(messageId)
    } else if (verdict.status === 'stored') {
      if (!isNew) this.#violate('a message is stored once', `${messageId} at ${host}`)
      this.#stored(host, entry, verdict.seq)
    } else {
      this.#violate('a good message is stored', `${messageId} at ${host} was judged ${JSON.stringify(verdict)}`)
    }
  }

  #stored(host: string, { message, recipients }: Entry, seq: number): void {
    const { messageId, originInstanceId, path } = message
    const { seqs, paths, scheduled } = this.facts(host)
    const { notBefore = 0 } = this.publications.get(messageId) ?? {}
    if (originInstanceId === host && this.#now(host) < notBefore) {
      this.#violate('nothing goes before its time', `${messageId} at ${host}`)
    }
    scheduled.delete(messageId)
    seqs.set(messageId, seq)
    paths.set(messageId, path)
    for (const key of recipients) this.#wait(host, key, seq, messageId)
  }

  saved(host: string, key: RecipientKey, { name }: RecipientRecord): void {
    const { names, waiting } = this.facts(host)
    names.set(key, name)
    if (!waiting.has(key)) waiting.set(key, new Map())
  }

  renamed(host: string, from: string, to: string, key: RecipientKey): void {
    const { names, waiting, paths, settled } = this.facts(host)
    const united = new Map<number, string>()
    if ([...names.values()].includes(from) && [...names.values()].includes(to)) this.#twoNames.add(`${host} ${to}`)
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
      waiting.get(recipient)?.set(seq, message.messageId)
      const delivery = this.#delivery(host, recipient, seq) as string
      dead.delete(delivery)
      attempts.delete(delivery)
      this.begunAnew(host, hostOf(facts.names.get(recipient) as string), message.messageId)
    }
    this.changed.add(host)
  }

  /** A recipient tells a host that it does not take the message: for now, or for good. */
  refused(recipient: string, messageId: string, retryable: boolean): void {
    const refusal = `${messageId} ${recipient}`
    if (retryable) this.refusals.set(refusal, 1 + (this.refusals.get(refusal) ?? 0))
    else this.rejections.add(refusal)
  }

  /** Whether a recipient's own facts say that it has the message. */
  has(host: string, recipient: string, messageId: string): boolean {
    if (recipient === '@self') return this.facts(host).applied.has(messageId)
    const name = hostOf(recipient)
    return this.taken.get(name)?.has(messageId) ?? this.isOnDisk(name, messageId)
  }

  /** Whether a host has it, be it that it waits for its time. */
  isOnDisk(host: string, messageId: string): boolean {
    const { seqs, scheduled } = this.facts(host)
    return seqs.has(messageId) || scheduled.has(messageId)
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

  /** The id of the message that waits there, and for whom. */
  #delivery(host: string, key: RecipientKey, seq: number): string | undefined {
    const { waiting, names } = this.facts(host)
    const messageId = waiting.get(key)?.get(seq)
    return messageId === undefined ? undefined : `${messageId} ${hostOf(names.get(key) as string)}`
  }

  #bury(host: string, death: Death): void {
    const delivery = this.#delivery(host, death.recipient, death.seq)
    if (delivery === undefined) return
    const facts = this.facts(host)
    if (!this.#isLegal(host, delivery, death)) {
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

  #isLegal(host: string, delivery: string, { reason, attempts: { nacks, timeouts, disconnects } }: Death): boolean {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.publications.get(delivery.split(' ')[0] as string) ?? {}
    if (reason === 'EXPIRED') return expiresAt <= this.#now(host)
    if (reason === 'REJECTED') return this.rejections.has(delivery)
    if (reason === 'POISON') return disconnects >= POISON_DISCONNECTS
    if (reason !== 'ATTEMPTS_EXHAUSTED') return false
    return nacks + timeouts > MAX_FAILURES && nacks <= (this.refusals.get(delivery) ?? 0)
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
    scheduled: new Set(),
    paths: new Map(),
    names: new Map(),
    waiting: new Map(),
    settled: new Set(),
    dead: new Set(),
    deaths: 0,
    attempts: new Map(),
    applied: new Map(),
  }
}
