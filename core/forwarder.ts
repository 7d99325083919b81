import type { Applier } from './applier.ts'
import type { AtOnce } from './at-once.ts'
import type { Arrival } from './events.ts'
import type { Message } from './message.ts'
import { DEFAULT_PRIORITY } from './protocol/fields.ts'
import { type DurableRecipient, isStored, LiveRecipient, type Recipient, type StoredRecipient } from './recipient.ts'
import type { Recipients } from './recipients.ts'
import { Route } from './route.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Attempts, Entry, Joining, PendingDelivery, RecipientKey, StoreVerdict } from './store.ts'
import { toStored } from './stored-message.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface ForwarderContext {
  readonly instanceId: string
  readonly recipients: Recipients
  readonly types: TypeRegistry
  readonly applier: Applier
  readonly atOnce: AtOnce
  readonly runtime: Runtime
}

/** Of a delivery that has not failed yet. */
const NO_ATTEMPTS: Attempts = Object.freeze({ sends: 0, nacks: 0, timeouts: 0, disconnects: 0 })

/** Takes what has become durable to whom it is for. */
export class Forwarder {
  readonly #context: ForwarderContext

  constructor(context: ForwarderContext) {
    this.#context = context
  }

  /** Everyone but the sender, as the starting point of a route. */
  candidates(message: Message, sender: Recipient | undefined): Route {
    const others = this.#context.recipients.connectedOrDurable()
    const self = this.#selfFor(message.type)
    const all = new Route(self ? [self, ...others] : others)
    return all.without('sender', (recipient) => recipient === sender)
  }

  /** Throws a `ProtocolFault` when there is no room for what this route leads to. */
  assertRoom({ recipients }: Route): void {
    this.#context.recipients.unknownTypes.assertRoom(recipients)
  }

  /** What is to be stored, with a delivery for each recipient. Whoever the store does not know yet is made known to it. */
  async entries(arrivals: readonly Arrival[]): Promise<readonly Entry[]> {
    const { types, recipients } = this.#context
    for (const { message, route } of arrivals) {
      if (!types.knows(message.type)) await recipients.unknownTypes.prepare(route.recipients)
    }
    return arrivals.map((arrival) => {
      const { message, route, releases } = arrival
      const durable = [...present(route, message)].filter(isStored)
      const lifts = this.#lifts(arrival, durable)
      return { message, recipients: keysOf(durable), lifts, joins: this.#joins(message, durable), releases }
    })
  }

  /** Hands the stored ones to their recipients' outboxes, then lets each send what its window allows. */
  forward(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): void {
    const touched = new Set<StoredRecipient>()
    const now = this.#context.runtime.now()
    arrivals.forEach(({ message, route }, index) => {
      const verdict = verdicts[index] as StoreVerdict
      if (verdict.status !== 'stored' && verdict.status !== 'lifted') return
      const { seq, lanes } = verdict
      const stored = toStored(message, seq, now)
      const delivery = { seq, lane: DEFAULT_PRIORITY, message: stored, attempts: NO_ATTEMPTS, dueAt: 0 }
      for (const recipient of present(route, message)) {
        if (!awaits(recipient, verdict)) continue
        const lane = lanes?.get(recipient.key as RecipientKey)
        this.#offer(recipient, lane === undefined ? delivery : { ...delivery, lane }, touched)
      }
    })
    for (const { outbox } of touched) outbox.pump()
    this.#context.atOnce.tell(arrivals, verdicts)
  }

  /** What of the message can be applied as it is stored. */
  #joins(message: Message, durable: readonly StoredRecipient[]): Joining | undefined {
    const { recipients, atOnce } = this.#context
    if (!durable.includes(recipients.self)) return undefined
    const delta = atOnce.deltaOf(message)
    return delta && { recipient: recipients.self.key, delta }
  }

  /**
   * For whom a message is that is known here with a lesser version: a publisher that got no answer has sent it through
   * another instance too. A stamp that was given here just now says nothing about a repetition; nor does any where no state
   * is made of the messages, as far as is known.
   */
  #lifts({ received, message }: Arrival, durable: readonly StoredRecipient[]): readonly RecipientKey[] | undefined {
    const { types } = this.#context
    if (message.version === undefined || (received?.entersHere && !received.members.has('version'))) return undefined
    if (types.knows(message.type) && !types.keepsState(message.type)) return undefined
    return keysOf(durable.filter(keepsState))
  }

  /** This instance itself, if it can apply the type, or may be able to one day. */
  #selfFor(type: string): Recipient | undefined {
    const { recipients, types, applier } = this.#context
    if (!types.knows(type)) return recipients.unknownTypes.recipientOf(type)
    return applier.applies(type) ? recipients.self : undefined
  }

  #offer(recipient: Recipient, delivery: PendingDelivery, touched: Set<StoredRecipient>): void {
    if (recipient instanceof LiveRecipient) {
      recipient.link.sendLive(delivery.message)
    } else if (isStored(recipient)) {
      recipient.outbox.offer(delivery)
      touched.add(recipient)
    }
  }
}

function keysOf(recipients: readonly StoredRecipient[]): readonly RecipientKey[] {
  return recipients.map(({ key }) => key)
}

/** Whether a delivery is for the recipient: what is lifted is for some, and what was joined is done with here. */
function awaits(recipient: Recipient, verdict: StoreVerdict): boolean {
  if (verdict.status === 'lifted') return keepsState(recipient)
  return recipient.role !== 'self' || verdict.status !== 'stored' || verdict.joined === undefined
}

/** Whoever makes a state of messages: clients handle each once, whatever its version. */
function keepsState({ role }: Recipient): boolean {
  return role !== 'client'
}

/**
 * Whom a route leads to by now, each once: while a message is routed, a peer that is known by its URL may turn out to be
 * one that is known by its id, and has the message coming already or has passed it on itself; or it may be forgotten.
 */
function present({ recipients }: Route, { path }: Message): ReadonlySet<Recipient> {
  const now = new Set<Recipient>()
  for (const recipient of recipients) {
    const { successor, renamed } = recipient as Partial<DurableRecipient>
    const one = successor ?? recipient
    if ((one as Partial<DurableRecipient>).forgotten) continue
    if (!((renamed || successor) && path.includes(one.name))) now.add(one)
  }
  return now
}
