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
