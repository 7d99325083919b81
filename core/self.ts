import { Backlog } from './backlog.ts'
import { Inbox, type InboxContext } from './inbox.ts'
import type { StoredRecipient } from './recipient.ts'
import type { RecipientKey, Store } from './store.ts'

/** The name under which an instance is its own recipient. No peer can bear it: `@` is in no id. */
export const SELF = '@self'

export interface SelfContext extends Omit<InboxContext, 'settle'> {
  readonly store: Store
  settle(recipient: RecipientKey, seq: number, superseded: boolean): void
}

/**
 * This instance as a recipient: applying a message is a delivery like any other, stored until it is done, repeated until
 * then, a dead letter when it cannot be.
 */
export class SelfRecipient implements StoredRecipient {
  readonly name = SELF
  readonly role = 'self'
  readonly durable = true
  readonly connected = true
  readonly circuit = undefined
  readonly clockAheadMs = undefined
  readonly lastSeenAt = undefined
  readonly tags: ReadonlySet<string>
  readonly key: RecipientKey
  readonly outbox: Inbox

  constructor(key: RecipientKey, pending: number, tags: readonly string[], context: SelfContext) {
    this.key = key
    this.tags = new Set(tags)
    const backlog = new Backlog(context.store, () => key, pending)
    this.outbox = new Inbox(this, backlog, {
      ...context,
      settle: (seq, superseded) => context.settle(key, seq, superseded),
    })
  }

  get pending(): number {
    return this.outbox.pending
  }

  get inFlight(): number {
    return this.outbox.inFlight
  }

  get deferred(): number {
    return this.outbox.deferred
  }
}
