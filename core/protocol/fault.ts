/** The codes of a NACK (§1 of the protocol). */
export type NackCode =
  | 'INVALID_JSON'
  | 'INVALID_MESSAGE'
  | 'UNKNOWN_TYPE'
  | 'TOO_LARGE'
  | 'TOO_DEEP'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'CONFLICT'
  | 'EXPIRED'
  | 'STALE'
  | 'HOP_LIMIT'
  | 'CLOCK_SKEW'
  | 'BUSY'
  | 'STORE_UNAVAILABLE'
  | 'TIMEOUT'
  | 'NO_RESPONDERS'
  | 'INTERNAL'

/** Something that came in cannot be taken. The reason says what was wrong and where, and never echoes what was sent. */
export class ProtocolFault extends Error {
  override readonly name = 'ProtocolFault'
  readonly code: NackCode
  /** When the same again may succeed, in milliseconds from now, if that is known. */
  readonly retryAfterMs: number | undefined

  constructor(code: NackCode, reason: string, retryAfterMs?: number) {
    super(reason)
    this.code = code
    this.retryAfterMs = retryAfterMs
  }
}
