import { backoff } from '../backoff.ts'
import type { NackCode } from '../protocol/fault.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { ClientClock } from './clock.ts'
import { Deadlines } from './deadlines.ts'
import { type PublishOptions, writeDraft } from './draft.ts'
import { ClientError, clientError } from './errors.ts'
import { Fifo } from './fifo.ts'
import { KeyOrder } from './key-order.ts'
import type { KeptMessage, Outbox } from './outbox.ts'
import { Pending, type Receipt } from './pending.ts'
import type { Acknowledged, Refused, Wire } from './wire.ts'

/** Refusals that are about the instance, not the message: everything else would be refused as well. */
const OF_THE_INSTANCE: ReadonlySet<string> = new Set(['BUSY', 'STORE_UNAVAILABLE', 'CLOCK_SKEW'])
/** How long an instance that says no more is left alone, in milliseconds. */
const RETRY_AFTER_MS = 1_000

export interface PublisherContext {
  readonly runtime: Runtime
  readonly clock: ClientClock
  readonly outbox: Outbox | undefined
  readonly publishTimeoutMs: number
  readonly maxPending: number
  readonly maxPendingBytes: number
  readonly maxInFlight: number
  /** Something failed for which nobody waits. */
  failed(error: Error): void
}

/**
 * What this client publishes, until an instance has it: sent in order, sent again on the next connection with the same id,
 * and again later when it was refused for the moment.
 */
export class Publisher {
  readonly #context: PublisherContext
  /** All that is not acknowledged, oldest first. */
  readonly #pending = new Map<string, Pending>()
  /** Of these, what is to be sent on this connection. */
  readonly #unsent = new Fifo<Pending>()
  readonly #keys = new KeyOrder<Pending>()
  readonly #deadlines: Deadlines
  /** What is sent again when the instance has been left alone for a while. */
  #refused: Pending[] = []
  #pause: Timer | undefined
  #wire: Wire | undefined
  #inFlight = 0
  #inFlightSize = 0
  #characters = 0
  #places = 0
  #isOpen: boolean
  #ending: ClientError | undefined
  #waitingForRoom: (() => void)[] = []
  #waitingForIdle: (() => void)[] = []

  constructor(context: PublisherContext) {
    this.#context = context
    this.#isOpen = context.outbox === undefined
    this.#deadlines = new Deadlines(context.runtime, (now) => this.#expire(now))
  }

  get pending(): number {
    return this.#pending.size
  }

  /** The outbox is open: what an earlier run has kept goes before all that was published since. */
  restore(kept: readonly KeptMessage[]): void {
    const published = [...this.#pending.values()]
    this.#pending.clear()
    kept.forEach(({ messageId, text, orderingKey }, index) => {
      const restored = new Pending(messageId, text.slice(0, -1), text, orderingKey, index - kept.length, 0)
      this.#add(restored)
      if (this.#wire) this.#unsent.push(restored)
    })
    this.#isOpen = true
    for (const pending of published) this.#join(pending)
    this.#pump()
  }

  publish(type: string, own: string, options: PublishOptions): Promise<Receipt> {
    const { runtime, publishTimeoutMs } = this.#context
    const { signal, timeoutMs = publishTimeoutMs, messageId = runtime.id() } = options
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#ending) throw this.#ending
      const pending = this.#find(writeDraft(type, messageId, own, options), messageId, options.orderingKey)
      const deadline = runtime.monotonic() + timeoutMs
      const waiter = { resolve, reject, deadline, timeoutMs, release: () => {} }
      if (signal) {
        const abort = () => this.#withdraw(pending.successor ?? pending, waiter, signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        waiter.release = () => signal.removeEventListener('abort', abort)
      }
      pending.waiters.push(waiter)
      if (deadline !== Number.POSITIVE_INFINITY) this.#deadlines.by(deadline)
    })
  }

  /** Resolves when one more message may be published. */
  room(): Promise<void> {
    return this.#hasRoom(0) || this.#ending ? Promise.resolve() : new Promise((go) => this.#waitingForRoom.push(go))
  }

  /** Resolves when everything is acknowledged, refused or given up. */
  idle(): Promise<void> {
    return this.#pending.size === 0 ? Promise.resolve() : new Promise((go) => this.#waitingForIdle.push(go))
  }

  /** A connection is open, and the time is known. */
  attach(wire: Wire): void {
    this.#wire = wire
    this.#sendAll()
  }

