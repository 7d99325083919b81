import { type Message, type Sequence, SINGLETON_GROUP } from '../message.ts'
import { DEFAULT_PRIORITY } from '../protocol/fields.ts'
import { fingerprint } from '../protocol/fingerprint.ts'
import { scanMembers } from '../protocol/scan.ts'

/** What a test says of a message; everything else is made up, and different for each. */
export interface TestMessage {
  readonly type?: string
  readonly messageId?: string
  readonly originInstanceId?: string
  readonly originSequence?: Sequence
  readonly clusterGroupId?: string
  readonly version?: string
  readonly orderingKey?: string
  readonly expiresAt?: number
  readonly priority?: number
  readonly notBefore?: number
  /** `notBefore` of a message that was accepted and has not entered yet. */
  readonly scheduledFor?: number
  readonly targetedTags?: readonly string[]
  readonly targetInstanceId?: string
  readonly path?: readonly string[]
  readonly key?: string
  /** The exact JSON of the member `value`. */
  readonly value?: string
}

const MAX_DEPTH = 32

/** Makes messages as an instance would have let them in: each the next one of `origin`, unless the test says otherwise. */
export function messageMaker(): (wish?: TestMessage) => Message {
  let made = 0
  return (wish = {}) => testMessage(wish, ++made)
}

function testMessage(wish: TestMessage, n: number): Message {
  const originInstanceId = wish.originInstanceId ?? 'origin'
  const envelope = {
    type: wish.type ?? 'SK',
    messageId: wish.messageId ?? `message-${n}`,
    originInstanceId,
    clusterGroupId: wish.clusterGroupId ?? SINGLETON_GROUP,
    version: wish.version,
    orderingKey: wish.orderingKey,
    expiresAt: wish.expiresAt,
    priority: wish.priority ?? DEFAULT_PRIORITY,
    scheduledFor: wish.scheduledFor,
    targetedTags: wish.targetedTags ?? [],
    targetInstanceId: wish.targetInstanceId,
    path: wish.path ?? [originInstanceId],
  }
  const originSequence = wish.originSequence ?? { epoch: 'epoch', n }
  const notBefore = wish.notBefore ?? wish.scheduledFor
  const text = textOf({ ...envelope, notBefore }, originSequence, wish.key ?? `key-${n}`, wish.value ?? `"value ${n}"`)
  const members = scanMembers(text, MAX_DEPTH)
  return Object.freeze({
    ...envelope,
    originSequence,
    text,
    fingerprint: fingerprint(text, members),
    body: JSON.parse(text),
    raw(name: string) {
      const member = members.get(name)
      return member && text.slice(member.valueStart, member.end)
    },
  })
}

function textOf(envelope: Record<string, unknown>, { epoch, n }: Sequence, key: string, value: string): string {
  const { path, scheduledFor, ...own } = envelope
  const fields = JSON.stringify({ ...own, originSequence: `${epoch}.${n}`, key })
  return `${fields.slice(0, -1)},"value":${value}}`
}
