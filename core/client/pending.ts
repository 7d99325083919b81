import type { Timer } from '../runtime/runtime.ts'
import type { ClientError } from './errors.ts'
import type { Ordered } from './key-order.ts'

/** What a publish resolves to: an instance has the message on its disk. */
export interface Receipt {
  readonly messageId: string
  /** `duplicate`: it was there already. */
  readonly status: 'stored' | 'duplicate'
  /** For how many recipients it is; 0: nobody. */
  readonly recipients: number
  /** Stamp of the write: orders it among all others. Undefined for what an earlier run of the outbox has published. */
  readonly version: string | undefined
  /** Who acknowledged it. */
  readonly instanceId: string | undefined
}

export interface Waiter {
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (reason: unknown) => void
  readonly deadline: number
  readonly timeoutMs: number
  /** Lets go of the signal. */
  release: () => void
}

/** A message that no instance has acknowledged yet, and who waits for that. */
export class Pending implements Ordered {
  readonly messageId: string
  /** Its text but for version and last brace. */
  readonly head: string
  readonly orderingKey: string | undefined
  readonly place: number
  /** When it was published, by this machine's clock. */
  readonly at: number
  /** As it is sent, once it is stamped. */
  text: string | undefined
  version: string | undefined
  waiters: Waiter[] = []
  inFlight = false
  isSettled = false
  /** Whether it is in the outbox. */
  isKept = false
  refusals = 0
  lastRefusal: ClientError | undefined
  retryTimer: Timer | undefined
  /** The same message, which the outbox held already. */
  successor: Pending | undefined

  constructor(
    messageId: string,
    head: string,
    text: string | undefined,
    orderingKey: string | undefined,
    place: number,
    at: number,
  ) {
    this.messageId = messageId
    this.head = head
    this.text = text
    this.isKept = text !== undefined
    this.orderingKey = orderingKey
    this.place = place
    this.at = at
  }

  /** Whether that is the same message, whatever its stamp. */
  isOf(head: string): boolean {
    return this.head === head || this.head.startsWith(`${head},"version":"`)
  }

  stamp(version: string): void {
    this.version = version
    this.text = `${this.head},"version":"${version}"}`
  }

  /** Its connection is gone. */
  rest(): void {
    this.inFlight = false
    this.retryTimer?.cancel()
  }

  /** Tells everybody who waits, once. */
  settle(tell: (waiter: Waiter) => void): void {
    this.isSettled = true
    this.retryTimer?.cancel()
    for (const waiter of this.waiters) {
      waiter.release()
      tell(waiter)
    }
  }
}
