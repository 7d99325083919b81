import type { Backlog } from './backlog.ts'
import { problemOf } from './errors.ts'
import type { DueDelivery, Forwarding } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { Log } from './log.ts'
import type { DurableRecipient } from './recipient.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { PendingDelivery, Store } from './store.ts'

/** In flight to one recipient on the plain level of the protocol at most (§6). One message is always allowed. */
const WINDOW_MESSAGES = 64
const WINDOW_BYTES = 1024 * 1024

export interface OutboxContext {
  readonly store: Store
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly log: Log
  /** How long a recipient may go without acknowledging anything before what it was sent is due again, in milliseconds. */
  readonly retryDelayMs: number
  /** The frame that carries a message from here to a plain recipient. */
  frame(delivery: PendingDelivery): string
}

interface InFlight {
  readonly delivery: PendingDelivery
  readonly bytes: number
  sends: number
}

/**
 * Brings one recipient its deliveries, in order: a window of them is in flight, each waits for its acknowledgement.
 * While there is no link, nothing is sent, nothing times out and nothing counts.
 */
export class Outbox {
  readonly #recipient: DurableRecipient
  readonly #backlog: Backlog
  readonly #context: OutboxContext
  readonly #inFlight = new Map<string, InFlight>()
  #bytesInFlight = 0
  #link: Link | undefined
  #timer: Timer | undefined
  #progressAt = 0
  #closed = false
  #pumpsSoon = false

  constructor(recipient: DurableRecipient, backlog: Backlog, context: OutboxContext) {
    this.#recipient = recipient
    this.#backlog = backlog
    this.#context = context
  }

  get pending(): number {
    return this.#backlog.pending
  }

  get inFlight(): number {
    return this.#inFlight.size
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
    this.pump()
  }

  /** The link is gone: what was in flight waits for the next one, in its old place. */
  detach(): void {
    this.#link = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#backlog.giveBack([...this.#inFlight.values()].map(({ delivery }) => delivery))
    this.#inFlight.clear()
    this.#bytesInFlight = 0
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
    if (!link) return
    const forwardings: Forwarding[] = []
    while (this.#hasRoom()) {
      const delivery = this.#backlog.take()
      if (!delivery) break
      // An ACK names a message by its id alone: two of one id, from different groups, go one after the other.
      if (this.#inFlight.has(delivery.message.messageId)) {
        this.#backlog.giveBack([delivery])
        break
      }
      forwardings.push(this.#send(link, delivery))
    }
    if (forwardings.length > 0) {
      this.#arm()
      this.#context.hooks.forwarded.call(forwardings)
    }
    if (this.#backlog.wantsRefill && this.#hasRoom()) void this.#refill()
  }

  /** The recipient has acknowledged a message. Undefined when that message was not in flight to it. */
  settle(messageId: string): PendingDelivery | undefined {
    const flight = this.#inFlight.get(messageId)
    if (!flight) return undefined
    this.#inFlight.delete(messageId)
    this.#bytesInFlight -= flight.bytes
    this.#progressAt = this.#context.runtime.monotonic()
    this.#backlog.settled()
    return flight.delivery
  }

  /** Sends what is still in flight once more, in order. */
  sendAgain(due: readonly DueDelivery[]): void {
    const link = this.#link
    if (!link) return
    const forwardings: Forwarding[] = []
    for (const { message } of due) {
      const flight = this.#inFlight.get(message.messageId)
      if (!flight) continue
      flight.sends++
      link.send(this.#context.frame(flight.delivery))
      forwardings.push({ recipient: this.#recipient, message, sends: flight.sends })
    }
    if (forwardings.length > 0) this.#context.hooks.forwarded.call(forwardings)
  }

  /** Two names turned out to be one recipient: what is stored is read anew. */
  reload(pending: number): void {
    this.#inFlight.clear()
    this.#bytesInFlight = 0
    this.#backlog.reload(pending)
    this.pump()
  }

  close(): void {
    this.#closed = true
    this.detach()
  }

  #hasRoom(): boolean {
    if (this.#inFlight.size === 0) return true
    return this.#inFlight.size < WINDOW_MESSAGES && this.#bytesInFlight < WINDOW_BYTES
  }

  #send(link: Link, delivery: PendingDelivery): Forwarding {
    const frame = this.#context.frame(delivery)
    const bytes = Buffer.byteLength(frame)
    this.#inFlight.set(delivery.message.messageId, { delivery, bytes, sends: 1 })
    this.#bytesInFlight += bytes
    link.send(frame)
    return { recipient: this.#recipient, message: delivery.message, sends: 1 }
  }

  async #refill(): Promise<void> {
    try {
      if (await this.#backlog.refill()) this.pump()
    } catch (error) {
      const { log, runtime, retryDelayMs } = this.#context
      log.error('backlog unreadable', { recipient: this.#recipient.name, reason: problemOf(error), error })
      runtime.after(retryDelayMs, () => this.pump())
    }
  }

  /** One timer for all that is in flight: each acknowledgement gives the rest another full delay. */
  #arm(): void {
    if (this.#timer) return
    this.#progressAt = this.#context.runtime.monotonic()
    this.#wait(this.#context.retryDelayMs)
  }

  #wait(milliseconds: number): void {
    this.#timer = this.#context.runtime.after(milliseconds, () => {
      this.#timer = undefined
      this.#timeUp()
    })
  }

  #timeUp(): void {
    if (this.#inFlight.size === 0 || this.#closed) return
    const { runtime, retryDelayMs } = this.#context
    const quiet = runtime.monotonic() - this.#progressAt
    if (quiet < retryDelayMs) {
      this.#wait(retryDelayMs - quiet)
      return
    }
    const due = [...this.#inFlight.values()].map(({ delivery, sends }) => ({
      recipient: this.#recipient,
      message: delivery.message,
      sends,
    }))
    this.#arm()
    void this.#context.hooks.republish.promise(due)
  }
}
