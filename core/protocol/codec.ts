import type { ProtocolFault } from './fault.ts'
import type { Hello } from './hello.ts'
import type { Level, Window } from './limits.ts'
import type { Refused } from './line.ts'

/** A message with its way so far, this end not included. */
export interface OnItsWay {
  readonly messageId: string
  readonly path: readonly string[]
  readonly text: string
}

/** What answers a message that came in: by the number that it bore on a linked connection, if any, else by its id. */
export interface Answered {
  readonly messageId: string | undefined
  readonly number?: number | undefined
}

/** It is durable here. */
export interface Durable extends Answered {
  readonly messageId: string
  readonly clusterGroupId: string | undefined
  readonly status: 'stored' | 'duplicate'
  /** How many it is for. */
  readonly recipients: number
}

/** What the hop fields of a message said, where they stood beside its text. */
export interface Hop {
  /** 0: it is to be answered by its id. */
  readonly number: number
  /** Everyone it passed, the sender last. */
  readonly path: readonly string[]
}

/**
 * What a frame is sent as: an answer or announcement (`control`), or a message (`bulk`). Control frames go ahead of bulk frames
 * that still wait in this process; within its lane each frame keeps its place.
 */
export type Lane = 'control' | 'bulk'

/** How one level of the protocol says things on one connection. What the journey, the outbox and the types know of levels. */
export interface Codec {
  readonly level: Level
  /** What may be under way to the other end. */
  readonly window: Window
  /** What waits for the end of this turn, in bytes. */
  readonly waitingBytes: number
  /** Sends a message that the other end is to acknowledge. Returns its size on the wire, in bytes. */
  deliver(message: OnItsWay): number
  /** Sends a message that nobody acknowledges: live traffic, or a request. */
  pass(message: OnItsWay, lane: Lane): void
  /** Sends a frame of the plain level that needs no hop fields. */
  say(frame: string, lane: Lane): void
  acknowledge(durable: Durable): void
  refuse(what: Answered, refused: Refused): void
  /** What this end is, or what of it has changed. The plain level says nothing. */
  introduce(hello: Hello): void
  /** What time it is here, with how many others agree, and what may be under way to here. The plain level says nothing. */
  pulse(time: number, agrees: number, window: Window): void
  /** Takes a frame apart. Whatever is wrong with it is one of its events. */
  read(frame: string, bytes: number, events: FrameEvents): void
  /** Sends at once what waits for the end of this turn. */
  flush(): void
}

/** What a frame says. */
export interface FrameEvents {
  /** A message, or any frame of the plain level. `hop` is undefined where the hop fields stand in the text. */
  message(text: string, bytes: number, hop: Hop | undefined): void
  /** A message that this end has sent is durable at the other one; `recipients` and `duplicate`, if it says so. */
  acknowledged(messageId: string, told: { readonly recipients?: number; readonly duplicate?: boolean }): void
  /** It is not kept there. Undefined: a line of this end could not be read. */
  refused(messageId: string | undefined, refused: Refused): void
  hello(hello: Hello): void
  pulse(time: number, agrees: number): void
  /** The window is another one now. */
  granted(): void
  /** Some of the frame cannot be read. */
  fault(fault: ProtocolFault): void
}
