import type { Link } from './links.ts'
import type { Message } from './message.ts'
import type { PluginName } from './plugin.ts'
import type { NackCode } from './protocol/fault.ts'
import type { Received } from './protocol/received.ts'
import type { Recipient } from './recipient.ts'
import type { Route } from './route.ts'
import type { Attempts, DeadReason, PendingDelivery, ScheduledKey, StoredMessage } from './store.ts'

/** What a tap of `onReceive` may answer instead of letting a message pass. */
export type Receipt =
  | { readonly status: 'duplicate'; readonly recipients: number; readonly clusterGroupId?: string }
  | {
      readonly status: 'refused'
      readonly code: NackCode
      readonly reason: string
      readonly retryable?: boolean
      /** In milliseconds. */
      readonly retryAfterMs?: number
    }

/** A message on its way to the store, and whom it is for. */
export interface Arrival {
  /** As it came in. Undefined for a scheduled message whose time has come: its sender was told when it was accepted. */
  readonly received?: Received
  readonly message: Message
  readonly route: Route
  /** The scheduled message of which this is the release. */
  readonly releases?: ScheduledKey
}

/** A message that is durable here; its sender may forget it. */
export interface Acknowledgement {
  readonly sender: Link
  /** That it bore on a linked connection; it is answered by its id otherwise. */
  readonly number?: number | undefined
  readonly messageId: string
  /** As the message bears it; undefined when it bears none. */
  readonly clusterGroupId: string | undefined
  readonly type: string
  readonly status: 'stored' | 'duplicate'
  /** How many it is for; 0: nobody. */
  readonly recipients: number
  /** The message itself, when it was stored just now. */
  readonly message: Message | undefined
  /** When it came in, by the clock that only grows, in milliseconds. */
  readonly arrivedAt: number
}

/** A message that is not kept here. */
export interface Refusal {
  readonly sender: Link
  /** That it bore on a linked connection; it is answered by its id otherwise. */
  readonly number?: number | undefined
  /** Undefined when the frame holds no proper one, or could not be read as far as that. */
  readonly messageId: string | undefined
  readonly type: string | undefined
  readonly code: NackCode
  /** What was wrong and where, with the remedy; never what was sent. */
  readonly reason: string
  /** Whether sending the same again later may succeed. */
  readonly retryable: boolean
  /** Advice for when, in milliseconds from now, if anything is known. */
  readonly retryAfterMs?: number | undefined
  /** What else is known, for the log alone. */
  readonly detail?: string
}

/** Messages of one type that were for this instance and are handled. */
export interface Applied {
  readonly type: string
  readonly messages: readonly Message[]
  /** Those of which nothing holds: they came late, and something newer was there. Acknowledged and kept all the same. */
  readonly superseded: ReadonlySet<Message>
}

/** A delivery that went out on a link. */
export interface Forwarding {
  readonly recipient: Recipient
  readonly message: StoredMessage
  /** 1 for the first time. */
  readonly sends: number
}

/**
 * Why a delivery did not succeed:
 * - `nack`: the recipient refused it, and another attempt may succeed; or this instance could not apply it
 * - `rejection`: the recipient refused it for good
 * - `timeout`: not acknowledged, although the recipient acknowledged what was sent later
 * - `silence`: no word from the recipient at all; the delivery is still in flight
 * - `disconnect`: the link was lost while it was alone in flight
 * - `expiry`: its time was over before it was sent
 */
export type DueCause = 'nack' | 'rejection' | 'timeout' | 'silence' | 'disconnect' | 'expiry'

/** A delivery that did not succeed. What becomes of it is decided by the taps of `republish`. */
export interface DueDelivery {
  readonly recipient: Recipient
  readonly delivery: PendingDelivery
  readonly cause: DueCause
  /** What the recipient said, or what happened. */
  readonly error: string
  /** The plugin that failed, where this instance could not apply a message. */
  readonly plugin?: PluginName | undefined
  /** This failure included. */
  readonly attempts: Attempts
}

/** A delivery that was given up. */
export interface DeadLettered {
  readonly recipient: Recipient
  readonly message: StoredMessage
  readonly reason: DeadReason
  readonly attempts: Attempts
}

/** A delivery that its recipient has acknowledged. */
export interface Settled {
  readonly recipient: Recipient
  readonly message: StoredMessage
}
