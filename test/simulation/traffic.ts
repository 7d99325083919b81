import { type Attempts, MAX_PATH_LENGTH } from '../../core/index.ts'
import { copyOf, idOf } from './copy.ts'
import type { Ledger } from './ledger.ts'
import { isFor, type Place, type Publication } from './publication.ts'
import { MAX_TURN_MS } from './runtime.ts'
import type { StrictOrder } from './strict-order.ts'
import type { End, WireObserver } from './wire.ts'
import type { World } from './world.ts'

const REQUESTS = new Set(['GK', 'GA', 'GW'])
/** What instances say of themselves, or answer. */
const UNSTORED = new Set(['HELLO', 'SYNC', 'REPLY'])

interface Frame {
  readonly type: string
  readonly messageId?: string
  readonly version?: string
  readonly sourceInstanceId?: string
  readonly messagePath?: readonly string[]
  readonly retryable?: boolean
  readonly code?: string
}

/** Reads along on every wire, and holds each frame against what the instances durably know. */
export class Traffic implements WireObserver {
  /** Told when an instance has told a publisher that its message is safe. */
  acknowledged: (publication: Publication) => void = () => {}
  /** Where the type that all instances handle is strict: its order. */
  strictOrder: StrictOrder | undefined
  readonly #world: World
  readonly #ledger: Ledger
  /** On which wire each message went how often. */
  readonly #sends = new Map<string, number>()
  /** How often each delivery may go again, because it was due. */
  readonly #due = new Map<string, number>()
  /** Recipients to which some type was not sent for a while, and deliveries that had failed then. */
  readonly #held = new Set<string>()
  /** What must be counted on disk of each delivery that failed, before it goes again. */
  readonly #failures = new Map<string, Attempts>()
  /** Deliveries that some life of an instance knows to be done, and since when. */
  readonly #done = new Map<string, number>()
  /** The last place in the sender's store from which something went over each wire for the first time. */
  readonly #places = new Map<string, number>()
  /** Deliveries that were dead once: what was sent meanwhile may have overtaken them. */
  readonly #revived = new Set<string>()
  /** Over which connections each message was published. */
  readonly #entries = new Map<string, Set<string>>()
  /** Frames that brought messages from instance to instance, by message. */
  readonly #hops = new Map<string, number>()

  constructor(world: World, ledger: Ledger) {
    this.#world = world
    this.#ledger = ledger
    ledger.begunAnew = (host, recipient, copy) => this.#begunAnew(host, recipient, copy)
  }

