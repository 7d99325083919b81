import type { Message } from './message.ts'
import type { Received } from './protocol/received.ts'
import type { BodySchema } from './schema.ts'
import type { StateChange, TypeState } from './state/type-state.ts'
import type { StateReader } from './state.ts'

/** What a plugin says of a message type: with `answer` it is a request, with `receive` a direct type, else a stored one. */
export type MessageType<Body> = StoredType<Body> | DirectType<Body> | RequestType<Body>

/** A type whose messages are stored, acknowledged, routed and forwarded. */
export interface StoredType<Body> {
  /** JSON Schema of the body. Compiled once, when the plugin is applied. */
  readonly schema: BodySchema<Body>
  /**
   * What is wrong, and where, with a message that fits the schema: what a schema cannot say. Quick and pure; it never
   * repeats what was sent.
   */
  check?(received: Received<Body>): string | undefined
  /** Messages of the same key keep their order. Without it, each message stands alone. */
  orderingKey?(body: Body): string | undefined
  /**
   * `strict`: of each ordering key, a recipient is sent one message at a time, and the next only when it has acknowledged
   * that one; a failing message holds back its key and nothing else. Default: messages follow each other without waiting,
   * which is what types want whose writes are merged by version.
   */
  readonly order?: 'strict'
  /**
   * `newest`: of two messages of one ordering key and space, the one with the greater version replaces the other entirely. So
   * what waits for somebody absent may be collapsed to the newest message of each key when there is little room.
   */
  readonly merge?: 'newest'
  /**
   * How two texts of shape `own` are merged that this type keeps of one key: commutative, associative and idempotent, to
   * the byte, for instances join what they have in any order.
   */
  join?(current: string, incoming: string): string
  /** Whose keys it writes in the state, when it shares them with other types. Default: a space of its own, by its name. */
  readonly space?: string
  /**
   * Handles messages that are for this instance, in the order in which they were stored: the delivery to `@self`.
   * What it returns is waited for. It is repeated until it succeeds, so handling one twice must do no harm. A type with
   * `merge`, `join` or `space` keeps state: it is handled where there is a state backend, and nowhere else.
   */
  apply?(messages: readonly Message<Body>[], context: ApplyContext<Body>): unknown
  /**
   * What a message says of a key, where handling it is nothing else; in the place of `apply`. Quick and pure. Where the state is kept
   * in the file of the store, such messages are applied in the transaction that stores them, at about half the cost.
   */
  change?(message: Message<Body>): StateChange<Body>
  /**
   * Its messages are answered: each instance that they are for says what came of one there (`kernel.replies`), and that goes back
   * the way the message came, to whoever published it.
   */
  readonly replies?: true
  /** `named`: its dead letters are delivered again only by a job whose filter names the type. Default: by any that selects them. */
  readonly replay?: 'named'
  readonly receive?: never
  readonly answer?: never
}

/**
 * A type that asks: it is passed on to every instance that it is for, and each of them answers. What becomes of the answers
 * is said in the request (`consistency`, `timeoutMs`). It is neither stored nor acknowledged.
 */
export interface RequestType<Body> {
  readonly schema: BodySchema<Body>
  /** Whose pending writes are waited for before it is answered here: who has the ACK of a write reads it. */
  orderingKey?(body: Body): string | undefined
  /** Whose keys it reads in the state. With it, only instances that keep state answer. */
  readonly space?: string
  /** What this instance knows; undefined: nothing. */
  answer(request: Message<Body>, context: AnswerContext): Answer | undefined | Promise<Answer | undefined>
  readonly check?: never
  readonly receive?: never
  readonly apply?: never
  readonly change?: never
  readonly replies?: never
  readonly replay?: never
  readonly order?: never
  readonly merge?: never
  readonly join?: never
}

export interface AnswerContext {
  /** Undefined where nothing keeps state. */
  readonly state: StateReader | undefined
}

export interface Answer {
  /** JSON text. `null` for what was deleted. */
  readonly value: string
  /** Stamp of the write that made it so. */
  readonly version: string
}

/** How a request is answered here. */
export interface Answering {
  readonly needsState: boolean
  orderingKey(received: Received): string | undefined
  answer(request: Message<never>, state: StateReader | undefined): Answer | undefined | Promise<Answer | undefined>
}

/** What a type is handed beside its messages. */
export interface ApplyContext<Body = Readonly<Record<string, unknown>>> {
  /** The state, as this type sees it. Without a state backend, asking for it throws `SLP_STATE_MISSING`. */
  readonly state: TypeState<Body>
}

/** A type that is handled where it arrives: not stored, not acknowledged, not forwarded by the bus. */
export interface DirectType<Body> {
  readonly schema: BodySchema<Body>
  /** What it throws, or rejects with, is answered by a NACK: of a `ProtocolFault` with its code, of anything else with `INTERNAL`. */
  receive(received: Received<Body>): void | Promise<void>
  readonly answer?: never
  readonly check?: never
  readonly apply?: never
  readonly change?: never
  readonly replies?: never
  readonly replay?: never
  readonly orderingKey?: never
  readonly order?: never
  readonly merge?: never
  readonly join?: never
  readonly space?: never
}

/** Any message type, once its body's type no longer matters. */
export interface AnyMessageType {
  readonly schema: object
  check?(received: Received<never>): string | undefined
  orderingKey?(body: never): string | undefined
  readonly order?: 'strict'
  readonly merge?: 'newest'
  join?(current: string, incoming: string): string
  readonly space?: string
  readonly replies?: true
  readonly replay?: 'named'
  apply?(messages: readonly Message<never>[], context: ApplyContext<never>): unknown
  change?(message: Message<never>): StateChange<unknown>
  receive?(received: Received<never>): void | Promise<void>
  answer?(request: Message<never>, context: AnswerContext): Answer | undefined | Promise<Answer | undefined>
}
