import type { Message } from './message.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { StateEntry, StateOutcome } from './state.ts'
import type { Subscription } from './subscription.ts'

/** What a store is handed, and what it hands back. The contract itself is `store.ts`. */

export interface StoreContext {
  readonly runtime: Runtime
  /** The instance id that the configuration asks for. */
  readonly instanceId: string | undefined
}

export interface StoreState {
  readonly instanceId: string
  /** The epoch of this store's own sequence: another one whenever the data began anew. */
  readonly epoch: string
  /** The last place in the own sequence that is taken; 0 for none. */
  readonly lastSequence: number
  /** The last version stamp that this instance gave or followed, so that its clock never goes back behind it. */
  readonly lastVersion: string | undefined
  /** All recipients that are remembered. */
  readonly recipients: readonly SavedRecipient[]
}

export interface Batch extends DeliveryChanges {
  readonly entries: readonly Entry[]
  /**
   * The last version stamp that the clock of this instance gave or followed. Kept when it is greater than the one before;
   * what stamps the messages bear is no matter, for some lie in the far future.
   */
  readonly lastVersion?: string | undefined
}

/** What became of deliveries since the last batch. */
export interface DeliveryChanges {
  readonly settlements: readonly Settlement[]
  /** Failures that are counted on disk before the delivery goes again. */
  readonly retries: readonly Retry[]
  /** Deliveries that are given up. */
  readonly deaths: readonly Death[]
}

/** A message that is to be stored, and whom it is for. */
export interface Entry {
  readonly message: Message
  /** Keys of the durable recipients: each gets a delivery. Of a scheduled message they are counted, and get nothing yet. */
  readonly recipients: readonly RecipientKey[]
  /** For whom it is when all that is new about it is a greater version. Undefined: for nobody, it is a duplicate then. */
  readonly lifts?: readonly RecipientKey[] | undefined
  /** What it says of the state, to be joined as it is stored, and the recipient for whom that is all. Not as it is lifted. */
  readonly joins?: Joining | undefined
  /** The scheduled message of which this is the release. */
  readonly releases?: ScheduledKey | undefined
}

export interface Joining {
  /** One of the entry's. */
  readonly recipient: RecipientKey
  readonly delta: StateEntry
}

/** A delivery that is done: the recipient has acknowledged it. */
export interface Settlement {
  readonly recipient: RecipientKey
  readonly seq: number
  /** True when it changed nothing, because what was there was newer. If a replay job had revived it, the job counts that. */
  readonly superseded?: boolean
}

/** How often a delivery was sent, and what came of it, by cause. Kept from the first failure on. */
export interface Attempts {
  readonly sends: number
  /** Refusals that another attempt may overcome. */
  readonly nacks: number
  /** Times without an acknowledgement although the recipient acknowledged something sent later. */
  readonly timeouts: number
  /** Times that the link was lost while nothing else was in flight. */
  readonly disconnects: number
}

/** A delivery that failed and goes again. */
export interface Retry extends Settlement {
  readonly attempts: Attempts
  /** Not before this time, in milliseconds since the epoch. */
  readonly dueAt: number
}

/** A delivery that is given up, and why. */
export interface Death extends Settlement {
  readonly reason: DeadReason
  /** What the recipient or the plugin said, without values. */
  readonly error: string
  readonly attempts: Attempts
  /** The plugin that gave it up, and its version. */
  readonly plugin: string
  readonly pluginVersion: string | undefined
}

/** Why deliveries are given up (§6 of the protocol), and nothing else is a reason. */
export type DeadReason = 'REJECTED' | 'ATTEMPTS_EXHAUSTED' | 'EXPIRED' | 'POISON' | 'INTEGRITY' | 'RECIPIENT_FORGOTTEN'

export type DeadLetterId = number

/** A delivery that was given up. Never holds the value. */
export interface DeadLetter {
  readonly id: DeadLetterId
  /** Undefined for the summary of a forgotten recipient. */
  readonly messageId: string | undefined
  readonly clusterGroupId: string | undefined
  readonly type: string | undefined
  readonly orderingKey: string | undefined
  readonly recipient: string
  readonly reason: DeadReason
  readonly error: string
  readonly attempts: Attempts
  readonly path: readonly string[]
  readonly plugin: string
  readonly pluginVersion: string | undefined
  /** In milliseconds since the epoch. */
  readonly diedAt: number
  /** How many deliveries it stands for: 1, or more for a summary. */
  readonly count: number
}

/** All that is given must hold. */
export interface DeadLetterFilter {
  readonly ids?: readonly DeadLetterId[]
  readonly recipient?: string
  readonly type?: string
  /** None of these types. */
  readonly exceptTypes?: readonly string[]
  readonly keyPrefix?: string
  readonly reason?: DeadReason
  /** In milliseconds since the epoch. */
  readonly diedBefore?: number
}

export interface DeadLetterPage {
  readonly after?: DeadLetterId
  readonly limit: number
}

export interface DeadLetterList {
  readonly total: number
  readonly items: readonly DeadLetter[]
}

export interface RevivedDelivery extends PendingDelivery {
  readonly recipient: RecipientKey
}

export interface PurgeLimits {
  /** In milliseconds since the epoch, both. */
  readonly settledBefore: number
  readonly deadBefore: number
  readonly limit: number
}

