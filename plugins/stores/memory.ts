import {
  type Batch,
  type Entry,
  type Message,
  type PendingDelivery,
  type PendingLimit,
  type Plugin,
  type RecipientKey,
  type RecipientRecord,
  type Store,
  type StoreContext,
  type StoredMessage,
  type StoreState,
  type StoreStatistics,
  type StoreVerdict,
  slipstreamError,
} from '../../core/index.ts'
import { judgeSameId, type KnownMessage, publisherOf } from './repetition.ts'

/**
 * Keeps messages in memory until the process ends, and forgets none before: for tests, trials and the simulator. What it
 * acknowledges does not survive a restart.
 */
export function memory(): Plugin {
  return {
    name: 'store-memory',
    apply(kernel) {
      kernel.store(new MemoryStore())
    },
  }
}

interface Kept extends KnownMessage {
  readonly stored: StoredMessage
}

interface KeptRecipient extends RecipientRecord {
  readonly key: RecipientKey
  /** Places of the deliveries that wait, ascending. */
  waiting: Set<number>
}

/** The contract of a store over plain maps. What it holds survives `close`: the same object can be opened again. */
export class MemoryStore implements Store {
  readonly name = 'memory'
  readonly #messages = new Map<number, Kept>()
  /** The newest message of each id. */
  readonly #byId = new Map<string, Kept>()
  /** How many recipients the message had that took the place in its origin's sequence. */
  readonly #bySequence = new Map<string, number>()
  readonly #recipients = new Map<RecipientKey, KeptRecipient>()
  #context: StoreContext | undefined
  #identity: { readonly instanceId: string; readonly epoch: string } | undefined
  #lastKey = 0
  #lastSeq = 0
  #lastSequence = 0
  #lastVersion: string | undefined
  #bytes = 0

  async open(context: StoreContext): Promise<StoreState> {
    const { runtime, instanceId: wish } = context
    if (this.#context) throw slipstreamError('SLP_STORE_IN_USE', ['This store in memory'])
    const identity = this.#identity ?? { instanceId: wish ?? runtime.id(), epoch: runtime.id() }
    const { instanceId } = identity
    if (wish !== undefined && wish !== instanceId) throw slipstreamError('SLP_INSTANCE_ID_CHANGED', [instanceId, wish])
    this.#identity = identity
    this.#context = context
    const recipients = [...this.#recipients.values()]
    return {
      ...identity,
      lastSequence: this.#lastSequence,
      lastVersion: this.#lastVersion,
      recipients: recipients.map(({ waiting, ...record }) => ({ ...record, pending: waiting.size })),
    }
  }

  async write({ entries, settlements }: Batch): Promise<readonly StoreVerdict[]> {
    const now = this.#opened().runtime.now()
    for (const { recipient, seq } of settlements) this.#recipients.get(recipient)?.waiting.delete(seq)
    return entries.map((entry) => this.#store(entry, now))
  }

  async pending(recipient: RecipientKey, after: number, limit: PendingLimit): Promise<readonly PendingDelivery[]> {
    this.#opened()
    const deliveries: PendingDelivery[] = []
    let bytes = 0
    for (const seq of this.#recipients.get(recipient)?.waiting ?? []) {
      if (seq <= after) continue
      const message = this.#message(seq).stored
      bytes += Buffer.byteLength(message.text)
      if (deliveries.length > 0 && bytes > limit.bytes) break
      deliveries.push({ seq, message })
      if (deliveries.length >= limit.messages) break
    }
    return deliveries
  }

  async saveRecipient({ name, role, tags, clusterGroupId, url }: RecipientRecord): Promise<RecipientKey> {
    this.#opened()
    const known = this.#named(name)
    const key = known?.key ?? ++this.#lastKey
    this.#recipients.set(key, { key, name, role, tags, clusterGroupId, url, waiting: known?.waiting ?? new Set() })
    return key
  }

  async renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }> {
    this.#opened()
    const source = this.#named(from)
    const target = this.#named(to)
    const kept = target ?? source
    if (!kept) throw slipstreamError('SLP_RECIPIENT_UNKNOWN', [from])
    const { key } = kept
    const places = [...new Set([...(source?.waiting ?? []), ...kept.waiting])].sort((one, other) => one - other)
    const waiting = new Set(places.filter((seq) => !this.#message(seq).stored.path.includes(to)))
    if (source) this.#recipients.delete(source.key)
    this.#recipients.set(key, { ...kept, name: to, url: source?.url ?? kept.url, waiting })
    return { key, pending: waiting.size }
  }

  async forgetRecipient(key: RecipientKey): Promise<void> {
    this.#opened()
    this.#recipients.delete(key)
  }

  statistics(): StoreStatistics {
    let pending = 0
    for (const { waiting } of this.#recipients.values()) pending += waiting.size
    return { messages: this.#messages.size, pending, bytes: this.#bytes }
  }

  async close(): Promise<void> {
    this.#context = undefined
  }

  #opened(): StoreContext {
    if (!this.#context) throw slipstreamError('SLP_STORE_FAILED', ['it is not open'])
    return this.#context
  }

  #store({ message, recipients }: Entry, now: number): StoreVerdict {
    const known = this.#bySequence.get(sequenceOf(message))
    if (known !== undefined) return { status: 'duplicate', recipients: known }
    const sameId = this.#byId.get(idOf(message))
    const verdict = (sameId && judgeSameId(message, sameId, now)) ?? this.#keep(message, recipients, now)
    if (verdict.status === 'stored') this.#take(message, recipients.length)
    if (verdict.status === 'duplicate') this.#take(message, verdict.recipients)
    return verdict
  }

  #keep(message: Message, recipients: readonly RecipientKey[], receivedAt: number): StoreVerdict {
    const stranger = recipients.find((key) => !this.#recipients.has(key))
    if (stranger !== undefined) return { status: 'rejected', reason: `there is no recipient ${stranger}` }
    const { type, messageId, clusterGroupId, text, path, fingerprint, version } = message
    const seq = ++this.#lastSeq
    const stored = { seq, type, messageId, clusterGroupId, text, path, receivedAt }
    const kept = { stored, fingerprint, publisher: publisherOf(message), receivedAt, recipients: recipients.length }
    this.#messages.set(seq, kept)
    this.#byId.set(idOf(message), kept)
    this.#bytes += Buffer.byteLength(text)
    for (const key of recipients) this.#recipients.get(key)?.waiting.add(seq)
    if (version !== undefined && version > (this.#lastVersion ?? '')) this.#lastVersion = version
    return { status: 'stored', seq }
  }

  /** Marks the message's place in its origin's sequence as taken. */
  #take(message: Message, recipients: number): void {
    const { originInstanceId, originSequence } = message
    this.#bySequence.set(sequenceOf(message), recipients)
    const own = originInstanceId === this.#identity?.instanceId && originSequence.epoch === this.#identity.epoch
    if (own && originSequence.n > this.#lastSequence) this.#lastSequence = originSequence.n
  }

  #named(name: string): KeptRecipient | undefined {
    for (const recipient of this.#recipients.values()) if (recipient.name === name) return recipient
    return undefined
  }

  #message(seq: number): Kept {
    return this.#messages.get(seq) as Kept
  }
}

function idOf({ clusterGroupId, messageId }: Message): string {
  return `${clusterGroupId} ${messageId}`
}

function sequenceOf({ originInstanceId, originSequence: { epoch, n } }: Message): string {
  return `${originInstanceId} ${epoch} ${n}`
}