  /** The connection is gone: what was sent on it and not acknowledged is to be sent again, in order. */
  detach(): void {
    this.#wire = undefined
    this.#pause?.cancel()
    this.#pause = undefined
    this.#refused = []
    this.#keys.clear()
    this.#inFlight = 0
    this.#inFlightSize = 0
    for (const pending of this.#pending.values()) pending.rest()
  }

  /** More may be under way than before. */
  granted(): void {
    this.#pump()
  }

  acknowledged({ messageId, status, recipients, instanceId }: Acknowledged): void {
    const pending = this.#pending.get(messageId)
    if (!pending) return
    const { version } = pending
    this.#settle(pending, (waiter) => waiter.resolve({ messageId, status, recipients, version, instanceId }))
  }

  /** Whether it was about a message of this publisher. */
  refused({ messageId, code, reason, retryable, retryAfterMs }: Refused): boolean {
    const pending = messageId === undefined ? undefined : this.#pending.get(messageId)
    if (!pending) return false
    const error = new ClientError(code as NackCode, reason, { messageId, retryable, retryAfterMs })
    pending.lastRefusal = error
    if (!retryable) this.#giveUp(pending, error)
    else if (pending.inFlight) this.#later(pending, code, retryAfterMs)
    return true
  }

  /** Takes nothing any more; what waits is rejected, unless only new messages are refused. */
  end(error: ClientError, drainsFirst = false): void {
    this.#ending = error
    for (const go of this.#waitingForRoom.splice(0)) go()
    if (drainsFirst) return
    this.detach()
    this.#deadlines.stop()
    for (const pending of this.#pending.values()) pending.settle((waiter) => waiter.reject(error))
    this.#pending.clear()
    this.#unsent.clear()
    for (const go of this.#waitingForIdle.splice(0)) go()
  }

  /** The message that waits already under that id, or a new one. */
  #find(head: string, messageId: string, orderingKey: string | undefined): Pending {
    const { runtime, maxPending, maxPendingBytes } = this.#context
    const known = this.#pending.get(messageId)
    if (known?.isOf(head)) return known
    if (known) throw clientError('SLP_ID_IN_USE', [messageId], { messageId })
    if (!this.#hasRoom(head.length)) {
      const bound = this.#pending.size < maxPending ? `${maxPendingBytes} bytes` : `${maxPending} messages`
      throw clientError('SLP_OUTBOX_FULL', [bound], { messageId, retryable: true })
    }
    const pending = new Pending(messageId, head, undefined, orderingKey, ++this.#places, runtime.now())
    this.#add(pending)
    this.#ready(pending)
    return pending
  }

  /** What was published while the outbox was opened: perhaps the same that it held. */
  #join(pending: Pending): void {
    const { messageId, head, waiters } = pending
    const kept = this.#pending.get(messageId)
    this.#characters -= head.length
    if (!kept) {
      this.#add(pending)
      this.#ready(pending)
    } else if (kept.isOf(head)) {
      kept.waiters.push(...waiters)
      pending.successor = kept
    } else {
      pending.settle((waiter) => waiter.reject(clientError('SLP_ID_IN_USE', [messageId], { messageId })))
    }
  }

  #hasRoom(characters: number): boolean {
    const { maxPending, maxPendingBytes } = this.#context
    return this.#pending.size < maxPending && this.#characters + characters <= maxPendingBytes
  }

  #add(pending: Pending): void {
    this.#pending.set(pending.messageId, pending)
    this.#characters += pending.head.length
  }

  /** Stamps it if the time is known, keeps it if there is where, and sends it. */
  #ready(pending: Pending): void {
    const { clock, outbox } = this.#context
    if (!clock.isSet || !this.#isOpen) return
    pending.stamp(clock.stamp(pending.at))
    if (outbox) void this.#keep(pending, outbox)
    else this.#offer(pending)
  }

  async #keep(pending: Pending, outbox: Outbox): Promise<void> {
    const { messageId, text, orderingKey } = pending
    try {
      await outbox.put({ messageId, text: text as string, orderingKey })
      pending.isKept = true
      if (this.#pending.get(messageId) === pending) this.#offer(pending)
      else outbox.remove(messageId)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      this.#giveUp(pending, clientError('SLP_OUTBOX_FAILED', [problem], { messageId, retryable: true, cause }))
    }
  }

  #offer(pending: Pending): void {
    if (!this.#wire) return
    this.#unsent.push(pending)
    this.#pump()
  }

  #sendAll(): void {
    if (!this.#wire) return
    const { clock, outbox } = this.#context
    this.#unsent.clear()
    for (const pending of this.#pending.values()) {
      if (pending.text === undefined) pending.stamp(clock.stamp(pending.at))
      if (pending.isKept || !outbox) this.#unsent.push(pending)
    }
    this.#pump()
  }

  #pump(): void {
    const wire = this.#wire
    if (!wire || this.#pause) return
    while (this.#mayFly(wire)) {
      const pending = this.#unsent.shift()
      if (!pending) return
      if (pending.isSettled || !this.#keys.admits(pending)) continue
      this.#inFlight++
      pending.inFlight = true
      this.#inFlightSize += pending.head.length
      wire.publish(pending.messageId, pending.text as string)
    }
  }

  /** One message always may, however large, unless none may. */
  #mayFly({ window: { messages, bytes } }: Wire): boolean {
    if (this.#inFlight === 0) return messages > 0
    return this.#inFlight < Math.min(messages, this.#context.maxInFlight) && this.#inFlightSize < bytes
  }

  /** It goes again: when the instance takes messages again, or, if it is about this one alone, when that has waited. */
  #later(pending: Pending, code: string, retryAfterMs: number | undefined): void {
    const { runtime } = this.#context
    this.#landed(pending)
    pending.refusals++
    if (OF_THE_INSTANCE.has(code)) {
      this.#refused.push(pending)
      const ms = (retryAfterMs ?? RETRY_AFTER_MS) * (1 + runtime.random() / 2)
      this.#pause ??= runtime.after(ms, () => this.#resume())
    } else {
      const ms = Math.max(retryAfterMs ?? 0, backoff(pending.refusals, RETRY_AFTER_MS, runtime.random()))
      pending.retryTimer = runtime.after(ms, () => this.#again([pending]))
    }
  }

  #resume(): void {
    this.#pause = undefined
    this.#again(this.#refused.splice(0).sort((one, other) => one.place - other.place))
  }

  #again(refused: readonly Pending[]): void {
    this.#unsent.putFirst(refused.filter(({ isSettled }) => !isSettled))
    this.#pump()
  }

