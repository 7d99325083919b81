import type { Runtime } from './runtime/runtime.ts'

/** How far a stamp may lie ahead of local time before the clock stops following it, in milliseconds (§6 of the protocol). */
export const MAX_CLOCK_AHEAD_MS = 60_000

/**
 * Hybrid logical clock (Kulkarni and others, 2014): stamps that follow the wall clock, never go back, and lie behind
 * every stamp seen before. Written `milliseconds-counter-who` with leading zeros, so that strings compare as the writes do.
 */
export class HybridClock {
  readonly #runtime: Runtime
  readonly #who: string
  #milliseconds = 0
  #counter = 0

  /** `last` is the greatest stamp that was given or seen before a restart. */
  constructor(runtime: Runtime, who: string, last?: string) {
    this.#runtime = runtime
    this.#who = who
    if (last) this.#advanceTo(last)
  }

  /** A stamp that is greater than every one given or seen before. */
  stamp(): string {
    const now = this.#runtime.now()
    if (now > this.#milliseconds) {
      this.#milliseconds = now
      this.#counter = 0
    } else if (++this.#counter > 99_999) {
      this.#milliseconds++
      this.#counter = 0
    }
    return `${digits(this.#milliseconds, 13)}-${digits(this.#counter, 5)}-${this.#who}`
  }

  /** Takes note of somebody else's stamp. One too far ahead is ignored: it would drag every clock of the mesh along. */
  observe(stamp: string): void {
    if (Number(stamp.slice(0, 13)) - this.#runtime.now() <= MAX_CLOCK_AHEAD_MS) this.#advanceTo(stamp)
  }

  #advanceTo(stamp: string): void {
    const milliseconds = Number(stamp.slice(0, 13))
    const counter = Number(stamp.slice(14, 19))
    if (milliseconds < this.#milliseconds) return
    this.#counter = milliseconds > this.#milliseconds ? counter : Math.max(counter, this.#counter)
    this.#milliseconds = milliseconds
  }
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
