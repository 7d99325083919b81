import type { DueDelivery, Forwarding } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { InFlight } from './in-flight.ts'
import type { Link } from './links.ts'
import type { Recipient } from './recipient.ts'
import type { PendingDelivery } from './store.ts'

export interface SenderContext {
  readonly hooks: Hooks
}

/** Puts deliveries of one recipient on its link, where they are in flight from then on. */
export class Sender {
  readonly #recipient: Recipient
  readonly #inFlight: InFlight
  readonly #context: SenderContext
  #forwardings: Forwarding[] = []

  constructor(recipient: Recipient, inFlight: InFlight, context: SenderContext) {
    this.#recipient = recipient
    this.#inFlight = inFlight
    this.#context = context
  }

  send(link: Link, delivery: PendingDelivery): void {
    this.#inFlight.add(delivery, link.codec.deliver(delivery.message))
    this.#note(delivery, delivery.attempts.sends + 1)
  }

  /** Sends once more, in order, what is still in flight. */
  sendAgain(link: Link, due: readonly DueDelivery[]): void {
    for (const { delivery } of due) {
      const flight = this.#inFlight.get(delivery.message.messageId)
      if (!flight) continue
      flight.sends++
      link.codec.deliver(flight.delivery.message)
      this.#note(flight.delivery, flight.sends)
    }
    this.tell()
  }

  /** Tells of all that was sent since the last time. */
  tell(): void {
    if (this.#forwardings.length === 0) return
    const forwardings = this.#forwardings
    this.#forwardings = []
    this.#context.hooks.forwarded.call(forwardings)
  }

  #note({ message }: PendingDelivery, sends: number): void {
    this.#forwardings.push({ recipient: this.#recipient, message, sends })
  }
}
