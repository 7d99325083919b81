import type { HybridClock } from './hybrid-clock.ts'
import { type Message, type Sequence, SINGLETON_GROUP } from './message.ts'
import type { AnyMessageType } from './message-type.ts'
import { ProtocolFault } from './protocol/fault.ts'
import { DEFAULT_PRIORITY, HOP_FIELDS, isId, ORIGIN_FIELDS } from './protocol/fields.ts'
import { MAX_PATH_LENGTH } from './protocol/limits.ts'
import type { Received } from './protocol/received.ts'
import { member, withMembers, withoutMembers } from './protocol/text.ts'
import type { Runtime } from './runtime/runtime.ts'
import { dueTime } from './schedule.ts'
import type { ScheduledMessage } from './store.ts'
import { readStored } from './stored-message.ts'

/** What a publisher may not say of its own message: it is cut out, and written anew by the instance. */
const NOT_A_PUBLISHERS = new Set([...HOP_FIELDS, ...ORIGIN_FIELDS])
const NOT_A_PUBLISHERS_NOR_ITS_KEY = new Set([...NOT_A_PUBLISHERS, 'orderingKey'])

const STALE =
  'its version is older than what is remembered of deleted keys; publish it again with one of now, or without'

const sequencePattern = /^([A-Za-z0-9_-]{1,64})\.([1-9][0-9]{0,14})$/

/**
 * Makes a message of what was received. One that enters the mesh here gets what it lacks, once; one that another instance
 * let in keeps its text to the byte and only loses its hop fields.
 */
export class Admission {
  readonly #instanceId: string
  readonly #clusterGroupId: string | undefined
  readonly #epoch: string
  readonly #clock: HybridClock
  readonly #runtime: Runtime
  readonly #isLate: (type: string, version: string) => boolean
  #sequence: number

  constructor(self: {
    instanceId: string
    clusterGroupId: string | undefined
    epoch: string
    lastSequence: number
    clock: HybridClock
    runtime: Runtime
    /** Whether a write of that type and version could not be applied any more. */
    isLate: (type: string, version: string) => boolean
  }) {
    this.#instanceId = self.instanceId
    this.#clusterGroupId = self.clusterGroupId
    this.#epoch = self.epoch
    this.#sequence = self.lastSequence
    this.#clock = self.clock
    this.#runtime = self.runtime
    this.#isLate = self.isLate
  }

