import { CloseCode } from '../protocol/close-code.ts'
import type { NackCode } from '../protocol/fault.ts'

/** Every error that the client raises by itself, by code. The message holds the remedy; `README.md` has a row for each. */
const TEXTS = {
  SLP_CLIENT_OPTIONS: (problem: string) => `The options of connect() are wrong: ${problem}.`,
  SLP_CLIENT_CLOSED: () =>
    'The client is closed. What was not acknowledged may be stored or not: connect again and publish it with the same messageId.',
  SLP_CLIENT_ABSENT: (what: string) => `${what}. Check the instance's address, its allowedOrigins, and that it runs.`,
  SLP_UNACKNOWLEDGED: (messageId: string, milliseconds: number) =>
    `Message ${messageId} was not acknowledged within ${milliseconds} ms. It may be stored or not: publish it again with the same messageId.`,
  SLP_UNANSWERED: (milliseconds: number) => `Nobody answered within ${milliseconds} ms. Ask again, or raise timeoutMs.`,
  SLP_OUTBOX_FULL: (bound: string) =>
    `Too much waits for its acknowledgement (${bound}). Wait for client.room(), then publish again, or raise the bound.`,
  SLP_OUTBOX_FAILED: (problem: string) =>
    `The outbox could not keep this message: ${problem}. It was not published; publish it again when the cause is gone.`,
  SLP_ID_IN_USE: (messageId: string) =>
    `Another message with the id ${messageId} still waits for its acknowledgement. Give this one an id of its own.`,
  SLP_SLOW_READER: (messages: number) =>
    `${messages} messages wait for this subscription to take them. Take them faster, raise maxQueued, or give the client a name: then they wait at the instance.`,
  SLP_REPLACED: () =>
    'Another connection of this name took its place. Run one client of a name at a time, or give each a name of its own.',
  SLP_REFUSED: (reason: string) => `The instance refuses this client: ${reason}.`,
  SLP_UNAUTHENTICATED: (reason: string) => `The instance does not know this client: ${reason}. Check the token.`,
  SLP_FORBIDDEN: (reason: string) => `The instance does not let this client in: ${reason}.`,
} as const

export type ClientErrorCode = keyof typeof TEXTS

/** All codes, for the test that holds documentation and table together. */
export const clientErrorCodes = Object.freeze(Object.keys(TEXTS)) as readonly ClientErrorCode[]

export interface ClientErrorDetails {
  readonly messageId?: string | undefined
  readonly retryable?: boolean
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** What a promise of the client rejects with, unless it was aborted: then it is the signal's own reason. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  /** A code of the client (`SLP_…`), or the code of the NACK that the instance sent. */
  readonly code: ClientErrorCode | NackCode
  /** Whether the same again, with the same id, may succeed later. */
  readonly retryable: boolean
  /** After how many milliseconds, if that is known. */
  readonly retryAfterMs: number | undefined
  /** The message that it is about. */
  readonly messageId: string | undefined

  constructor(code: ClientErrorCode | NackCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryable = details.retryable ?? false
    this.retryAfterMs = details.retryAfterMs
    this.messageId = details.messageId
  }
}

/** The error of that code. */
export function clientError<Code extends ClientErrorCode>(
  code: Code,
  parts: Parameters<(typeof TEXTS)[Code]>,
  details: ClientErrorDetails = {},
): ClientError {
  const text = TEXTS[code] as (...parts: Parameters<(typeof TEXTS)[Code]>) => string
  return new ClientError(code, text(...parts), details)
}

/** Why a client that was closed so does not connect again; undefined when it does. */
export function fatalErrorOf(code: number, reason: string): ClientError | undefined {
  if (code === CloseCode.REPLACED) return clientError('SLP_REPLACED', [])
  if (code === CloseCode.POLICY) return clientError('SLP_REFUSED', [reason || 'it says no more'])
  if (code === CloseCode.UNAUTHENTICATED) return clientError('SLP_UNAUTHENTICATED', [reason || 'it says no more'])
  if (code === CloseCode.FORBIDDEN) return clientError('SLP_FORBIDDEN', [reason || 'it says no more'])
  return undefined
}
