import type { ReceivedMessage } from './received.ts'

/** What one connection speaks: the codec of the level that was negotiated. */
export interface Wire {
  /** Presents a token that could not be sent as a header. */
  hello(token: string): void
  /** Publishes a message, or asks. */
  send(text: string): void
  acknowledge(messageId: string): void
  refuse(messageId: string, refusal: OwnRefusal): void
  /** Narrows what this connection gets; sent anew, it replaces what was said before. It is answered under that id. */
  subscribe(messageId: string, filter: WireFilter): void
  /** Reads one frame, and says what is in it. */
  read(frame: string): void
}

/** Everything of each member that is named; a member that is left out narrows nothing. Keys are prefixes. */
export interface WireFilter {
  readonly types?: readonly string[]
  readonly keys?: readonly string[]
  readonly tags?: readonly string[]
}

/** What this client says of a message that it does not keep. */
export interface OwnRefusal {
  readonly code: 'BUSY' | 'INTERNAL' | 'INVALID_MESSAGE'
  readonly reason: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
}

export interface Acknowledged {
  readonly messageId: string
  readonly status: 'stored' | 'duplicate'
  /** For how many it is. */
  readonly recipients: number
  /** Who has it. */
  readonly instanceId: string | undefined
}

export interface Refused {
  readonly messageId: string | undefined
  readonly code: string
  readonly reason: string
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
}

/** What a frame may say. */
export interface WireHandlers {
  acknowledged(answer: Acknowledged): void
  refused(answer: Refused): void
  replied(reply: ReceivedMessage): void
  /** The instance says who it is and what time it is there. */
  greeted(instanceId: string | undefined, time: number | undefined): void
  message(message: ReceivedMessage): void
  unreadable(problem: string): void
}
