import { Applied } from './applied.ts'
import type { Backlog } from './backlog.ts'
import type { Deliverer } from './deliverer.ts'
import { problemOf } from './errors.ts'
import type { DueDelivery } from './events.ts'
import { Failures } from './failures.ts'
import type { HealthCheck } from './health.ts'
import { HeldTypes } from './held-types.ts'
import type { Hooks } from './hooks.ts'
import type { HybridClock } from './hybrid-clock.ts'
import { Later } from './later.ts'
import { Outage } from './outage.ts'
import type { PluginName } from './plugin.ts'
import type { StoredRecipient } from './recipient.ts'
import { Runs, type RunsContext } from './runs.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'
import { StrictKeys } from './strict-keys.ts'

/** Messages that are taken from the backlog, and handed to one type, at once. */
const APPLY_AT_ONCE = 256
const TOO_MANY_AHEAD =
  'its stamp is ahead of time, and so are too many others; correct the clock of its origin, then replay it'

export interface InboxContext extends Pick<RunsContext, 'types' | 'guard' | 'log' | 'applier'> {
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly clock: HybridClock
  readonly retryDelayMs: number
  /** Those failed deliveries on which a plugin has decided. */
  readonly decided: WeakSet<DueDelivery>
  /** Whether what becomes of a delivery can be written down. If not, nothing new is applied. */
  mayDeliver(): boolean
  /** `superseded`: it came too late, and changed nothing. */
  settle(seq: number, superseded: boolean): void
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
  readonly #held: HeldTypes
  readonly #failures: Failures
  readonly #runs: Runs
  readonly #later: Later
  readonly #outage: Outage
  readonly #applied: Applied
  /** Taken from the backlog and neither applied nor put aside, oldest first. */
  readonly #taken = new Set<PendingDelivery>()
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
    this.#keys = new StrictKeys(backlog, {
      isStrict: ({ message }) => types.isStrict(message.type),
      pump: goOn,
      unreadable,
    })
    this.#held = new HeldTypes(backlog, { gone: (seq) => this.#keys.gone(seq), pump: goOn, unreadable })
    this.#failures = new Failures(recipient, context, (delivery) => this.defer(delivery))
    this.#runs = new Runs({
      ...context,
      isClosed: () => this.#closed,
      mayGo: (delivery) => this.#mayGo(delivery),
      done: (delivery, superseded) => this.#settled(delivery, superseded),
      failed: (delivery, reason, plugin) => this.#failed(delivery, reason, plugin),
    })
    this.#later = new Later({ runtime, clock, backlog, goOn, unreadable })
    this.#outage = new Outage(runtime, retryDelayMs, goOn)
    this.#applied = new Applied(runtime, backlog, this.#taken)
  }

  get held(): HeldTypes | undefined {
    return this.#closed ? undefined : this.#held
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
    return this.#applied.within(key, withinMs)
  }

  offer(delivery: PendingDelivery): void {
    this.#applied.offered(delivery)
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
    this.#held.buried(delivery)
    this.#done(delivery)
    this.pump()
  }

  wait(delivery: PendingDelivery): void {
    if (!this.#failures.close(delivery)) return
    const { runtime, retryDelayMs } = this.#context
    const isHeld = this.#held.takeBack(delivery)
    if (!isHeld) this.#later.defer({ ...delivery, dueAt: Math.ceil(runtime.now() + retryDelayMs) })
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
      if (this.#keys.isOneTooMany(delivery) || this.#held.isOneTooMany(delivery)) {
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
      return this.#isBehindAnother(delivery) || this.#isHeld(delivery)
    }
    return true
  }

  /** Whether a failed message of the same strict key comes first. If so it is read again when that is done. */
  #isBehindAnother(delivery: PendingDelivery): boolean {
    return this.#keys.isBusyFor(delivery) && !this.#keys.admits(delivery)
  }

  /** Whether it waits with others of its type. It keeps its key busy all the same. */
  #isHeld(delivery: PendingDelivery): boolean {
    if (this.#held.admits(delivery)) return false
    this.#keys.admits(delivery)
    return true
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
      await this.#runs.apply(type, end < 0 ? all : all.slice(0, end))
      this.#passed()
    }
    if (this.#closed) this.#putBack()
  }

  /**
   * Whether a delivery may be applied though others have failed since it was taken: perhaps one of its strict key, perhaps so
   * many of its type that this is held.
   */
  #mayGo(delivery: PendingDelivery): boolean {
    const isAside = this.#isBehindAnother(delivery) || (this.#held.isHeldBack(delivery) && this.#takeBack(delivery))
    if (isAside) this.#taken.delete(delivery)
    return !isAside
  }

  /** It waits with others of its type, and keeps its key busy all the same. False when its type is not held. */
  #takeBack(delivery: PendingDelivery): boolean {
    if (!this.#held.takeBack(delivery)) return false
    this.#keys.admits(delivery)
    return true
  }

  #failed(delivery: PendingDelivery, reason: string, plugin: PluginName | undefined): void {
    this.#taken.delete(delivery)
    this.#keys.admits(delivery)
    this.#failures.report([{ delivery, sends: 1 }], 'nack', reason, plugin)
  }

  #settled(delivery: PendingDelivery, superseded: boolean): void {
    this.#taken.delete(delivery)
    this.#held.acknowledged(delivery)
    this.#context.settle(delivery.seq, superseded)
    this.#done(delivery)
  }

  /** A delivery is no longer pending. What waits behind it for its key may go. */
  #done(delivery: PendingDelivery): void {
    this.#backlog.settled()
    this.#keys.done(delivery)
  }

  #passed(): void {
    this.#outage.over()
    this.#applied.look()
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
