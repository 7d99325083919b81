import { type Admission, madeUpFields } from './admission.ts'
import { answerFault, answerTo, judge } from './answers.ts'
import type { AtOnce } from './at-once.ts'
import type { Clocks } from './clocks.ts'
import type { Entrance } from './entrance.ts'
import type { Arrival } from './events.ts'
import type { Forwarder } from './forwarder.ts'
import type { CommitResult, GroupCommit } from './group-commit.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { Log } from './log.ts'
import type { Message } from './message.ts'
import { entryLimits, linkLimits } from './protocol/limits.ts'
import { type Incoming, Received } from './protocol/received.ts'
import type { Recipient } from './recipient.ts'
import type { Requests } from './requests/requests.ts'
import type { WaysBack } from './requests/ways-back.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Schedule } from './schedule.ts'
import type { DeliveryChanges, ScheduledMessage, StoreVerdict } from './store.ts'
import type { StoreHealth } from './store-health.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface JourneyContext {
  readonly hooks: Hooks
  readonly runtime: Runtime
  readonly log: Log
  readonly types: TypeRegistry
  readonly entrance: Entrance
  readonly admission: Admission
  readonly clocks: Clocks
  readonly forwarder: Forwarder
  readonly atOnce: AtOnce
  readonly group: GroupCommit
  readonly requests: Requests
  readonly ways: WaysBack
  readonly schedule: Schedule
  readonly storeHealth: StoreHealth
  /** The store could not say what became of a group: nobody is told anything, and its senders will repeat it. */
  readonly storeFailed: (error: unknown) => void
  /** Something went wrong behind the store: a group is on disk, and not everybody whom it is for may have been offered it. */
  readonly forwardingFailed: (error: unknown) => void
}

/**
 * The way of a message: onReceive, route, persist, ack, forward. (republish is the outbox's, when no acknowledgement comes.)
 * The first half runs for each frame as it comes in, and does no I/O; the second half runs for all that came in during one
 * turn of the event loop. Nobody hears of a message before it is on disk.
 */
export class Journey {
  readonly #context: JourneyContext

  constructor(context: JourneyContext) {
    this.#context = context
  }

  /** One message, from the wire into the group that is committed next. */
  receive(incoming: Incoming, sender: Link): void {
    const { hooks, types, forwarder, group, requests, ways } = this.#context
    let received: Received | undefined
    try {
      received = this.#read(incoming, sender)
      const receipt = hooks.onReceive.call(received)
      const handle = types.receiver(received.type)
      const answering = types.answering(received.type)
      if (receipt) {
        answerTo(received, receipt, hooks)
        if (receipt.status === 'duplicate') ways.repeated(received)
      } else if (handle) {
        const handled = received
        void handle(received)?.catch((error: unknown) => answerFault(handled, error, this.#context))
      } else if (answering) {
        requests.receive(received, answering)
      } else {
        const message = this.#admit(received)
        const route = hooks.route.call(forwarder.candidates(message, sender.recipient), message)
        forwarder.assertRoom(route)
        group.add({ received, message, route })
      }
    } catch (error) {
      answerFault(received ?? { sender, hop: incoming.hop }, error, this.#context)
    }
  }

  /** One scheduled message whose time has come: it enters now, and nobody waits to hear of it. */
  release(scheduled: ScheduledMessage, publisher: Recipient | undefined): void {
    const { hooks, admission, forwarder, group } = this.#context
    const message = admission.release(scheduled)
    const route = hooks.route.call(forwarder.candidates(message, publisher), message)
    group.add({ message, route, releases: scheduled.key })
  }

  /** One group, from memory onto disk and then to everyone who is to know. Resolves to what became of it on disk. */
  async commit(arrivals: readonly Arrival[], changes: DeliveryChanges): Promise<CommitResult> {
    const { atOnce, schedule, storeHealth, storeFailed } = this.#context
    let verdicts: readonly StoreVerdict[]
    try {
      verdicts = await atOnce.during(this.#persist(arrivals, changes))
    } catch (error) {
      storeFailed(error)
      schedule.failed(arrivals)
      return (error as { code?: unknown }).code === 'SLP_STORE_FAILED' ? 'failed' : 'broken'
    }
    if (arrivals.length > 0) storeHealth.worked()
    await this.#tell(arrivals, verdicts)
    schedule.written(arrivals, verdicts)
    return 'written'
  }

  #read(incoming: Incoming, sender: Link): Received {
    const limits = sender.role === 'client' ? entryLimits : linkLimits
    return Received.read(sender, incoming, limits, this.#context.runtime.monotonic())
  }

  /** What a message lacks is filled in here, once; what a stranger made up about its way is replaced. */
  #admit(received: Received): Message {
    const { hooks, types, entrance, admission, clocks } = this.#context
    entrance.assertOpen(received)
    const madeUp = madeUpFields(received)
    if (madeUp.length > 0) hooks.corrected.call(received, madeUp)
    const message = admission.admit(received, types.stored(received.type))
    if (!received.entersHere) clocks.passed(message, received.sender)
    return message
  }

  async #persist(arrivals: readonly Arrival[], changes: DeliveryChanges): Promise<readonly StoreVerdict[]> {
    const { hooks, forwarder } = this.#context
    const entries = await forwarder.entries(arrivals)
    const verdicts = await hooks.persist.promise(entries, changes)
    if (verdicts?.length === arrivals.length) return verdicts
    throw new Error(`persist answered ${verdicts?.length ?? 'nothing'} for ${arrivals.length} messages`)
  }

  /** What is on disk: to its senders, then to its recipients. Whatever fails here is no fault of the store. */
  async #tell(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): Promise<void> {
    const { hooks, forwarder, ways, forwardingFailed } = this.#context
    try {
      const acknowledgements = judge(arrivals, verdicts, hooks)
      ways.repeatedBy(arrivals, verdicts)
      if (acknowledgements.length > 0) await hooks.ack.promise(acknowledgements)
      ways.openedBy(arrivals, verdicts)
      forwarder.forward(arrivals, verdicts)
    } catch (error) {
      forwardingFailed(error)
    }
  }
}
