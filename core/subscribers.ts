import type { Link } from './links.ts'
import { DurableRecipient, type Recipient } from './recipient.ts'
import type { Recipients } from './recipients.ts'
import type { Store } from './store.ts'
import type { Subscription } from './subscription.ts'

export interface SubscribersContext {
  readonly store: Store
  readonly recipients: Recipients
  /** Runs what changes recipients while no group of messages is being stored. */
  readonly between: <Result>(task: () => Promise<Result>) => Promise<Result>
  readonly fail: (error: Error) => void
}

/** Those who have said that they want some of what is for them, and no more. */
export class Subscribers {
  readonly #context: SubscribersContext
  #everybody: readonly Recipient[] | undefined
  #those: readonly Recipient[] = []

  constructor(context: SubscribersContext) {
    this.#context = context
  }

  /** Every message asks for them: the same list until somebody subscribes, comes or goes. */
  all(): readonly Recipient[] {
    const everybody = this.#context.recipients.connectedOrDurable()
    if (everybody !== this.#everybody) {
      this.#everybody = everybody
      this.#those = everybody.filter(({ subscription }) => subscription !== undefined)
    }
    return this.#those
  }

  /** In force at once; resolves when it is kept. A link that is no longer in use speaks for nobody. */
  async subscribe(link: Link, subscription: Subscription | undefined): Promise<void> {
    const { recipient } = link
    if (!recipient || recipient.link !== link) return
    recipient.subscription = subscription
    this.#everybody = undefined
    if (recipient instanceof DurableRecipient) await this.#context.between(() => this.#keep(recipient))
  }

  async #keep(recipient: DurableRecipient): Promise<void> {
    if (recipient.forgotten) return
    try {
      await this.#context.store.saveRecipient(recipient.record())
    } catch (error) {
      if ((error as { code?: unknown }).code === 'SLP_STORE_LOST') this.#context.fail(error as Error)
      throw error
    }
  }
}