  sent(end: End, text: string): void {
    const frame = JSON.parse(text) as Frame
    const publication = this.#ledger.publications.get(frame.messageId ?? '')
    if (!this.#ledger.hosts.has(end.host)) this.#sentByClient(end, frame)
    else if (frame.type === 'ACK') this.#sentAcknowledgement(end, frame, publication)
    else if (frame.type === 'NACK') this.#sentRefusal(end, frame)
    else if (publication) this.#sentMessage(end, frame, text, publication)
    else if (REQUESTS.has(frame.type)) this.#wayIsSound(end, frame)
    else if (!UNSTORED.has(frame.type)) this.#violate('nothing is made up', `${end.host} sends ${text.slice(0, 200)}`)
  }

  /** Who is busy gets it again without a failure that is counted: once for each time that this is heard. */
  received(end: End, text: string): void {
    const sender = this.#other(end)
    if (this.#ledger.hosts.has(sender) || !text.includes('"BUSY"')) return
    const { messageId = '' } = JSON.parse(text) as Frame
    for (const copy of this.#ledger.facts(end.host).copies.get(messageId) ?? []) this.due(end.host, sender, copy)
  }

  /** The bus at a host means to send a delivery again. */
  due(host: string, recipient: string, copy: string): void {
    const delivery = `${host} ${recipient} ${copy}`
    this.#due.set(delivery, (this.#due.get(delivery) ?? 0) + 1)
  }

  /** The bus at a host means to send a delivery again, or to give it up, after a failure that must be counted first. */
  failed(host: string, recipient: string, copy: string, attempts: Attempts): void {
    this.#failures.set(`${this.#era(host, recipient)} ${copy}`, attempts)
    this.due(host, recipient, copy)
  }

  /** A delivery failed at a host, and nothing is counted: its type is not sent to that recipient for now, and then goes again. */
  held(host: string, recipient: string, copy: string): void {
    const type = this.#ledger.publications.get(idOf(copy))?.type
    this.#held.add(`${host} ${recipient}`).add(`${host} ${recipient} ${copy}`).add(`${host} ${recipient} of ${type}`)
    this.due(host, recipient, copy)
  }

  /** The bus at a host knows that a delivery is done. */
  done(host: string, recipient: string, copy: string): void {
    const delivery = `${this.#era(host, recipient)} ${copy}`
    if (!this.#done.has(delivery)) this.#done.set(delivery, this.#world.now)
  }

  /** Most hops that any one message made. */
  get mostHops(): number {
    return Math.max(0, ...this.#hops.values())
  }

  /** It has no failures, and goes once more. */
  #begunAnew(host: string, recipient: string, copy: string): void {
    this.#revived.add(`${host} ${recipient} ${copy}`)
    this.#failures.delete(`${this.#era(host, recipient)} ${copy}`)
    this.due(host, recipient, copy)
  }

  #sentByClient(end: End, frame: Frame): void {
    const { type, messageId = '', code, retryable = false } = frame
    if (type === 'NACK' && code !== 'BUSY') this.#ledger.refused(end.host, messageId, retryable)
    if (type === 'ACK' || type === 'NACK') return
    this.#entries.set(messageId, (this.#entries.get(messageId) ?? new Set()).add(end.address))
  }

  #sentAcknowledgement(end: End, { messageId = '' }: Frame, publication: Publication | undefined): void {
    if (!this.#ledger.isOnDisk(end.host, messageId)) {
      this.#violate('durable before it is acknowledged', `${messageId} by ${end.host}`)
    }
    if (publication && publication.publisher === this.#other(end)) this.acknowledged(publication)
  }

  #sentRefusal(end: End, { messageId = '', code, retryable = false }: Frame): void {
    this.#ledger.refused(end.host, messageId, retryable)
    // A request that was doubled on its way is refused the second time.
    if (!retryable && this.#ledger.publications.has(messageId))
      this.#violate('a good message is not refused', `${messageId} by ${end.host}: ${code}`)
  }

  #sentMessage(end: End, frame: Frame, text: string, publication: Publication): void {
    if (publication.value !== undefined && !text.includes(`"value":${publication.value}`)) {
      this.#violate('a text stays as it was', `${publication.messageId} by ${end.host}`)
    }
    this.#wayIsSound(end, frame)
    const place = this.#ledger.places.get(this.#other(end))
    if (place?.role === 'client' && !isFor(publication, place)) {
      this.#violate('only for those whom it targets', `${publication.messageId} to ${place.name}`)
    }
    if (place?.name === publication.publisher && this.#isKnownAsPublisher(end, place, publication)) {
      this.#violate('never back to its publisher', `${publication.messageId} to ${place.name}`)
    }
    if (place?.role === 'instance')
      this.#hops.set(publication.messageId, 1 + (this.#hops.get(publication.messageId) ?? 0))
    this.#onlyWhatIsOpen(
      end,
      publication,
      copyOf({ messageId: publication.messageId, version: frame.version }),
      place?.durable ?? false,
    )
  }

  /** One without a name is known by its connection, and by nothing once it has published over another one as well. */
  #isKnownAsPublisher({ address }: End, { durable }: Place, { messageId }: Publication): boolean {
    const entries = this.#entries.get(messageId) ?? new Set()
    return durable || (entries.size === 1 && entries.has(address))
  }

