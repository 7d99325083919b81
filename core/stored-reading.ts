import type { Message, Sequence } from './message.ts'
import { DEFAULT_PRIORITY } from './protocol/fields.ts'
import { fingerprint } from './protocol/fingerprint.ts'
import { linkLimits } from './protocol/limits.ts'
import { findMember, scanMembers } from './protocol/scan.ts'
import type { StoredMessage } from './store.ts'
import { readSequence } from './stored-message.ts'

/**
 * A stored message of which no more is read than somebody looks at: a write is applied by its key and the text of its value,
 * and parsing all of it costs as much again.
 */
export class StoredReading implements Message {
  readonly type: string
  readonly messageId: string
  readonly clusterGroupId: string
  readonly version: string | undefined
  readonly orderingKey: string | undefined
  readonly expiresAt: number | undefined
  readonly scheduledFor = undefined
  readonly path: readonly string[]
  readonly text: string
  readonly raw: (member: string) => string | undefined
  #body: Message['body'] | undefined

  constructor({ type, messageId, clusterGroupId, version, orderingKey, expiresAt, path, text }: StoredMessage) {
    this.type = type
    this.messageId = messageId
    this.clusterGroupId = clusterGroupId
    this.version = version
    this.orderingKey = orderingKey
    this.expiresAt = expiresAt
    this.path = path
    this.text = text
    this.raw = (member) => {
      const place = findMember(text, member, linkLimits.maxDepth)
      return place && text.slice(place.valueStart, place.end)
    }
    Object.freeze(this)
  }

  get body(): Message['body'] {
    this.#body ??= JSON.parse(this.text) as Message['body']
    return this.#body
  }

  get originInstanceId(): string {
    return this.body.originInstanceId as string
  }

  get originSequence(): Sequence {
    return readSequence(this.body.originSequence as string)
  }

  get targetedTags(): readonly string[] {
    return (this.#envelope('targetedTags') as Message['targetedTags'] | undefined) ?? []
  }

  get targetInstanceId(): string | undefined {
    return this.#envelope('targetInstanceId') as string | undefined
  }

  get priority(): number {
    return (this.#envelope('priority') as number | undefined) ?? DEFAULT_PRIORITY
  }

  get fingerprint(): string {
    return fingerprint(this.text, scanMembers(this.text, linkLimits.maxDepth))
  }

  /** What most messages do not bear: a text in which its name is nowhere, not even escaped, need not be parsed for it. */
  #envelope(name: string): unknown {
    return this.text.includes(name) || this.text.includes('\\u') ? this.body[name] : undefined
  }
}
