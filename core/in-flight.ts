import type { Window } from './protocol/limits.ts'
import type { PendingDelivery } from './store.ts'

/** A delivery that was sent and is not acknowledged. */
export interface Flight {
  readonly delivery: PendingDelivery
  readonly bytes: number
  /** How often it was sent on this link. */
  sends: number
  /** Since when the recipient has been acknowledging what was sent later, in milliseconds of the clock that only grows. */
  overtakenAt: number | undefined
}

/** In flight to one recipient at most, whatever it grants. */
const MAX_WINDOW: Window = Object.freeze({ messages: 2_048, bytes: 1024 * 1024 })

/** The window of one recipient: what was sent to it and awaits its word, in the order of sending. */
export class InFlight {
  readonly #flights = new Map<string, Flight>()
  #bytes = 0

  get size(): number {
    return this.#flights.size
  }

  /** Whether one more may go, by what the recipient grants. One message always may, unless it grants nothing at all. */
  hasRoom({ messages, bytes }: Window): boolean {
    if (this.#flights.size === 0) return messages > 0
    return (
      this.#flights.size < Math.min(messages, MAX_WINDOW.messages) && this.#bytes < Math.min(bytes, MAX_WINDOW.bytes)
    )
  }

  has(messageId: string): boolean {
    return this.#flights.has(messageId)
  }

  get(messageId: string): Flight | undefined {
    return this.#flights.get(messageId)
  }

  all(): readonly Flight[] {
    return [...this.#flights.values()]
  }

  add(delivery: PendingDelivery, bytes: number): void {
    this.#flights.set(delivery.message.messageId, { delivery, bytes, sends: 1, overtakenAt: undefined })
    this.#bytes += bytes
  }

  /** The recipient has spoken of a message, or it is given up. Undefined when that message is not in flight. */
  take(messageId: string): Flight | undefined {
    const flight = this.#flights.get(messageId)
    if (!flight) return undefined
    this.#flights.delete(messageId)
    this.#bytes -= flight.bytes
    return flight
  }

  /** Takes note that everything sent before this flight has been overtaken by its acknowledgement. */
  overtake(acknowledged: string, now: number): void {
    if (!this.#flights.has(acknowledged)) return
    for (const [messageId, flight] of this.#flights) {
      if (messageId === acknowledged) return
      flight.overtakenAt ??= now
    }
  }

  /** When the one that has been overtaken for the longest time was. */
  get firstOvertakenAt(): number | undefined {
    // The first that was sent was overtaken first, or not at all.
    for (const { overtakenAt } of this.#flights.values()) return overtakenAt
    return undefined
  }

  /** Flights that were overtaken that long ago: they timed out, for the recipient is alive and well. */
  overtakenBefore(time: number): readonly Flight[] {
    return this.all().filter(({ overtakenAt }) => overtakenAt !== undefined && overtakenAt <= time)
  }

  /** Empties the window. */
  takeAll(): readonly Flight[] {
    const flights = this.all()
    this.#flights.clear()
    this.#bytes = 0
    return flights
  }
}