  /** Throws a `ProtocolFault` when the message contradicts the protocol. */
  admit(received: Received, type: AnyMessageType | undefined): Message {
    if (!received.entersHere) return this.#passOn(received)
    const dueAt = dueTime(received, this.#runtime.now())
    return dueAt === undefined ? this.#enter(received, type) : this.#postpone(received, type, dueAt)
  }

  /** Makes a request of what was received: it has no place in any sequence, for it is not stored. */
  ask(received: Received, orderingKey: string | undefined): Message {
    const { text, members, sender } = received
    const entersHere = sender.role === 'client'
    const messageId = received.string('messageId') ?? this.#runtime.id()
    const originInstanceId = (entersHere ? undefined : received.string('originInstanceId')) ?? this.#instanceId
    let added = members.has('messageId') ? '' : member('messageId', messageId)
    if (entersHere) added += member('originInstanceId', this.#instanceId)
    return build(received, {
      text: withMembers(withoutMembers(text, members, entersHere ? NOT_A_PUBLISHERS : HOP_FIELDS), added),
      messageId,
      originInstanceId,
      originSequence: { epoch: this.#epoch, n: 0 },
      clusterGroupId: received.string('clusterGroupId') ?? SINGLETON_GROUP,
      version: undefined,
      orderingKey,
      path: entersHere ? (isId(sender.peer) ? [sender.peer] : []) : pathOf(received, sender.peer),
    })
  }

  /** Lets a message enter whose time has come: version and place in the sequence are given now. */
  release(scheduled: ScheduledMessage): Message {
    const added =
      member('originInstanceId', this.#instanceId) +
      member('originSequence', `${this.#epoch}.${++this.#sequence}`) +
      member('version', this.#clock.stamp())
    return readStored({ ...scheduled, text: withMembers(scheduled.text, added) })
  }

  #enter(received: Received, type: AnyMessageType | undefined): Message {
    const { text, members, sender } = received
    const given = received.string('version')
    if (given !== undefined && this.#isLate(received.type, given)) throw new ProtocolFault('STALE', STALE)
    const { messageId, clusterGroupId, orderingKey, ownKey } = this.#named(received, type)
    const n = ++this.#sequence
    const version = this.#versionOf(received) ?? this.#clock.stamp()
    let added = members.has('messageId') ? '' : member('messageId', messageId)
    added += member('originInstanceId', this.#instanceId) + member('originSequence', `${this.#epoch}.${n}`)
    if (clusterGroupId && !members.has('clusterGroupId')) added += member('clusterGroupId', clusterGroupId)
    if (!members.has('version')) added += member('version', version)
    if (ownKey !== undefined) added += member('orderingKey', ownKey)
    const own = withoutMembers(text, members, ownKey === undefined ? NOT_A_PUBLISHERS : NOT_A_PUBLISHERS_NOR_ITS_KEY)
    return build(received, {
      text: withMembers(own, added),
      messageId,
      originInstanceId: this.#instanceId,
      originSequence: { epoch: this.#epoch, n },
      clusterGroupId: clusterGroupId ?? SINGLETON_GROUP,
      version,
      orderingKey,
      path: isId(sender.peer) ? [sender.peer] : [],
    })
  }

  /** A message that is to enter later gets what names it. A version that its publisher gave would be older than it is. */
  #postpone(received: Received, type: AnyMessageType | undefined, dueAt: number): Message {
    const { text, members, sender } = received
    const { messageId, clusterGroupId, orderingKey, ownKey } = this.#named(received, type)
    let added = members.has('messageId') ? '' : member('messageId', messageId)
    if (clusterGroupId && !members.has('clusterGroupId')) added += member('clusterGroupId', clusterGroupId)
    if (ownKey !== undefined) added += member('orderingKey', ownKey)
    const cut = new Set([...(ownKey === undefined ? NOT_A_PUBLISHERS : NOT_A_PUBLISHERS_NOR_ITS_KEY), 'version'])
    return build(received, {
      text: withMembers(withoutMembers(text, members, cut), added),
      messageId,
      originInstanceId: this.#instanceId,
      originSequence: { epoch: this.#epoch, n: 0 },
      clusterGroupId: clusterGroupId ?? SINGLETON_GROUP,
      version: undefined,
      orderingKey,
      scheduledFor: dueAt,
      path: isId(sender.peer) ? [sender.peer] : [],
    })
  }

  #named(received: Received, type: AnyMessageType | undefined) {
    const ownKey = type?.orderingKey?.(received.body as never)
    return {
      messageId: received.string('messageId') ?? this.#runtime.id(),
      clusterGroupId: received.string('clusterGroupId') ?? this.#clusterGroupId,
      orderingKey: ownKey ?? received.string('orderingKey'),
      ownKey,
    }
  }

  /** The stamp that it bears already. What is stamped here from now on is greater, unless that one is too far ahead. */
  #versionOf(received: Received): string | undefined {
    const version = received.string('version')
    if (version !== undefined) this.#clock.observe(version)
    return version
  }

  #passOn(received: Received): Message {
    const { text, members, sender } = received
    const version = this.#versionOf(received)
    return build(received, {
      text: withoutMembers(text, members, HOP_FIELDS),
      messageId: requiredId(received, 'messageId'),
      originInstanceId: requiredId(received, 'originInstanceId'),
      originSequence: sequenceOf(received),
      clusterGroupId: received.string('clusterGroupId') ?? SINGLETON_GROUP,
      version,
      orderingKey: received.string('orderingKey'),
      path: pathOf(received, sender.peer),
    })
  }
}

/** Members by which a stranger made claims about the way of its message; they are replaced. */
export function madeUpFields(received: Received): readonly string[] {
  const { members, sender } = received
  if (!received.entersHere) return []
  return [...NOT_A_PUBLISHERS].filter((name) => members.has(name) && !isOwnName(received, name, sender.peer))
}

/** A named client may well say who it is. */
function isOwnName(received: Received, name: string, peer: string | undefined): boolean {
  const value = (received.body as Readonly<Record<string, unknown>>)[name]
  return peer !== undefined && (Array.isArray(value) ? value.length === 1 && value[0] === peer : value === peer)
}

type Fields = Pick<
  Message,
  'text' | 'messageId' | 'originInstanceId' | 'originSequence' | 'clusterGroupId' | 'version' | 'orderingKey' | 'path'
> &
  Partial<Pick<Message, 'scheduledFor'>>

function build(received: Received, fields: Fields): Message {
  const { text, members, body } = received
  const { targetedTags, targetInstanceId, expiresAt, priority = DEFAULT_PRIORITY } = body as Partial<Message>
  return Object.freeze({
    type: received.type,
    targetedTags: targetedTags ?? [],
    targetInstanceId,
    expiresAt,
    scheduledFor: undefined,
    priority,
    fingerprint: received.fingerprint(),
    body,
    raw(name: string) {
      const place = members.get(name)
      return place && text.slice(place.valueStart, place.end)
    },
    ...fields,
  })
}

function requiredId(received: Received, name: string): string {
  const value = received.string(name)
  if (!isId(value)) throw new ProtocolFault('INVALID_MESSAGE', `/${name} must be an id`)
  return value
}

function sequenceOf(received: Received): Sequence {
  const parts = sequencePattern.exec(received.string('originSequence') ?? '')
  if (!parts) throw new ProtocolFault('INVALID_MESSAGE', '/originSequence must be epoch.n')
  return { epoch: parts[1] as string, n: Number(parts[2]) }
}

/** The path as the peer tells it, ending with the peer itself; one that never said its id goes by a URL, and is left out. */
function pathOf(received: Received, peer: string | undefined): readonly string[] {
  const told = received.hop?.path ?? (received.body as Readonly<Record<string, unknown>>).messagePath ?? []
  if (!Array.isArray(told) || !told.every(isId)) throw new ProtocolFault('INVALID_MESSAGE', '/messagePath must be ids')
  const path = !isId(peer) || told.at(-1) === peer ? told : [...told, peer]
  if (path.length >= MAX_PATH_LENGTH) {
    throw new ProtocolFault('HOP_LIMIT', `passed ${MAX_PATH_LENGTH} hops; check the tags and links of the mesh`)
  }
  return path
}
