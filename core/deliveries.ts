import type { DueDelivery, Settled } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import { DurableRecipient } from './recipient.ts'
import type { Settlement } from './store.ts'

/** Deliveries on their way, as plugins may influence them. */
export class Deliveries {
  readonly #hooks: Hooks
  readonly #settle: (settlement: Settlement) => void

  constructor(hooks: Hooks, settle: (settlement: Settlement) => void) {
    this.#hooks = hooks
    this.#settle = settle
  }

  /**
   * The other end of a link says that a message is durable there: its delivery is done. Only what is in flight to that
   * very recipient can be acknowledged; anything else changes nothing, and undefined is returned.
   */
  acknowledged(link: Link, messageId: string): Settled | undefined {
    const { recipient } = link
    if (!(recipient instanceof DurableRecipient) || recipient.link !== link) return undefined
    const delivery = recipient.outbox.settle(messageId)
    if (!delivery) return undefined
    this.#settle({ recipient: recipient.key, seq: delivery.seq })
    const settled: Settled = { recipient, message: delivery.message }
    this.#hooks.settled.call(settled)
    recipient.outbox.pumpSoon()
    return settled
  }

  /** Sends what is due once more to those who are linked. What was acknowledged meanwhile is left out. */
  sendAgain(due: readonly DueDelivery[]): void {
    const recipients = new Set(due.map(({ recipient }) => recipient))
    for (const recipient of recipients) {
      if (!(recipient instanceof DurableRecipient)) continue
      recipient.outbox.sendAgain(due.filter((one) => one.recipient === recipient))
    }
  }
}
