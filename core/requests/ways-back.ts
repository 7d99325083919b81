import type { Arrival, DeadLettered } from '../events.ts'
import type { Hooks } from '../hooks.ts'
import type { Link } from '../links.ts'
import { isId } from '../protocol/fields.ts'
import type { Received } from '../protocol/received.ts'
import { DurableRecipient, type Recipient } from '../recipient.ts'
import type { Recipients } from '../recipients.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { StoreVerdict } from '../store.ts'
import type { TypeRegistry } from '../type-registry.ts'
import { type Outcome, outcomeFrame, printOutcome, readOutcome, type Told } from './outcome.ts'
import { Unsent } from './unsent.ts'

/** What plugins say of messages that are answered. */
export type Outcomes = Pick<WaysBack, 'again' | 'answer' | 'heard'>

/** Ways that are remembered at once. Beyond that the oldest is forgotten, and what comes back by it is dropped. */
const MAX_WAYS = 10_000
/** How long after the time of a message is over something may still come of it, in milliseconds: it began in time. */
const AFTER_EXPIRY_MS = 10 * 60_000
/** How long the way of a message without an end is remembered, in milliseconds. */
const WITHOUT_EXPIRY_MS = 24 * 60 * 60_000

export interface WaysContext {
  readonly instanceId: string
  readonly hooks: Hooks
  readonly runtime: Runtime
  readonly types: TypeRegistry
  readonly recipients: Recipients
}

/** The way back of one message. */
interface Way {
  readonly messageId: string
  /** Who sent it here, and is told. */
  asker: Link
  /** Of whom something is still awaited: neighbours with everybody behind them, and this instance. */
  readonly open: Set<Recipient>
  /** The only instance that it is for: its outcome is the last one then. */
  readonly target: string | undefined
  readonly until: number
  isOver: boolean
  /** By whose outcomes were told: the errors among them, which may be kept by nobody, and undefined for all others. */
  readonly told: Map<string, string | undefined>
  /** Why nothing came of it, when nothing has, and who says so. */
  nothing: { readonly instanceId?: string | undefined; readonly outcome: string }
}

/** What came of a message at an instance, and is kept there. */
export interface Kept {
  readonly instanceId: string
  readonly outcome: Outcome
}

/** A message on whose outcome an instance reports, and who passed it on, if nobody here remembers. */
export interface Answered {
  readonly messageId: string
  readonly via: string | undefined
}

/**
 * The ways back of stored messages whose type declares that they are answered: each goes to where its message came from first.
 * What comes of one, at this instance or behind a neighbour, is passed on as it comes; `complete` is said once everybody to whom
 * the message went has said so. In memory only: what gets lost, whoever publishes the message again is told.
 */
export class WaysBack {
  readonly #context: WaysContext
  readonly #ways = new Map<string, Way>()
  readonly #unsent = new Unsent()