  /** Paths have no repetitions and lead to nobody who stands in them. */
  #wayIsSound(end: End, { messageId, messagePath = [], sourceInstanceId }: Frame): void {
    const detail = `${messageId} from ${end.host} to ${this.#other(end)}, path ${messagePath}`
    if (new Set(messagePath).size < messagePath.length) this.#violate('no loop', detail)
    if (messagePath.includes(this.#other(end))) this.#violate('nobody gets what has passed it', detail)
    if (messagePath.length > MAX_PATH_LENGTH) this.#violate('at most 16 hops', detail)
    if (messagePath.at(-1) !== end.host || sourceInstanceId !== end.host) this.#violate('the path is true', detail)
  }

  /** What is sent is durable here and not done; and on one connection it goes once, unless it was due again. */
  #onlyWhatIsOpen(end: End, publication: Publication, copy: string, durable: boolean): void {
    const recipient = this.#other(end)
    const { dead } = this.#ledger.facts(end.host)
    const detail = `${copy} from ${end.host} to ${recipient} on ${end.address}`
    const seq = this.#ledger.facts(end.host).seqs.get(copy)
    if (seq === undefined) {
      this.#violate('durable before it is sent on', detail)
      return
    }
    if (dead.has(`${copy} ${recipient}`)) this.#violate('what is dead is not sent again', detail)
    this.#isNotDone(end.host, recipient, copy, detail)
    const onWire = `${this.#era(end.host, recipient)} ${end.address} ${copy}`
    const sends = (this.#sends.get(onWire) ?? 0) + 1
    this.#sends.set(onWire, sends)
    if (durable) this.#isAlone(end, publication, copy)
    this.#isCounted(end.host, recipient, copy, detail)
    if (sends > 1) this.#wasDue(end.host, recipient, copy, detail)
    else if (durable && !this.#hasFailed(end.host, recipient, copy)) this.#inOrder(end, seq, publication, detail)
  }

  /** What goes out in one turn does so at its end, though an acknowledgement may have come in meanwhile. */
  #isNotDone(host: string, recipient: string, copy: string, detail: string): void {
    const doneAt = this.#done.get(`${this.#era(host, recipient)} ${copy}`)
    if (doneAt !== undefined && this.#world.now - doneAt <= MAX_TURN_MS) return
    if (doneAt !== undefined) this.#violate('what is done is not sent again', `${detail}, acknowledged`)
    if (!this.#ledger.isSettled(host, recipient, copy)) return
    this.#violate('what is done is not sent again', `${detail}, settled`)
  }

  /** One that was replayed was overtaken, and overtakes. */
  #isAlone(end: End, publication: Publication, copy: string): void {
    const [host, recipient] = [end.host, this.#other(end)]
    const era = this.#era(host, recipient)
    if (this.#revived.has(`${host} ${recipient} ${copy}`)) return
    this.strictOrder?.goes(
      { host, recipient, copy, publication },
      (other) => this.#done.has(`${era} ${other}`) || this.#revived.has(`${host} ${recipient} ${other}`),
      (other) => this.#sends.has(`${era} ${end.address} ${other}`),
    )
  }

  /** At a host itself, a message is handled now. */
  handled(host: string, publication: Publication, copy: string): void {
    if (this.#revived.has(`${host} @self ${copy}`)) return
    const { life, applied } = this.#ledger.facts(host)
    this.strictOrder?.goes(
      { host, recipient: '@self', copy, publication },
      (other) => (applied.get(other)?.has(life) ?? false) || this.#revived.has(`${host} @self ${other}`),
      () => false,
    )
  }

  #isCounted(host: string, recipient: string, copy: string, detail: string): void {
    const failures = this.#failures.get(`${this.#era(host, recipient)} ${copy}`)
    if (!failures) return
    const onDisk = this.#ledger.facts(host).attempts.get(`${copy} ${recipient}`)
    const { nacks = 0, timeouts = 0, disconnects = 0 } = onDisk ?? {}
    if (nacks >= failures.nacks && timeouts >= failures.timeouts && disconnects >= failures.disconnects) return
    this.#violate('a failure is counted on disk before the next attempt', detail)
  }

  #wasDue(host: string, recipient: string, copy: string, detail: string): void {
    const delivery = `${host} ${recipient} ${copy}`
    const due = this.#due.get(delivery) ?? 0
    if (due === 0) this.#violate('sent once, unless it was due again', detail)
    this.#due.set(delivery, due - 1)
  }

  #hasFailed(host: string, recipient: string, copy: string): boolean {
    const { attempts } = this.#ledger.facts(host)
    const delivery = `${host} ${recipient} ${copy}`
    return attempts.has(`${copy} ${recipient}`) || this.#held.has(delivery) || this.#revived.has(delivery)
  }

  /**
   * Other types pass one that is not sent for now; and where there are priorities, other keys. Where keys of one type go one
   * at a time, both.
   */
  #inOrder(end: End, seq: number, { type, priority, key }: Publication, detail: string): void {
    // The probe of a type that is held may be one behind others.
    if (this.#held.has(`${end.host} ${this.#other(end)} of ${type}`)) return
    const isStrict = this.strictOrder !== undefined
    const types = isStrict || this.#held.has(`${end.host} ${this.#other(end)}`) ? type : 'all types'
    const keys = isStrict || priority !== undefined ? key : 'all keys'
    const wire = `${this.#era(end.host, this.#other(end))} ${end.address} ${types} ${keys}`
    if (seq < (this.#places.get(wire) ?? 0)) this.#violate('first sends keep their order', detail)
    this.#places.set(wire, seq)
  }

  /** A life of a host; for one recipient, it begins anew when two of its names turn out to be one. */
  #era(host: string, recipient: string): string {
    return `${host} ${this.#ledger.facts(host).life} ${recipient} ${this.#ledger.renames(host, recipient)}`
  }

  #other(end: End): string {
    return end.wire.other(end).host
  }

  #violate(invariant: string, detail: string): void {
    this.#world.violate(invariant, detail)
  }
}
