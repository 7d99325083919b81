import { entryLimits, type Level, MAX_LINKED_FRAME_BYTES } from '../../../core/index.ts'

/** From the first byte of a TCP connection, or of a dial, to an open WebSocket. */
export const HANDSHAKE_TIMEOUT_MS = 5_000

/** How long the other end may take to answer a close before its socket is destroyed. */
export const CLOSE_GRACE_MS = 2_000

/**
 * What may wait for one connection behind the little that its socket is given, in bytes. Control frames: nothing is read from
 * the other end before half of them have left. Bulk frames: the connection is closed (1013). The core never sends as many: two
 * windows of 1 MiB to whoever acknowledges, 1 MiB to whoever does not.
 */
export const MAX_CONTROL_BYTES = 1024 * 1024
export const MAX_BULK_BYTES = 4 * 1024 * 1024

/**
 * What a frame may be at most, in bytes; more costs the connection (1009). On the plain level 16 KiB more than a message, so
 * that one just over the limit is answered with a NACK.
 */
export const MAX_PAYLOAD: Readonly<Record<Level, number>> = Object.freeze({
  plain: entryLimits.maxBytes + 16 * 1024,
  linked: MAX_LINKED_FRAME_BYTES,
})

/**
 * What one connection may cost while it is read. Fragments and chunks are bounded because tiny ones cost far more memory than their bytes (CVE-2026-48779).
 */
export const FRAME_LIMITS = Object.freeze({
  maxFragments: 64,
  maxBufferedChunks: 1024,
  perMessageDeflate: false,
  // The connection answers pings itself: the latest one, when there is room.
  autoPong: false,
  skipUTF8Validation: false,
})

/** What a TCP connection may cost before it has become a WebSocket. */
export const HTTP_LIMITS = Object.freeze({
  headersTimeout: HANDSHAKE_TIMEOUT_MS,
  requestTimeout: HANDSHAKE_TIMEOUT_MS,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8 * 1024,
})

/** TCP connections that may be shaking hands beside the WebSockets that are open; one more is dropped unanswered. */
export const HANDSHAKE_ROOM = 128
