import { problemOf } from './errors.ts'
import type { Arrival } from './events.ts'
import type { Log } from './log.ts'
import { type Message, messageKey } from './message.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Received } from './protocol/received.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingLimit, ScheduledKey, ScheduledMessage, Store, StoreVerdict } from './store.ts'
import { Wake } from './wake.ts'

/** How far ahead a message can be scheduled, in milliseconds. */
const MAX_AHEAD_MS = 365 * 24 * 60 * 60 * 1_000
/** What is let in with one transaction at most: so much is held in memory, however much is due. */
const BATCH: PendingLimit = Object.freeze({ messages: 256, bytes: 1024 * 1024 })
/** The longest sleep, in milliseconds: the wall clock may be set meanwhile, and timers overflow at 2^31. */
const MAX_SLEEP_MS = 60_000
/** Publishers without a name that are remembered, so that they do not get their own message. Beyond that, the first may. */
const MAX_PUBLISHERS = 10_000

const UNCERTAIN: StoreVerdict = Object.freeze({ status: 'uncertain' })

/** When a message asks to enter, in milliseconds since the epoch; undefined: at once. Throws a `ProtocolFault`. */
export function dueTime({ body }: Received, now: number): number | undefined {
  const { notBefore, expiresAt } = body as { notBefore?: number; expiresAt?: number }
  if (notBefore === undefined) return undefined
  if (expiresAt !== undefined && expiresAt < notBefore) {
    throw new ProtocolFault(
      'INVALID_MESSAGE',
      '/expiresAt is before /notBefore: nobody would get it; correct one of them',
    )
  }
  if (notBefore - now > MAX_AHEAD_MS) {
    throw new ProtocolFault('INVALID_MESSAGE', '/notBefore must be within 365 days; publish it when its time is nearer')
  }
  return notBefore > now ? notBefore : undefined
}

export interface ScheduleContext {
  readonly store: Store
  readonly runtime: Runtime
  readonly log: Log
  /** How long to wait before it is tried again, after the store has failed, in milliseconds. */
  readonly retryDelayMs: number
  readonly draining: () => boolean
  /** Whether what enters now is given a stamp that holds. Until it is, what is due waits. */
  readonly mayStamp: () => boolean
  /** Lets a message enter now; `publisher` is the name of the recipient who published it, if that is known. */
  readonly release: (scheduled: ScheduledMessage, publisher: string | undefined) => void
}

/**
 * Lets scheduled messages in when their time has come. They wait on disk: here it is only known when to look there again.
 * What is due enters a batch at a time, the next one when the last is on disk, among whatever else comes in: a million that
 * are due at once hold up nobody.
 */
export class Schedule {
  readonly #context: ScheduleContext
  readonly #alarm: Wake
  /** By what they are known while it lasts: their link. */
  readonly #publishers = new Map<string, string>()
  #open = false
  #sweeping = false
  /** Whether to look again, as soon as nobody looks. */
  #isDue = false
  #batch: Batch | undefined

  constructor(context: ScheduleContext) {
    this.#context = context
    this.#alarm = new Wake(context.runtime, () => this.#look())
  }

  /** Releases what became due while the instance was down, and all others in their time. */
  start(): void {
    this.#open = true
    this.#look()
  }

  /** What waits is on disk. */
  close(): void {
    this.#open = false
    this.#alarm.cancel()
  }

  /** Takes note of a group: messages were scheduled in it, or released. */
  written(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): void {
    arrivals.forEach((arrival, index) => {
      const verdict = verdicts[index] as StoreVerdict
      if (arrival.releases !== undefined) this.#released(arrival, arrival.releases, verdict)
      else if (arrival.message.scheduledFor !== undefined)
        this.#scheduled(arrival, arrival.message.scheduledFor, verdict)
    })
  }

  /** Of this group it is not known what is on disk. */
  failed(arrivals: readonly Arrival[]): void {
    this.written(
      arrivals,
      arrivals.map(() => UNCERTAIN),
    )
  }