  #landed(pending: Pending): void {
    if (!pending.inFlight) return
    pending.inFlight = false
    this.#inFlight--
    this.#inFlightSize -= pending.head.length
  }

  #settle(pending: Pending, tell: Parameters<Pending['settle']>[0]): void {
    this.#pending.delete(pending.messageId)
    this.#characters -= pending.head.length
    this.#landed(pending)
    if (pending.isKept) this.#context.outbox?.remove(pending.messageId)
    pending.settle(tell)
    const next = this.#keys.done(pending)
    if (next) this.#unsent.putFirst([next])
    this.#pump()
    if (this.#waitingForRoom.length > 0 && this.#hasRoom(0)) for (const go of this.#waitingForRoom.splice(0)) go()
    if (this.#pending.size === 0) for (const go of this.#waitingForIdle.splice(0)) go()
  }

  #giveUp(pending: Pending, error: ClientError): void {
    if (pending.isSettled) return
    if (pending.waiters.length === 0) this.#context.failed(error)
    this.#settle(pending, (waiter) => waiter.reject(error))
  }

  /** One who waited has given up. When nobody is left, the message is sent no more. */
  #withdraw(pending: Pending, waiter: Pending['waiters'][number], reason: unknown): void {
    waiter.release()
    waiter.reject(reason)
    pending.waiters = pending.waiters.filter((other) => other !== waiter)
    if (pending.waiters.length === 0 && !pending.isSettled) this.#settle(pending, () => {})
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const pending of this.#pending.values()) {
      for (const waiter of pending.waiters) {
        if (waiter.deadline > now) next = Math.min(next, waiter.deadline)
        else this.#withdraw(pending, waiter, timedOut(pending, waiter.timeoutMs))
      }
    }
    return next
  }
}

/** What the instance said last tells more than that time is up. */
function timedOut({ messageId, lastRefusal }: Pending, timeoutMs: number): ClientError {
  return lastRefusal ?? clientError('SLP_UNACKNOWLEDGED', [messageId, timeoutMs], { messageId, retryable: true })
}
