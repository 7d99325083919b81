import { isId } from '../protocol/fields.ts'
import { entryLimits } from '../protocol/limits.ts'
import { member } from '../protocol/text.ts'
import { ClientError } from './errors.ts'

/** What a publisher may say of any message beside its body. */
export interface PublishOptions {
  /** Default: a new one. The same id again is stored once, however often it is published. */
  readonly messageId?: string
  /** For those who bear at least one of these. Default: for everybody. */
  readonly tags?: readonly string[]
  /** The only instance that is to handle it. */
  readonly target?: string
  /** Not delivered past that time, nor before that one, in milliseconds since the epoch. */
  readonly expiresAt?: number
  readonly notBefore?: number
  /** 0 to 9, 9 before all others. Default 4. */
  readonly priority?: number
  /**
   * Messages of one key are sent one at a time, each when the one before it is acknowledged. Writes of a key (`set` and the like)
   * need none: their stamps order them.
   */
  readonly orderingKey?: string
  /** W3C trace context, carried along. */
  readonly traceparent?: string
  /** How long to wait for the ACK, in milliseconds. Default: the client's `publishTimeoutMs`. */
  readonly timeoutMs?: number
  /** Gives it up. It may be stored all the same if it was sent. */
  readonly signal?: AbortSignal
}

/** JSON that is sent as it is written: `json('9007199254740993')`, where JavaScript has no such number. */
export class Json {
  readonly text: string

  constructor(text: string) {
    JSON.parse(text)
    this.text = text
  }
}

/** Throws a `SyntaxError` when the text is no JSON. */
export function json(text: string): Json {
  return new Json(text)
}

/** A value as JSON. Throws `INVALID_MESSAGE` for what JSON has no text for. */
export function textOf(value: unknown): string {
  if (value instanceof Json) return value.text
  if (typeof value === 'bigint') return String(value)
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new ClientError('INVALID_MESSAGE', 'The value is nothing that JSON can hold.')
  return text
}

/** The members of a body, `,"name":value` each. */
export function membersOf(body: unknown): string {
  const own = textOf(body).trim()
  if (!own.startsWith('{')) throw new ClientError('INVALID_MESSAGE', 'The body of a message is an object.')
  const inner = own.slice(1, -1).trim()
  return inner === '' ? '' : `,${inner}`
}

/** The text of a message but for its version and the last brace. Throws `INVALID_MESSAGE`, `TOO_LARGE`. */
export function writeDraft(type: string, messageId: string, own: string, options: PublishOptions): string {
  if (!isId(messageId)) {
    throw new ClientError('INVALID_MESSAGE', 'A messageId is 1 to 128 of the characters A-Z a-z 0-9 . _ : -')
  }
  const { tags, target, expiresAt, notBefore, priority, orderingKey, traceparent } = options
  let text = `{"type":${JSON.stringify(type)},"messageId":"${messageId}"`
  if (tags !== undefined && tags.length > 0) text += `,"targetedTags":${JSON.stringify(tags)}`
  if (target !== undefined) text += member('targetInstanceId', target)
  if (expiresAt !== undefined) text += `,"expiresAt":${expiresAt}`
  if (notBefore !== undefined) text += `,"notBefore":${notBefore}`
  if (priority !== undefined) text += `,"priority":${priority}`
  if (orderingKey !== undefined) text += member('orderingKey', orderingKey)
  if (traceparent !== undefined) text += member('traceparent', traceparent)
  text += own
  if (isTooLarge(text)) {
    throw new ClientError('TOO_LARGE', `The message is larger than ${entryLimits.maxBytes} bytes.`, { messageId })
  }
  return text
}

/** What a version and a brace may add. */
const ROOM = 256

function isTooLarge(text: string): boolean {
  const most = entryLimits.maxBytes - ROOM
  // A UTF-16 unit is three bytes of UTF-8 at most.
  return text.length * 3 > most && (text.length > most || new TextEncoder().encode(text).length > most)
}
