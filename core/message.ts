/**
 * The bodies of the message types, by the name of the type. Empty here: each type adds itself by declaration merging,
 * the built-in ones as well as a stranger's:
 *
 *     declare module 'slipstream' {
 *       interface MessageTypes {
 *         'fx.rate': { pair: string; rate: number }
 *       }
 *     }
 */
export interface MessageTypes {}

/** The name of a message type that some loaded plugin's types know. */
export type TypeName = keyof MessageTypes & string

/** The body of a type: what its schema checks and its handlers are given. */
export type BodyOf<Type extends string> = Type extends TypeName ? MessageTypes[Type] : Readonly<Record<string, unknown>>

/**
 * One message, frozen. `text` is the truth: the message's own JSON as it was published, with the hop fields cut out and
 * what was missing inserted once, where it entered. It is stored, checksummed and forwarded as it is; `body` is a reading
 * of it, never printed back (JSON.parse makes 9007199254740993 into …992).
 */
export interface Message<Body = Readonly<Record<string, unknown>>> {
  readonly type: string
  /** Unique in the mesh, together with the cluster group. Given by the publisher, else by the first instance. */
  readonly messageId: string
  /** Durable id of the instance where the message entered. */
  readonly originInstanceId: string
  /** Which one it was of all that its origin let in: what hops deduplicate by. */
  readonly originSequence: Sequence
  /** Group of the instance where it entered; `singleton` when the message names none. */
  readonly clusterGroupId: string
  /** Hybrid-logical-clock stamp of the write; as a string it orders writes. */
  readonly version: string | undefined
  /** Messages of one key keep their order on every hop. */
  readonly orderingKey: string | undefined
  /** For those who bear at least one of these; empty: for everybody. */
  readonly targetedTags: readonly string[]
  /** The only instance that is to handle it. */
  readonly targetInstanceId: string | undefined
  /** Not delivered past this time, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  /**
   * Kept until then before it enters, in milliseconds since the epoch: it has no version and the place 0 in the sequence
   * until it does. Undefined when it has entered.
   */
  readonly scheduledFor: number | undefined
  /** 0 to 9: which keys go first when many messages wait; 9 before all others. */
  readonly priority: number
  /** Everyone it passed before it came here, oldest first: the publisher's name if it has one, then each instance. */
  readonly path: readonly string[]
  /** The message's own JSON, without hop fields. */
  readonly text: string
  /** What the publisher wrote, digested without what the bus adds: tells a repetition from another message of that id. */
  readonly fingerprint: string
  /** The text, parsed and frozen. All top-level members, those of the bus included. */
  readonly body: Body
  /** The exact text of a top-level member, such as the `value` of a state message. */
  raw(member: string): string | undefined
}

/** A place in the sequence of what one instance let in. A store that starts anew starts a new epoch. */
export interface Sequence {
  readonly epoch: string
  readonly n: number
}

/** The group of messages that name none (§1 of the protocol). */
export const SINGLETON_GROUP = 'singleton'

/**
 * What tells messages apart: the id, within the group of the instance where the message entered. Neither of the two may have
 * a space in it.
 */
export function messageKey({ clusterGroupId = SINGLETON_GROUP, messageId }: Named): string {
  return `${clusterGroupId} ${messageId}`
}

interface Named {
  readonly messageId: string
  readonly clusterGroupId?: string | undefined
}
