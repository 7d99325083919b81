import { type Message, type Sequence, SINGLETON_GROUP } from './message.ts'
import { DEFAULT_PRIORITY } from './protocol/fields.ts'
import { fingerprint } from './protocol/fingerprint.ts'
import { linkLimits } from './protocol/limits.ts'
import { scanMembers } from './protocol/scan.ts'
import type { StoredMessage } from './store.ts'

/** What is kept of a message to deliver it. */
export function toStored(message: Message, seq: number, receivedAt: number): StoredMessage {
  const { type, messageId, clusterGroupId, text, path, orderingKey, version, expiresAt } = message
  return { seq, type, messageId, clusterGroupId, text, path, orderingKey, version, expiresAt, receivedAt }
}

/** A message as it was stored, to be handled again. Its text was checked when it came in. */
export function readStored(
  stored: Omit<StoredMessage, 'seq' | 'orderingKey' | 'version' | 'expiresAt' | 'receivedAt'>,
): Message {
  const { text } = stored
  const members = scanMembers(text, linkLimits.maxDepth)
  const body = JSON.parse(text) as Message['body'] &
    Partial<Omit<Message, 'originSequence'>> & { originSequence: string }
  return Object.freeze({
    type: stored.type,
    messageId: stored.messageId,
    originInstanceId: body.originInstanceId as string,
    originSequence: readSequence(body.originSequence),
    clusterGroupId: body.clusterGroupId ?? SINGLETON_GROUP,
    version: body.version,
    orderingKey: body.orderingKey,
    targetedTags: body.targetedTags ?? [],
    targetInstanceId: body.targetInstanceId,
    expiresAt: body.expiresAt,
    scheduledFor: undefined,
    priority: body.priority ?? DEFAULT_PRIORITY,
    path: stored.path,
    text,
    fingerprint: fingerprint(text, members),
    body,
    raw(name: string) {
      const place = members.get(name)
      return place && text.slice(place.valueStart, place.end)
    },
  })
}

export function readSequence(text: string): Sequence {
  const dot = text.lastIndexOf('.')
  return { epoch: text.slice(0, dot), n: Number(text.slice(dot + 1)) }
}
