import type { Applier } from './applier.ts'
import { Backlog } from './backlog.ts'
import { problemOf } from './errors.ts'
import type { Hooks } from './hooks.ts'
import type { Log } from './log.ts'
import type { Recipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery, RecipientKey, Store } from './store.ts'
import { readStored } from './stored-message.ts'

/** The name under which an instance is its own recipient. No peer can bear it: `@` is in no id. */
export const SELF = '@self'

const APPLY_AT_ONCE = 256

export interface SelfContext {
  readonly store: Store
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly log: Log
  readonly applier: Applier
  readonly retryDelayMs: number
  /** Whether what becomes of a delivery can be written down. If not, nothing new is applied. */
  mayDeliver(): boolean
  settle(seq: number): void
}

/**
 * This instance as a recipient: applying a message is a delivery like any other, stored until it is done, repeated until
 * then. Messages are handed to their types in the order in which they were stored, as many at once as wait.
 */
export class SelfRecipient implements Recipient {
  readonly name = SELF
  readonly role = 'self'
  readonly durable = true
  readonly connected = true
  readonly circuit = undefined
  readonly deferred = 0
  readonly lastSeenAt = undefined
  readonly tags: ReadonlySet<string>
  readonly key: RecipientKey
  readonly #backlog: Backlog
  readonly #context: SelfContext
  #applying: PendingDelivery[] = []
  #busy = false
  #closed = false

  constructor(key: RecipientKey, pending: number, tags: readonly string[], context: SelfContext) {
    this.key = key
    this.tags = new Set(tags)
    this.#context = context
    this.#backlog = new Backlog(context.store, () => key, pending)
  }

  get pending(): number {
    return this.#backlog.pending
  }

  get inFlight(): number {
    return this.#applying.length
  }

  /** There may be deliveries that nobody has offered. */
  doubt(): void {
    this.#backlog.doubt()
    this.pump()
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

  offer(delivery: PendingDelivery): void {
    this.#backlog.offer(delivery)
  }

  /** Applies what waits. Returns at once; one round runs at a time. */
  pump(): void {
    if (this.#busy || this.#closed) return
    this.#busy = true
    void this.#applyAll()
  }

  close(): void {
    this.#closed = true
  }

  async #applyAll(): Promise<void> {
    try {
      while (!this.#closed && this.#context.mayDeliver() && (await this.#takeSome())) await this.#applySome()
      this.#busy = false
    } catch (error) {
      this.#context.log.error('apply failed', { reason: problemOf(error), error, count: this.#applying.length })
      this.#backlog.giveBack(this.#applying)
      this.#applying = []
      this.#context.runtime.after(this.#context.retryDelayMs, () => {
        this.#busy = false
        this.pump()
      })
    }
  }

  async #takeSome(): Promise<boolean> {
    while (this.#backlog.wantsRefill) await this.#backlog.refill()
    while (this.#applying.length < APPLY_AT_ONCE) {
      const delivery = this.#backlog.take()
      if (!delivery) break
      this.#applying.push(delivery)
    }
    return this.#applying.length > 0
  }

  /** Runs of one type go to that type together; what is applied is settled before the next run begins. */
  async #applySome(): Promise<void> {
    while (this.#applying.length > 0 && !this.#closed) {
      const type = (this.#applying[0] as PendingDelivery).message.type
      const end = this.#applying.findIndex(({ message }) => message.type !== type)
      const run = end < 0 ? this.#applying : this.#applying.slice(0, end)
      await this.#context.applier.apply(
        type,
        run.map(({ message }) => readStored(message)),
      )
      for (const { seq } of run) this.#settled(seq)
      this.#applying = this.#applying.slice(run.length)
    }
  }

  #settled(seq: number): void {
    this.#backlog.settled()
    this.#context.settle(seq)
  }
}
