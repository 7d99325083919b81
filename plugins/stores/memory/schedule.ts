import {
  type DueMessages,
  type Message,
  messageKey,
  type PendingLimit,
  type ScheduledKey,
  type ScheduledMessage,
  type StoreVerdict,
} from '../../../core/index.ts'
import { type Holder, judgeRepetition, publisherOf } from '../repetition.ts'

interface Kept extends Holder {
  readonly scheduled: ScheduledMessage
}

type Place = Pick<ScheduledMessage, 'dueAt' | 'key'>

/** Messages that wait for their time. */
export class KeptSchedule {
  readonly #byKey = new Map<ScheduledKey, Kept>()
  readonly #byId = new Map<string, Kept>()
  /** In the order of their time, those included that are gone; undefined when it must be made anew. */
  #inOrder: readonly ScheduledMessage[] | undefined
  #lastKey = 0
  #bytes = 0

  get size(): number {
    return this.#byKey.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What another message is under an id that one of these holds; undefined: none does. */
  judge(message: Message): StoreVerdict | undefined {
    const known = this.#byId.get(messageKey(message))
    return known && judgeRepetition(message, known)
  }

  add(message: Message, dueAt: number, recipients: number): void {
    const { type, messageId, clusterGroupId, text, path, fingerprint } = message
    const key = ++this.#lastKey
    const scheduled = { key, dueAt, type, messageId, clusterGroupId, text, path }
    const kept = { scheduled, fingerprint, publisher: publisherOf(message), recipients }
    this.#byKey.set(key, kept)
    this.#byId.set(messageKey(message), kept)
    this.#bytes += Buffer.byteLength(text)
    this.#inOrder = undefined
  }

  has(key: ScheduledKey): boolean {
    return this.#byKey.has(key)
  }

  remove(key: ScheduledKey): void {
    const kept = this.#byKey.get(key)
    if (!kept) return
    this.#byKey.delete(key)
    this.#byId.delete(messageKey(kept.scheduled))
    this.#bytes -= Buffer.byteLength(kept.scheduled.text)
  }

  due(dueBy: number, limit: PendingLimit, after?: ScheduledMessage): DueMessages {
    const due: ScheduledMessage[] = []
    let bytes = 0
    for (const scheduled of this.#behind(after ?? { dueAt: 0, key: 0 })) {
      bytes += Buffer.byteLength(scheduled.text)
      if (scheduled.dueAt > dueBy || (due.length > 0 && bytes > limit.bytes)) break
      due.push(scheduled)
      if (due.length >= limit.messages) break
    }
    const [next] = this.#behind({ dueAt: dueBy, key: Number.POSITIVE_INFINITY })
    return { due, nextDueAt: next?.dueAt }
  }

  /** Those that are due later than that, or at the same time and were accepted later. */
  *#behind(place: Place): Generator<ScheduledMessage> {
    this.#inOrder ??= [...this.#byKey.values()].map(({ scheduled }) => scheduled).sort(inOrderOfTime)
    let at = 0
    for (let end = this.#inOrder.length; at < end; ) {
      const middle = (at + end) >> 1
      if (inOrderOfTime(this.#inOrder[middle] as Place, place) <= 0) at = middle + 1
      else end = middle
    }
    for (; at < this.#inOrder.length; at++) {
      const scheduled = this.#inOrder[at] as ScheduledMessage
      if (this.#byKey.has(scheduled.key)) yield scheduled
    }
  }
}

function inOrderOfTime(one: Place, other: Place): number {
  return one.dueAt - other.dueAt || one.key - other.key
}
