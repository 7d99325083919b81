import type { Level, Window } from '../protocol/limits.ts'
import type { ReceivedMessage } from './received.ts'

/** What one connection speaks: the level of the protocol that was negotiated. */
export interface Wire {
  readonly level: Level
  /** What the instance allows to be published and not answered yet. */
  readonly window: Window
  /** Says the first words: who this is, and the token, if it could not be sent as a header. */
  start(token: string | undefined): void
  publish(messageId: string, text: string): void
  /** Sends a request, which is answered by its id. */
  ask(messageId: string, text: string): void
  acknowledge(message: Answerable): void
  refuse(message: Answerable, refusal: OwnRefusal): void
  /** Narrows what this connection gets; sent anew, it replaces what was said before. It is answered under that id. */
  subscribe(messageId: string, filter: WireFilter): void
  /** Reads one frame, and says what is in it. */
  read(frame: string): void
  /** Sends at once what waits for the end of this turn. */
  flush(): void
}

/** By what a message that came in is answered: the number that it bore on its connection, or, if that is 0, its id. */
export interface Answerable {
  readonly messageId: string
  readonly number: number
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
  /** The window is another one now. */
  granted(): void
  unreadable(problem: string): void
}