  #scheduled({ received, message }: Arrival, dueAt: number, { status }: StoreVerdict): void {
    if (status !== 'scheduled' && status !== 'uncertain') return
    const { runtime, retryDelayMs } = this.#context
    const publisher = received?.sender.recipient
    // One of which it is uncertain whether it is on disk is found there, if it is.
    this.#wakeIn(status === 'scheduled' ? dueAt - runtime.now() : retryDelayMs)
    if (publisher && message.path.length === 0) this.#remember(message, publisher.name)
  }

  #released({ message }: Arrival, key: ScheduledKey, verdict: StoreVerdict): void {
    const { status } = verdict
    if (status === 'stored' || status === 'duplicate') this.#publishers.delete(messageKey(message))
    this.#batch?.settled(key, verdict)
  }

  #remember(message: Message, publisher: string): void {
    const [oldest] = this.#publishers.keys()
    if (this.#publishers.size >= MAX_PUBLISHERS && oldest !== undefined) this.#publishers.delete(oldest)
    this.#publishers.set(messageKey(message), publisher)
  }

  #wakeIn(milliseconds: number): void {
    if (this.#open) this.#alarm.at(this.#context.runtime.monotonic() + Math.min(milliseconds, MAX_SLEEP_MS))
  }

  #look(): void {
    this.#isDue = true
    if (!this.#sweeping) void this.#sweepAll()
  }

  /** One sweep at a time. What becomes due meanwhile is met on the way, or asks for another one. */
  async #sweepAll(): Promise<void> {
    this.#sweeping = true
    while (this.#isDue && this.#open) {
      this.#isDue = false
      const againInMs = await this.#sweep()
      if (againInMs !== undefined) this.#wakeIn(againInMs)
    }
    this.#sweeping = false
  }

  /** Releases all that is due, the earliest first. Resolves to when to try again what is left of it, in milliseconds. */
  async #sweep(): Promise<number | undefined> {
    const { store, runtime, log, retryDelayMs, draining, mayStamp } = this.#context
    let last: ScheduledMessage | undefined
    let againInMs: number | undefined
    try {
      for (;;) {
        const { due, nextDueAt } = await store.scheduled(runtime.now(), BATCH, last)
        if (nextDueAt !== undefined) this.#wakeIn(nextDueAt - runtime.now())
        if (due.length === 0 || !this.#open || draining()) return againInMs
        if (!mayStamp()) return MAX_SLEEP_MS
        const { left, failed } = await this.#release(due)
        if (failed) return retryDelayMs
        if (left > 0) againInMs = MAX_SLEEP_MS
        last = due.at(-1)
      }
    } catch (error) {
      log.error('schedule not read', { reason: problemOf(error), error })
      return retryDelayMs
    }
  }

  /**
   * Resolves when the whole batch has been written, or could not be. What one message cannot do does not hold up the others:
   * it stays where it is, and is tried again.
   */
  async #release(due: readonly ScheduledMessage[]): Promise<Batch> {
    const { runtime, log } = this.#context
    const batch = new Batch(due)
    this.#batch = batch
    for (const scheduled of due) {
      try {
        this.#context.release(scheduled, this.#publishers.get(messageKey(scheduled)) ?? scheduled.path.at(-1))
      } catch (error) {
        batch.settled(scheduled.key, { status: 'rejected', reason: problemOf(error) })
      }
    }
    await batch.done
    // Others have their turn, also when nothing of the batch had to wait for the disk.
    await new Promise<void>((resolve) => runtime.defer(resolve))
    const { left, reason } = batch
    if (reason !== undefined) log.error('scheduled messages not released', { count: left, reason })
    log.debug('scheduled messages released', { count: due.length - left })
    return batch
  }
}

/** Messages on their way from the schedule to the disk. */
class Batch {
  readonly #underWay: Set<ScheduledKey>
  readonly done: Promise<void>
  #finish: () => void = () => {}
  /** How many were not released. */
  left = 0
  /** Why one of them was not. */
  reason: string | undefined
  /** Whether the store has failed. */
  failed = false

  constructor(messages: readonly ScheduledMessage[]) {
    this.#underWay = new Set(messages.map(({ key }) => key))
    this.done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  settled(key: ScheduledKey, verdict: StoreVerdict): void {
    const { status } = verdict
    if (!this.#underWay.delete(key)) return
    // One that is gone was released before, by a transaction of which nobody heard.
    if (status !== 'stored' && status !== 'duplicate') this.left++
    if (status === 'rejected') this.reason ??= verdict.reason
    if (status === 'uncertain') this.failed = true
    if (this.#underWay.size === 0) this.#finish()
  }
}
