import type { Message } from './message.ts'
import type { Runtime } from './runtime/runtime.ts'

/**
 * What a store author writes; the kernel turns it into hooks, so the author never sees one. Every sentence here is a test
 * of the conformance suite in `slipstream/testing`.
 *
 * A store is one writer's: a second instance that opens the same data is refused with `SLP_STORE_IN_USE`.
 */
export interface Store {
  readonly name: string

  /**
   * Opens or creates the data and migrates it. Resolves to what must be known before the first socket opens.
   * The instance id is drawn once and kept; a wish that contradicts it is refused with `SLP_INSTANCE_ID_CHANGED`.
   */
  open(context: StoreContext): Promise<StoreState>

  /**
   * Writes a batch in one transaction: for each entry the message, its deduplication marks and one delivery per
   * recipient; and removes the settled deliveries. Resolves to one verdict per entry, in order, once everything would
   * survive a power cut.
   *
   * A message is known already, and thus a `duplicate`, when its (originInstanceId, originSequence) was stored before,
   * however long ago, or its (clusterGroupId, messageId) within the last 24 hours. Of the latter, one with another
   * fingerprint or another named publisher is a `conflict` and stored nowhere. An entry that cannot be written by itself
   * is `rejected`, and the others of the batch are not held up by it.
   *
   * A rejected promise is indeterminate: everything or nothing of the batch may be on disk. Nobody may be told either;
   * writing the same batch again leaves each message stored once. `SLP_STORE_FAILED` may pass (a full disk);
   * after `SLP_STORE_LOST` (a failed sync, a corrupt file) the store writes nothing more until it is opened anew.
   */
  write(batch: Batch): Promise<readonly StoreVerdict[]>

  /**
   * Deliveries of a recipient that are not settled, with `seq` greater than `after`, oldest first; as many as fit into
   * `limit`, but one at least when there is any.
   */
  pending(recipient: RecipientKey, after: number, limit: PendingLimit): Promise<readonly PendingDelivery[]>

  /**
   * Remembers a recipient, or what is new about it. Resolves to its key, which stays the same as long as its name is
   * known.
   */
  saveRecipient(recipient: RecipientRecord): Promise<RecipientKey>

  /**
   * Gives the recipient `from` the name `to`: a configured peer whose id has become known. Deliveries of both are united
   * under one key, and those of messages that have passed `to` already are settled. The URL stays with it.
   * Renaming a second time does no harm; a name that was never saved is refused with `SLP_RECIPIENT_UNKNOWN`.
   */
  renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }>

  /** Forgets a recipient and the deliveries that wait for it. Its key is given to nobody else. */
  forgetRecipient(key: RecipientKey): Promise<void>

  /** Figures for metrics and health. Cheap: never a scan. */
  statistics(): StoreStatistics

  /** Closes cleanly. Closing twice does nothing. */
  close(): Promise<void>
}

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
  /** The last version stamp that this instance gave or saw, so that its clock never goes back behind it. */
  readonly lastVersion: string | undefined
  /** All recipients that are remembered. */
  readonly recipients: readonly SavedRecipient[]
}

export interface Batch {
  readonly entries: readonly Entry[]
  readonly settlements: readonly Settlement[]
}

/** A message that is to be stored, and whom it is for. */
export interface Entry {
  readonly message: Message
  /** Keys of the durable recipients: each gets a delivery. */
  readonly recipients: readonly RecipientKey[]
}

/** A delivery that is done: the recipient has acknowledged it. */
export interface Settlement {
  readonly recipient: RecipientKey
  readonly seq: number
}

export type StoreVerdict =
  | {
      readonly status: 'stored' /** Its place in this store; later messages have greater ones. */
      readonly seq: number
    }
  | { readonly status: 'duplicate' /** How many recipients it had when it was stored. */; readonly recipients: number }
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
}

export interface SavedRecipient extends RecipientRecord {
  readonly key: RecipientKey
  /** How many deliveries wait for it. */
  readonly pending: number
}

export interface PendingLimit {
  readonly messages: number
  readonly bytes: number
}

export interface PendingDelivery {
  readonly seq: number
  readonly message: StoredMessage
}

/** What of a message is needed to deliver it. */
export interface StoredMessage {
  readonly seq: number
  readonly type: string
  readonly messageId: string
  readonly clusterGroupId: string
  readonly text: string
  readonly path: readonly string[]
  /** When it was received here, in milliseconds since the epoch. */
  readonly receivedAt: number
}

export interface StoreStatistics {
  readonly messages: number
  readonly pending: number
  readonly bytes: number
  /** Figures of this kind of store alone, such as the size of a write-ahead log. Names become metric names. */
  readonly extra?: Readonly<Record<string, number>>
}
