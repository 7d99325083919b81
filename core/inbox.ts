import { Applied } from './applied.ts'
import type { Applier } from './applier.ts'
import type { Backlog } from './backlog.ts'
import type { Deliverer } from './deliverer.ts'
import { errorText } from './error-text.ts'
import { problemOf } from './errors.ts'
import type { DueDelivery } from './events.ts'
import { Failures } from './failures.ts'
import type { Guard } from './guard.ts'
import type { HealthCheck } from './health.ts'
import type { Hooks } from './hooks.ts'
import type { HybridClock } from './hybrid-clock.ts'
import { Later } from './later.ts'
import type { Log } from './log.ts'
import { isOutage, Outage } from './outage.ts'
import type { StoredRecipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'
import { readStored } from './stored-message.ts'
import { StrictKeys } from './strict-keys.ts'
import type { TypeRegistry } from './type-registry.ts'

/** Messages that are taken from the backlog, and handed to one type, at once. */
const APPLY_AT_ONCE = 256
const TOO_MANY_AHEAD =
  'its stamp is ahead of time, and so are too many others; correct the clock of its origin, then replay it'
export interface InboxContext {
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly log: Log
  readonly types: TypeRegistry
  readonly guard: Guard
  readonly applier: Applier
  readonly clock: HybridClock
  readonly retryDelayMs: number
  /** Those failed deliveries on which a plugin has decided. */
  readonly decided: WeakSet<DueDelivery>
  /** Whether what becomes of a delivery can be written down. If not, nothing new is applied. */
  mayDeliver(): boolean
  settle(seq: number): void
}

/**
 * Hands messages to their types: in the order in which they were stored, as many of one type at once as follow each other.
 * A run that fails is split until the culprit stands alone; what becomes of that is decided by the taps of `republish`.
 * When what messages are applied to is away, nothing counts against them, and everything waits.
 */
export class Inbox implements Deliverer {
  readonly #recipient: StoredRecipient
  readonly #backlog: Backlog
  readonly #context: InboxContext
  readonly #keys: StrictKeys
  readonly #failures: Failures
  readonly #later: Later
  readonly #outage: Outage
  readonly #applied: Applied
  /** Taken from the backlog and neither applied nor put aside, oldest first. */
  readonly #taken = new Set<PendingDelivery>()
  /** The greatest place that was offered; infinite while there are only those that a restart has found. */
  #lastOffered: number
  #busy = false
  #moreToDo = false
  #closed = false

  constructor(recipient: StoredRecipient, backlog: Backlog, context: InboxContext) {
    const { runtime, types, clock, retryDelayMs } = context
    const goOn = () => this.pump()
    const unreadable = (error: unknown, again: () => void) => this.#unreadable(error, again)
    this.#recipient = recipient
    this.#backlog = backlog
    this.#context = context
    this.#lastOffered = backlog.pending > 0 ? Number.POSITIVE_INFINITY : 0
    this.#keys = new StrictKeys(backlog, {
      isStrict: ({ message }) => types.isStrict(message.type),
      pump: goOn,
      unreadable,
    })
    this.#failures = new Failures(recipient, context, (delivery) => this.defer(delivery))
    this.#later = new Later({ runtime, clock, backlog, goOn, unreadable })
    this.#outage = new Outage(runtime, retryDelayMs, goOn)
    this.#applied = new Applied(runtime)
  }

  get pending(): number {
    return this.#backlog.pending
  }

  get inFlight(): number {
    return this.#taken.size
  }

  /** Deliveries that wait for their time. */
  get deferred(): number {
    return this.#later.size
  }

  /** For readiness. */
  get check(): HealthCheck {
    return this.#outage.check
  }

  /**
   * Resolves to whether everything that was offered by now is applied or put aside within that time: of that ordering key,
   * or of all.
   */
  applied(key: string | undefined, withinMs: number): Promise<boolean> {
    if (this.#isPast(this.#lastOffered) || (key !== undefined && !this.#holds(key))) return Promise.resolve(true)
    return this.#applied.upTo(this.#lastOffered, withinMs)
  }

  offer(delivery: PendingDelivery): void {
    this.#lastOffered = delivery.seq
    this.#backlog.offer(delivery)
  }

  doubt(): void {
    this.#backlog.doubt()
    this.pump()
  }

  awaitRevival(): void {
    this.#backlog.awaitRevival()
  }

  revive(places: readonly number[]): void {
    this.#backlog.revive(places)
    this.pump()
  }

  defer(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    if (delivery.dueAt <= this.#context.runtime.now()) this.#backlog.giveBack([delivery])
    else this.#later.defer(delivery)
    this.pump()
  }

  buried(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    this.#done(delivery)
    this.pump()
  }

  sendAgain(due: readonly DueDelivery[]): void {
    for (const { delivery } of due) this.defer({ ...delivery, dueAt: 0 })
  }

  /** Applies what waits. Returns at once; one round runs at a time. */
  pump(): void {
    this.#moreToDo = true
    if (this.#busy || this.#closed || this.#outage.isWaiting) return
    this.#busy = true
    void this.#applyAll()
  }

  close(): void {
    this.#closed = true
    this.#later.close()
    this.#outage.close()
    this.#applied.close()
  }

  async #applyAll(): Promise<void> {
    try {
      while (this.#moreToDo && !this.#closed) {
        this.#moreToDo = false
        while (await this.#takeSome()) await this.#applyTaken()
        this.#passed()
      }
    } catch (error) {
      this.#interrupted(error)
    }
    this.#busy = false
    if (!this.#closed) this.#later.arm()
  }

  /** Nothing can be applied at the moment, or nothing can be read. */
  #interrupted(error: unknown): void {
    const count = this.#taken.size
    this.#putBack()
    if (this.#closed) return
    this.#context.log.error('nothing can be applied', { reason: problemOf(error), error, count })
    this.#outage.failed(error)
  }

  /** Fills up what is taken. Resolves to whether there is anything. */
  async #takeSome(): Promise<boolean> {
    while (!this.#closed && this.#later.hasRoom && this.#context.mayDeliver()) {
      if (this.#backlog.wantsRefill) await this.#backlog.refill()
      for (let delivery = this.#next(); delivery; delivery = this.#next()) this.#taken.add(delivery)
      if (this.#taken.size > 0) return true
      if (!this.#backlog.wantsRefill) return false
    }
    return false
  }

  /** The next delivery that may be applied: its time has come and is not over, and its key is free. */
  #next(): PendingDelivery | undefined {
    if (this.#taken.size >= APPLY_AT_ONCE) return undefined
    for (let delivery = this.#backlog.take(); delivery; delivery = this.#backlog.take()) {
      if (this.#keys.isOneTooMany(delivery)) {
        this.#backlog.giveBack([delivery])
        return undefined
      }
      if (!this.#isPutAside(delivery)) return delivery
    }
    return undefined
  }

  #isPutAside(delivery: PendingDelivery): boolean {
    const { runtime, clock, types } = this.#context
    const { type, expiresAt, version } = delivery.message
    const now = runtime.now()
    const aheadUntil = version === undefined ? undefined : clock.dueAt(version)
    if (expiresAt !== undefined && expiresAt <= now) {
      this.#failures.report([{ delivery, sends: 0 }], 'expiry', 'its time was over before it could be applied')
    } else if (aheadUntil !== undefined) {
      this.#holdBack(delivery, aheadUntil)
    } else if (!types.knows(type)) {
      // Stored when its plugin was there: it waits on disk for a start with it.
    } else if (delivery.dueAt > now) {
      // It keeps its key busy all the same.
      if (this.#keys.admits(delivery)) this.#later.defer(delivery)
    } else {
      return this.#isBehindAnother(delivery)
    }
    return true
  }

  /** Whether a failed message of the same strict key comes first. If so it is read again when that is done. */
  #isBehindAnother(delivery: PendingDelivery): boolean {
    return this.#keys.isBusyFor(delivery) && !this.#keys.admits(delivery)
  }

  #holdBack(delivery: PendingDelivery, until: number): void {
    if (this.#later.hasRoomAhead) this.#later.holdBack(delivery, until)
    else this.#failures.report([{ delivery, sends: 0 }], 'rejection', TOO_MANY_AHEAD)
  }

  /** Runs of one type go to that type together. */
  async #applyTaken(): Promise<void> {
    while (this.#taken.size > 0 && !this.#closed) {
      const all = [...this.#taken]
      const { type } = (all[0] as PendingDelivery).message
      const end = all.findIndex(({ message }) => message.type !== type)
      await this.#apply(type, end < 0 ? all : all.slice(0, end))
      this.#passed()
    }
    if (this.#closed) this.#putBack()
  }

  /** Applies these, or as many of them as can be. Throws when nothing can be applied at the moment. */
  async #apply(type: string, run: readonly PendingDelivery[]): Promise<void> {
    const free = run.filter((delivery) => !this.#isBehindAnother(delivery) || !this.#taken.delete(delivery))
    const [first] = free
    if (!first) return
    const failure = await this.#handOver(type, free)
    if (!failure) {
      for (const delivery of free) this.#settled(delivery)
    } else if (free.length === 1) {
      this.#failed(first, failure.error)
    } else {
      const middle = free.length >> 1
      await this.#apply(type, free.slice(0, middle))
      await this.#apply(type, free.slice(middle))
    }
  }

  /** Resolves to what the type threw, if it did. Throws when that says nothing about these messages. */
  async #handOver(type: string, run: readonly PendingDelivery[]): Promise<{ readonly error: unknown } | undefined> {
    try {
      const messages = run.map(({ message }) => readStored(message))
      await this.#context.applier.apply(type, messages)
      return undefined
    } catch (error) {
      if (isOutage(error)) throw error
      return { error }
    }
  }

  /** A message has failed alone: it is its own fault, or that of its type. */
  #failed(delivery: PendingDelivery, error: unknown): void {
    const { types, guard, log } = this.#context
    const { type, messageId } = delivery.message
    const plugin = types.owner(type)
    const reason = errorText(problemOf(error), readStored(delivery.message))
    if (plugin) guard.account(plugin.name).faults++
    log.error('apply failed', { messageId, type, reason, ...(plugin && { plugin: plugin.name }) })
    this.#taken.delete(delivery)
    this.#keys.admits(delivery)
    this.#failures.report([{ delivery, sends: 1 }], 'nack', reason, plugin)
  }

  #settled(delivery: PendingDelivery): void {
    this.#taken.delete(delivery)
    this.#context.settle(delivery.seq)
    this.#done(delivery)
  }

  /** A delivery is no longer pending. What waits behind it for its key may go. */
  #done(delivery: PendingDelivery): void {
    this.#backlog.settled()
    this.#keys.done(delivery)
  }

  #passed(): void {
    this.#outage.over()
    this.#applied.look((place) => this.#isPast(place))
  }

  /** Whether everything up to that place is applied or put aside. */
  #isPast(place: number): boolean {
    for (const { seq } of this.#taken) if (seq <= place) return false
    return this.#backlog.isPast(place)
  }

  /** Whether something of that ordering key may wait to be applied. */
  #holds(key: string): boolean {
    for (const { message } of this.#taken) if (message.orderingKey === key) return true
    return this.#backlog.mayHold(key)
  }

  #putBack(): void {
    this.#backlog.giveBack([...this.#taken])
    this.#taken.clear()
  }

  #unreadable(error: unknown, again: () => void): void {
    const { log, runtime, retryDelayMs } = this.#context
    if (this.#closed) return
    log.error('backlog unreadable', { recipient: this.#recipient.name, reason: problemOf(error), error })
    runtime.after(retryDelayMs, again)
  }
}
