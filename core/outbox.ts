import type { Backlog } from './backlog.ts'
import { Deferred } from './deferred.ts'
import type { Deliverer } from './deliverer.ts'
import { problemOf } from './errors.ts'
import type { DueDelivery } from './events.ts'
import { Failures } from './failures.ts'
import { HeldTypes } from './held-types.ts'
import { InFlight } from './in-flight.ts'
import { CloseCode } from './link.ts'
import type { Link } from './links.ts'
import type { Log } from './log.ts'
import type { DurableRecipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import { Sender, type SenderContext } from './sender.ts'
import type { PendingDelivery, Store } from './store.ts'
import { StrictKeys } from './strict-keys.ts'
import { Watchdog } from './watchdog.ts'

/** Failed deliveries of one recipient that wait at most. Beyond that it is sent nothing new until some are due. */
const MAX_DEFERRED = 1_000

export interface OutboxContext extends SenderContext {
  readonly store: Store
  readonly runtime: Runtime
  readonly log: Log
  /** How long a recipient may go without a word before what it was sent is due again, in milliseconds. */
  readonly retryDelayMs: number
  /** Whether at most one delivery of this message's ordering key may be under way. */
  isStrict(delivery: PendingDelivery): boolean
  /** Whether what becomes of a delivery can be written down. If not, nothing new is sent. */
  mayDeliver(): boolean
  /** Those failed deliveries on which a plugin has decided. */
  readonly decided: WeakSet<DueDelivery>
}

/**
 * Brings one recipient its deliveries, in order: a window of them is in flight, each awaits its acknowledgement. What fails
 * is shown to `republish`, whose taps decide. While there is no link, nothing is sent, nothing times out, nothing counts.
 */
export class Outbox implements Deliverer {
  readonly #recipient: DurableRecipient
  readonly #backlog: Backlog
  readonly #context: OutboxContext
  readonly #inFlight = new InFlight()
  readonly #sender: Sender
  readonly #deferred: Deferred
  readonly #keys: StrictKeys
  readonly #held: HeldTypes
  readonly #failures: Failures
  readonly #watchdog: Watchdog
  #link: Link | undefined
  #closed = false
  #pumpsSoon = false

  constructor(recipient: DurableRecipient, backlog: Backlog, context: OutboxContext) {
    this.#recipient = recipient
    this.#backlog = backlog
    this.#context = context
    this.#deferred = new Deferred(context.runtime)
    this.#sender = new Sender(recipient, this.#inFlight, context)
    this.#keys = new StrictKeys(backlog, {
      isStrict: context.isStrict,
      pump: () => this.pump(),
      unreadable: (error, again) => this.#unreadable(error, again),
    })
    this.#held = new HeldTypes(backlog, {
      gone: (seq) => this.#keys.gone(seq),
      pump: () => this.pumpSoon(),
      unreadable: (error, again) => this.#unreadable(error, again),
    })
    this.#failures = new Failures(recipient, context, (delivery) => this.defer(delivery))
    this.#watchdog = this.#watch()
  }

  get held(): HeldTypes | undefined {
    return this.#closed ? undefined : this.#held
  }

  get pending(): number {
    return this.#backlog.pending
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** Failed deliveries that wait for their time. */
  get deferred(): number {
    return this.#deferred.size
  }

  /** There may be deliveries that nobody has offered. */
  doubt(): void {
    this.#backlog.doubt()
    this.pump()
  }

  /** A delivery that was committed just now. `pump` sends it when there is room. */
  offer(delivery: PendingDelivery): void {
    this.#backlog.offer(delivery)
  }

  /** The recipient is linked: what waits may go. */
  attach(link: Link): void {
    this.#link = link
    this.#watchdog.linked()
    this.pump()
  }

  /** The link is gone: what was in flight waits for the next one, in its old place. */
  detach(): void {
    if (!this.#link) return
    this.#link = undefined
    this.#watchdog.rest()
    const flights = this.#inFlight.takeAll()
    const [alone] = flights
    if (flights.length === 1 && alone && !this.#watchdog.hungUp) {
      this.#failures.report([alone], 'disconnect', 'the link was lost while it was alone in flight')
    } else {
      this.#backlog.giveBack(flights.map(({ delivery }) => delivery))
    }
  }

  /** Sends as much as the window allows when all acknowledgements that are at hand have been read. */
  pumpSoon(): void {
    if (this.#pumpsSoon) return
    this.#pumpsSoon = true
    this.#context.runtime.defer(() => {
      this.#pumpsSoon = false
      this.pump()
    })
  }

  /** Sends as much as the window allows. */
  pump(): void {
    const link = this.#link
    if (!link || this.#watchdog.hungUp || this.#failures.holdUp) return
    if (!this.#watchdog.isBusy && this.#context.mayDeliver()) this.#fillWindow(link)
    this.#watchdog.arm()
  }

  /**
   * The recipient has acknowledged a message, though perhaps so late that it was to be sent again. Undefined when that
   * message is neither in flight to it nor waits for its next attempt.
   */
  settle(messageId: string): PendingDelivery | undefined {
    this.#inFlight.overtake(messageId, this.#context.runtime.monotonic())
    const flight = this.#inFlight.take(messageId)
    const delivery = flight?.delivery ?? this.#deferred.take(messageId) ?? this.#held.take(messageId)
    if (!delivery) return undefined
    this.#held.acknowledged(delivery)
    this.#watchdog.progressed()
    this.#done(delivery)
    return delivery
  }

  /** The recipient has refused a message. `busy`: it only asks to be left alone for a while. */
  refuse(messageId: string, refusal: { retryable: boolean; error: string; busyMs?: number }): boolean {
    const flight = this.#inFlight.take(messageId)
    if (!flight) return false
    if (refusal.busyMs !== undefined) {
      this.#watchdog.pause(refusal.busyMs)
      this.#backlog.giveBack([flight.delivery])
    } else {
      this.#failures.report([flight], refusal.retryable ? 'nack' : 'rejection', refusal.error)
    }
    this.#watchdog.progressed()
    this.pump()
    return true
  }

  /** A delivery that failed is a dead letter on disk. */
  buried(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    this.#held.buried(delivery)
    this.#done(delivery)
    this.pump()
  }

  /** A delivery that failed goes again when it is due. Its failure is on disk. */
  defer(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    if (delivery.dueAt <= this.#context.runtime.now()) this.#backlog.giveBack([delivery])
    else this.#deferred.add(delivery)
    this.pump()
  }

  wait(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    const { runtime, retryDelayMs } = this.#context
    const isHeld = this.#held.takeBack(delivery)
    if (!isHeld) this.#deferred.add({ ...delivery, dueAt: Math.ceil(runtime.now() + retryDelayMs) })
    this.pumpSoon()
  }

  /** Sends once more, in order, what is still in flight. */
  sendAgain(due: readonly DueDelivery[]): void {
    if (this.#link) this.#sender.sendAgain(this.#link, due)
  }

  /** Dead letters are about to be deliveries again: nothing is read until `revive` says which. */
  awaitRevival(): void {
    this.#backlog.awaitRevival()
  }

  /** Dead letters are deliveries again, at these places; or may be, if the store could not say. */
  revive(places: readonly number[]): void {
    this.#backlog.revive(places)
    this.pump()
  }

  /** Two names turned out to be one recipient: what is stored is read anew. */
  reload(pending: number): void {
    this.#inFlight.takeAll()
    this.#deferred.clear()
    this.#keys.clear()
    this.#held.reload()
    this.#failures.clear()
    this.#backlog.reload(pending)
    this.pump()
  }

  close(): void {
    this.#closed = true
    this.#link = undefined
    this.#watchdog.rest()
  }

  #hasRoom({ codec }: Link): boolean {
    return this.#inFlight.hasRoom(codec.window) && this.#deferred.size < MAX_DEFERRED
  }

  #fillWindow(link: Link): void {
    while (this.#hasRoom(link)) {
      const delivery = this.#next()
      if (!delivery) break
      this.#watchdog.sending()
      this.#sender.send(link, delivery)
    }
    this.#sender.tell()
    if (this.#backlog.wantsRefill && this.#hasRoom(link)) void this.#refill()
  }

  /** The next delivery that may go: its time has come and is not over, its id and its key are free. */
  #next(): PendingDelivery | undefined {
    const now = this.#context.runtime.now()
    for (let delivery = this.#backlog.take(); delivery; delivery = this.#backlog.take()) {
      const { message, dueAt } = delivery
      if (message.expiresAt !== undefined && message.expiresAt <= now) {
        this.#failures.report([{ delivery, sends: 0 }], 'expiry', 'its time was over before it could be delivered')
      } else if (this.#inFlight.has(message.messageId) || this.#isOneTooMany(delivery)) {
        // An ACK names a message by its id alone: two of one id, from different groups, go one after the other.
        this.#backlog.giveBack([delivery])
        return undefined
      } else if (!this.#keys.admits(delivery) || !this.#held.admits(delivery)) {
        // It waits behind another one of its key or with others of its type, and is read again when that is over.
      } else if (dueAt > now) {
        // It keeps its key busy all the same.
        this.#deferred.add(delivery)
      } else {
        return delivery
      }
    }
    return undefined
  }

  /** Whether it would have to wait, where too many wait already. */
  #isOneTooMany(delivery: PendingDelivery): boolean {
    return this.#keys.isOneTooMany(delivery) || this.#held.isOneTooMany(delivery)
  }

  /** Reads the next deliveries from the store, and goes on with them. */
  async #refill(): Promise<void> {
    try {
      if (await this.#backlog.refill()) this.pump()
    } catch (error) {
      this.#unreadable(error, () => this.pump())
    }
  }

  #unreadable(error: unknown, again: () => void): void {
    const { log, runtime, retryDelayMs } = this.#context
    if (this.#closed) return
    log.error('backlog unreadable', { recipient: this.#recipient.name, reason: problemOf(error), error })
    runtime.after(retryDelayMs, again)
  }

  /** A delivery is no longer pending: acknowledged, or a dead letter. What waits behind it for its key may go. */
  #done(delivery: PendingDelivery): void {
    this.#backlog.settled()
    this.#keys.done(delivery)
  }

  #watch(): Watchdog {
    const { runtime, retryDelayMs } = this.#context
    return new Watchdog({
      ...{ runtime, retryDelayMs, inFlight: this.#inFlight, deferred: this.#deferred },
      listeningSince: () => this.#link?.listeningSince,
      timedOut: (late) => this.#failures.report(late, 'timeout', 'not acknowledged, while later messages were'),
      silent: () => this.#failures.report(this.#inFlight.all(), 'silence', 'no word from the recipient'),
      hangUp: () => this.#link?.close(CloseCode.TRY_AGAIN_LATER, 'no acknowledgement came in time; connect again'),
      goOn: () => {
        this.#backlog.giveBack(this.#deferred.takeDue())
        this.pump()
      },
    })
  }
}