export interface Purged {
  readonly messages: number
  readonly deadLetters: number
  /** Deliveries that were forgotten before and had left something behind. */
  readonly deliveries: number
}

/** The space whose keys they write, by the names of types. */
export type Spaces = ReadonlyMap<string, string>

export interface Collapsed {
  /** How many deliveries were collapsed. */
  readonly deliveries: number
  /** How many still wait for the recipient. */
  readonly pending: number
  /** Whether the end of what waits was reached: the next call begins anew. */
  readonly done: boolean
}

export interface Weighed {
  readonly bytes: number
  readonly last: number
}

export interface Shed {
  /** How many texts were given up. */
  readonly texts: number
  /** Whether the last message was reached: the next call begins anew. */
  readonly done: boolean
}

export interface LedgerRow {
  readonly recipient: string
  readonly targeted: number
  readonly acked: number
  readonly pending: number
  readonly dead: number
  readonly collapsed: number
  readonly forgotten: number
  /** When the first message that waits was received here, in milliseconds since the epoch; undefined when none waits. */
  readonly oldestPendingAt: number | undefined
}

export type StoreVerdict =
  | {
      readonly status: 'stored' /** Its place in this store; later messages have greater ones. */
      readonly seq: number
      /** The lanes of its deliveries, by recipient, where they are not that of the default priority. */
      readonly lanes?: ReadonlyMap<RecipientKey, number>
      /** What became of what it joins; undefined: it joins nothing, or waits as a delivery. */
      readonly joined?: StateOutcome
    }
  | { readonly status: 'scheduled' }
  | { readonly status: 'duplicate' /** How many recipients it had when it was stored. */; readonly recipients: number }
  | {
      readonly status: 'lifted' /** Its place in this store. */
      readonly seq: number
      /** As those of a stored one. */
      readonly lanes?: ReadonlyMap<RecipientKey, number>
      /** How many recipients it had when it was stored for the first time. */
      readonly recipients: number
    }
  | { readonly status: 'conflict' }
  | { readonly status: 'rejected'; readonly reason: string }
  | { readonly status: 'uncertain' }

/** A small number that stands for a recipient within one store. */
export type RecipientKey = number

export interface RecipientRecord {
  /** Its instance id, its client name, or the URL it is configured under until its id is known. */
  readonly name: string
  readonly role: 'instance' | 'client'
  readonly tags: readonly string[]
  readonly clusterGroupId: string | undefined
  /** The URL under which the configuration names it, so that it is found again by it after a restart. */
  readonly url: string | undefined
  /** When it was last linked, in milliseconds since the epoch; when it was first remembered, if it never was. */
  readonly lastSeenAt: number
  /** What it wants of what is for it, kept until it is saved without; absent: everything. */
  readonly subscription?: Subscription | undefined
}

export interface SavedRecipient extends RecipientRecord {
  readonly key: RecipientKey
  /** How many deliveries wait for it. */
  readonly pending: number
}

/** For each lane a place in the store, 0 where nothing is said: the index is the lane. */
export type LanePlaces = readonly number[]

export interface PendingLimit {
  readonly messages: number
  readonly bytes: number
}

export interface PendingDelivery {
  readonly seq: number
  /** The priority that it has on its way: 0 to 9, and 9 goes first. Within a lane the older one goes first. */
  readonly lane: number
  readonly message: StoredMessage
  readonly attempts: Attempts
  /** Not before this time, in milliseconds since the epoch; 0: at once. */
  readonly dueAt: number
}

/** A number that stands for a scheduled message within one store, and never for another one. */
export type ScheduledKey = number

/** A message that waits for its time, as it was accepted. */
export interface ScheduledMessage
  extends Pick<StoredMessage, 'type' | 'messageId' | 'clusterGroupId' | 'text' | 'path'> {
  readonly key: ScheduledKey
  /** Not released before this time, in milliseconds since the epoch. */
  readonly dueAt: number
}

export interface DueMessages {
  readonly due: readonly ScheduledMessage[]
  /** When the first one is due that is not due yet, in milliseconds since the epoch; undefined: there is none. */
  readonly nextDueAt: number | undefined
}

/** What of a message is needed to deliver it. */
export interface StoredMessage {
  readonly seq: number
  readonly type: string
  readonly messageId: string
  readonly clusterGroupId: string
  readonly text: string
  readonly path: readonly string[]
  readonly orderingKey: string | undefined
  /** Hybrid-logical-clock stamp of the write. */
  readonly version: string | undefined
  /** Not delivered past this time, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  /** When it was received here, in milliseconds since the epoch. */
  readonly receivedAt: number
}

export interface StoreStatistics {
  readonly messages: number
  readonly pending: number
  /** Dead letters that are kept. */
  readonly dead: number
  /** Messages that wait for their time. */
  readonly scheduled: number
  /** What it takes up, room that is free for new messages included. */
  readonly bytes: number
  /** What is in use of that. */
  readonly usedBytes: number
  /** How far `usedBytes` can grow, by what the store was told and what its disk has room for; undefined: nobody knows. */
  readonly capacityBytes: number | undefined
  /** Deliveries that the store itself has given up since it was opened: all others are given up by plugins. */
  readonly givenUp: Readonly<Record<'INTEGRITY' | 'RECIPIENT_FORGOTTEN', number>>
  /** Figures of this kind of store alone, such as the size of a write-ahead log. Names become metric names. */
  readonly extra?: Readonly<Record<string, number>>
}
