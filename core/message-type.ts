import type { Message } from './message.ts'
import type { Received } from './protocol/received.ts'
import type { BodySchema } from './schema.ts'

/** What a plugin says of a message type. With `receive` it is a direct type, else a stored one. */
export type MessageType<Body> = StoredType<Body> | DirectType<Body>

/** A type whose messages are stored, acknowledged, routed and forwarded. */
export interface StoredType<Body> {
  /** JSON Schema of the body. Compiled once, when the plugin is applied. */
  readonly schema: BodySchema<Body>
  /** Messages of the same key keep their order. Without it, each message stands alone. */
  orderingKey?(body: Body): string | undefined
  /**
   * `strict`: of each ordering key, a recipient is sent one message at a time, and the next only when it has acknowledged
   * that one; a failing message holds back its key and nothing else. Default: messages follow each other without waiting,
   * which is what types want whose writes are merged by version.
   */
  readonly order?: 'strict'
  /**
   * Handles messages that are for this instance, in the order in which they were stored: the delivery to `@self`.
   * It is repeated until it resolves, so handling one twice must do no harm.
   */
  apply?(messages: readonly Message<Body>[]): void | Promise<void>
  readonly receive?: never
}

/** A type that is handled where it arrives: not stored, not acknowledged, not forwarded by the bus. */
export interface DirectType<Body> {
  readonly schema: BodySchema<Body>
  receive(received: Received<Body>): void
  readonly apply?: never
  readonly orderingKey?: never
  readonly order?: never
}

/** Any message type, once its body's type no longer matters. */
export interface AnyMessageType {
  readonly schema: object
  orderingKey?(body: never): string | undefined
  readonly order?: 'strict'
  apply?(messages: readonly Message<never>[]): void | Promise<void>
  receive?(received: Received<never>): void
}
