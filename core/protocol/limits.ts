/** What a frame may be at most (§1 of the protocol). */
export interface FrameLimits {
  /** Of the UTF-8 text of one message, in bytes. */
  readonly maxBytes: number
  /** Of nested objects and arrays, the message itself included. */
  readonly maxDepth: number
}

export const entryLimits: FrameLimits = Object.freeze({ maxBytes: 256 * 1024, maxDepth: 32 })

/** Between instances 8 KiB more: what was let in must still fit when the hop fields stand in front of it. */
export const linkLimits: FrameLimits = Object.freeze({ maxBytes: entryLimits.maxBytes + 8 * 1024, maxDepth: 32 })

/** Everyone whom a message may have passed, the publisher included. */
export const MAX_PATH_LENGTH = 16

/** The levels of the protocol, by their WebSocket subprotocols (§1). */
export const SUBPROTOCOLS = Object.freeze({ plain: 'slipstream.v1', linked: 'slipstream.v2' })
export type Level = keyof typeof SUBPROTOCOLS

/** A frame of the linked level, in bytes of UTF-8, and the lines that it holds at most. */
export const MAX_LINKED_FRAME_BYTES = 1024 * 1024
export const MAX_LINES = 4_096
/** So full a frame is sent. Larger ones gain nothing, and answers that come behind one on its way to the socket would wait. */
export const FULL_FRAME_BYTES = 64 * 1024
/** Numbers, ranges and ids that one line answers at most. */
export const MAX_TARGETS = 1_024

/** What may be under way to somebody and not answered yet. One message always may, unless nothing may at all. */
export interface Window {
  readonly messages: number
  /** As sent on the wire. */
  readonly bytes: number
}

/** On the plain level, and on the linked one until the other end says more (§6). */
export const PLAIN_WINDOW: Window = Object.freeze({ messages: 64, bytes: 1024 * 1024 })