  constructor(context: WaysContext) {
    this.#context = context
    context.hooks.deadLetter.tap('kernel', (dead) => this.#givenUp(dead))
    context.hooks.linkUp.tap('kernel', (link) => {
      for (const frame of this.#unsent.take(link.peer)) link.send(frame, 'control')
    })
  }

  /** A message was stored, and is on its way to whom it is for. */
  opened(arrival: Arrival): void {
    const way = this.#open(arrival)
    if (way) this.#conclude(way)
  }

  /** The same, of those in a group that were stored. */
  openedBy(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): void {
    arrivals.forEach((arrival, index) => {
      if (verdicts[index]?.status === 'stored') this.opened(arrival)
    })
  }

  /** Those that were stored before go no further, but whoever sends one may be told what came of the first. */
  repeatedBy(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): void {
    arrivals.forEach((arrival, index) => {
      if (verdicts[index]?.status === 'duplicate' && arrival.received) this.repeated(arrival.received, arrival)
    })
  }

  /** A message came in again. A client is told from now on; an instance that is not on its way has nothing to wait for here. */
  repeated(received: Received, arrival?: Arrival): void {
    const { sender } = received
    const messageId = received.string('messageId')
    if (messageId === undefined || !this.#context.types.isAnswered(received.type)) return
    const way = this.#at(messageId) ?? (arrival && this.#open(arrival))
    if (way && (sender.role === 'client' || isSame(way.asker.recipient, sender.recipient))) way.asker = sender
    else if (sender.role === 'instance') this.#send(sender, { messageId, complete: true })
  }

  /** A neighbour says what came of a message there or behind it. Returns whether that was awaited of it. */
  heard(received: Received): boolean {
    const way = this.#at(received.string('correlationId') ?? '')
    const branch = way && [...way.open].find((one) => isSame(one, received.sender.recipient))
    if (!way || !branch) return false
    const { complete = true } = received.body as { complete?: boolean }
    if (complete) way.open.delete(branch)
    const outcome = readOutcome(received)
    if (outcome === undefined) this.#conclude(way)
    else this.#tell(way, outcome, whoseOutcome(received))
    return true
  }

  /** What came of a message at this instance; undefined: nothing, it is another one's. */
  answer({ messageId, via }: Answered, outcome: Outcome | undefined): void {
    const { instanceId, recipients } = this.#context
    const way = this.#at(messageId)
    if (way) {
      way.open.delete(recipients.self)
      if (outcome === undefined) this.#conclude(way)
      else this.#tell(way, printOutcome(outcome), instanceId)
    } else if (outcome !== undefined && via !== undefined) {
      // Nobody remembers to whom else it went: that this is all cannot be said.
      this.#sendTo(
        via,
        outcomeFrame({ messageId, instanceId, outcome: printOutcome(outcome), complete: false }, instanceId),
      )
    }
  }

  /**
   * Tells whoever asks for a message again, on that link, what is kept of it by those who could be reached. `isAll`: none of them
   * still has to do with it. When not all can be reached of whom an outcome was told before, it is not complete.
   */
  again(link: Link, messageId: string, kept: readonly Kept[], isAll: boolean): void {
    const way = this.#at(messageId)
    const known = new Map(kept.map(({ instanceId, outcome }) => [instanceId, printOutcome(outcome)]))
    for (const [id, error] of way?.told ?? []) if (error !== undefined && !known.has(id)) known.set(id, error)
    for (const [id, outcome] of known) this.#note(way, id, outcome)
    const isComplete = isAll && way?.isOver === true && [...way.told.keys()].every((id) => known.has(id))
    const last = [...known.keys()].at(-1)
    for (const [instanceId, outcome] of known) {
      const complete = instanceId === way?.target || (isComplete && instanceId === last)
      this.#send(link, { messageId, instanceId, outcome, complete })
    }
    if (isComplete && known.size === 0) this.#send(link, { messageId, ...way?.nothing, complete: true })
  }

  #open({ received, message, route }: Arrival): Way | undefined {
    const { types, runtime } = this.#context
    if (!received || !types.isAnswered(message.type)) return undefined
    const { messageId, expiresAt, targetInstanceId } = message
    const until = expiresAt === undefined ? runtime.now() + WITHOUT_EXPIRY_MS : expiresAt + AFTER_EXPIRY_MS
    const open = new Set(route.recipients.filter(({ role }) => role !== 'client'))
    const way: Way = {
      ...{ messageId, asker: received.sender, open, target: targetInstanceId, until },
      ...{ isOver: false, told: new Map(), nothing: { outcome: NOBODY } },
    }
    this.#ways.set(messageId, way)
    const [oldest] = this.#ways.keys()
    if (this.#ways.size > MAX_WAYS && oldest !== undefined) this.#ways.delete(oldest)
    return way
  }

  #at(messageId: string): Way | undefined {
    const way = this.#ways.get(messageId)
    if (!way || way.until > this.#context.runtime.now()) return way
    this.#ways.delete(messageId)
    return undefined
  }

  /** What is for one instance comes to nothing elsewhere only if it comes to nothing everywhere. */
  #tell(way: Way, outcome: string, instanceId: string | undefined): void {
    const { messageId, asker, open, target } = way
    if (way.isOver) return
    if (target !== undefined && instanceId !== target) {
      way.nothing = { instanceId, outcome }
      this.#conclude(way)
      return
    }
    this.#note(way, instanceId, outcome)
    way.isOver ||= open.size === 0
    this.#send(asker, { messageId, instanceId, outcome, complete: way.isOver })
  }

  #note(way: Way | undefined, instanceId: string | undefined, outcome: string): void {
    way?.told.set(instanceId ?? '', outcome.startsWith('"error"') ? outcome : undefined)
    if (way && instanceId !== undefined && instanceId === way.target) way.isOver = true
  }

  /** When nothing more is awaited: says so, and why nothing came of it. A client learns as well that there was nobody at all. */
  #conclude(way: Way): void {
    const { messageId, asker, open, told, nothing } = way
    if (way.isOver || open.size > 0) return
    way.isOver = true
    const isTold = told.size === 0 && (asker.role === 'client' || nothing.outcome !== NOBODY)
    this.#send(asker, { messageId, ...(isTold && nothing), complete: true })
  }

  /** A delivery was given up: behind that recipient, nothing comes of the message. */
  #givenUp({ recipient, message, reason }: DeadLettered): void {
    const way = this.#at(message.messageId)
    const branch = way && [...way.open].find((one) => isSame(one, recipient))
    if (!way || !branch) return
    way.open.delete(branch)
    const name = recipient.role === 'self' ? this.#context.instanceId : recipient.name
    this.#tell(way, reason === 'EXPIRED' ? EXPIRED : UNDELIVERED, isId(name) ? name : undefined)
  }

  #send(link: Link, told: Told): void {
    const frame = outcomeFrame(told, this.#context.instanceId)
    const { recipient } = link
    if (recipient instanceof DurableRecipient) this.#sendTo(current(recipient).name, frame)
    else link.send(frame, 'control')
  }

  /** On the link that it has now; when it has none, as soon as it has one again. */
  #sendTo(name: string, frame: string): void {
    const { link } = this.#context.recipients.durable(name) ?? {}
    if (link) link.send(frame, 'control')
    else this.#unsent.keep(name, frame)
  }
}

const NOBODY = printOutcome({
  error: {
    code: 'NO_RESPONDERS',
    message: 'no instance that it is for is reachable; check tags, target and links',
  },
})
const EXPIRED = printOutcome({
  error: { code: 'EXPIRED', message: 'its time was over before it could be handled' },
})
const UNDELIVERED = printOutcome({
  error: { code: 'UNDELIVERED', message: 'it could not be delivered; see the dead letters of the instance' },
})

/** Whose outcome a REPLY tells: whoever does not say so tells its own. */
function whoseOutcome(received: Received): string | undefined {
  const name = received.string('instanceId') ?? received.sender.peer
  return isId(name) ? name : undefined
}

/** A peer that was known by its URL may have turned out to be one that was known by its id. */
function current(recipient: DurableRecipient): DurableRecipient {
  return recipient.successor ?? recipient
}

function isSame(one: Recipient | undefined, other: Recipient | undefined): boolean {
  const now = one instanceof DurableRecipient ? current(one) : one
  return now !== undefined && now === other
}
