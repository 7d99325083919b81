/**
 * The seam to time and chance. Everything in the bus that waits, stamps or draws a number asks the runtime it was
 * given, so that a whole mesh can run in one process under a simulated clock and replay from a seed.
 */
export interface Runtime {
  /** Wall clock, in milliseconds since the epoch. May step; use it for stamps, never to measure a wait. */
  now(): number
  /** Milliseconds that only ever grow. Use it to measure. */
  monotonic(): number
  /** A number in [0, 1). */
  random(): number
  /** A new unique id, ordered by time (UUIDv7, RFC 9562). */
  id(): string
  /** Runs `task` once, `milliseconds` from now. */
  after(milliseconds: number, task: () => void): Timer
  /** Runs `task` when the input that is at hand has been read: the end of this turn of the event loop. */
  defer(task: () => void): void
}

export interface Timer {
  /** Forgets the task. Cancelling twice, or too late, does nothing. */
  cancel(): void
}
