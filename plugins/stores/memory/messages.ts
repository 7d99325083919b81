import { type Entry, type Message, messageKey, type StoredMessage, type StoreVerdict } from '../../../core/index.ts'
import { isLift, judgeSameId, type KnownMessage, publisherOf } from '../repetition.ts'

interface Kept extends KnownMessage {
  readonly stored: StoredMessage
}

/** The messages, and by what they are known again. */
export class KeptMessages {
  readonly #rememberMs: number
  readonly #messages = new Map<number, Kept>()
  /** The newest message of each id. */
  readonly #byId = new Map<string, Kept>()
  /** How many recipients the message had that took the place in its origin's sequence. */
  readonly #bySequence = new Map<string, number>()
  #lastSeq = 0
  #bytes = 0

  /** @param rememberMs how long the id that a publisher gave is remembered */
  constructor(rememberMs: number) {
    this.#rememberMs = rememberMs
  }

  get size(): number {
    return this.#messages.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A message that is kept. */
  at(seq: number): StoredMessage {
    return (this.#messages.get(seq) as Kept).stored
  }

  /** What the message is, when its place in its origin's sequence is taken; undefined: it is not. */
  judgePlace(message: Message): StoreVerdict | undefined {
    const recipients = this.#bySequence.get(sequenceOf(message))
    return recipients === undefined ? undefined : { status: 'duplicate', recipients }
  }

  /** What the message is, when its id was used a short time ago; undefined: it was not. */
  judgeId(message: Message, now: number): StoreVerdict | undefined {
    const known = this.#byId.get(messageKey(message))
    return known && judgeSameId(message, known, now - this.#rememberMs)
  }

  /** Whether an entry is a duplicate of the newest message of its id but for a greater version, and is for somebody then. */
  isLift(entry: Entry): boolean {
    const known = this.#byId.get(messageKey(entry.message))
    return known !== undefined && isLift(entry, known)
  }

  /** Takes the place of a message that is not kept. */
  takePlace(message: Message, recipients: number): void {
    this.#bySequence.set(sequenceOf(message), recipients)
  }

  /** How many recipients the newest message of that id had. */
  recipientsOf(message: Message): number {
    return this.#byId.get(messageKey(message))?.recipients ?? 0
  }

  /** Keeps a message that is new. Returns its place. */
  add(message: Message, recipients: number, receivedAt: number): number {
    const { type, messageId, clusterGroupId, text, path, orderingKey, expiresAt, fingerprint, version } = message
    const seq = ++this.#lastSeq
    const stored = { seq, type, messageId, clusterGroupId, text, path, orderingKey, version, expiresAt, receivedAt }
    const publisher = publisherOf(message)
    const kept = { stored, fingerprint, publisher, version: version ?? null, receivedAt, recipients }
    this.#messages.set(seq, kept)
    this.#byId.set(messageKey(message), kept)
    this.#bySequence.set(sequenceOf(message), recipients)
    this.#bytes += Buffer.byteLength(text)
    return seq
  }

  /** Forgets as many at most of those that nobody holds and whose id is forgotten. Returns how many. */
  purge(receivedBefore: number, limit: number, held: ReadonlySet<number>, now: number): number {
    const before = Math.min(receivedBefore, now - this.#rememberMs)
    let purged = 0
    for (const kept of this.#messages.values()) {
      if (purged >= limit) break
      if (kept.receivedAt >= before || held.has(kept.stored.seq)) continue
      this.#remove(kept)
      purged++
    }
    return purged
  }

  /** Gives up as many texts at most of those that nobody holds. Returns how many. */
  shed(limit: number, held: ReadonlySet<number>): number {
    let shed = 0
    for (const [seq, kept] of this.#messages) {
      if (shed >= limit) break
      if (kept.stored.text === '' || held.has(seq)) continue
      this.#bytes -= Buffer.byteLength(kept.stored.text)
      const bare = { ...kept, stored: { ...kept.stored, text: '' } }
      this.#messages.set(seq, bare)
      if (this.#byId.get(messageKey(kept.stored)) === kept) this.#byId.set(messageKey(kept.stored), bare)
      shed++
    }
    return shed
  }

  #remove(kept: Kept): void {
    const { stored } = kept
    this.#messages.delete(stored.seq)
    this.#bytes -= Buffer.byteLength(stored.text)
    if (this.#byId.get(messageKey(stored)) === kept) this.#byId.delete(messageKey(stored))
  }
}

function sequenceOf({ originInstanceId, originSequence: { epoch, n } }: Message): string {
  return `${originInstanceId} ${epoch} ${n}`
}
