import type { Runtime } from './runtime/runtime.ts'

/** How far a stamp may lie ahead of local time before the clock stops following it, in milliseconds (§6 of the protocol). */
export const MAX_CLOCK_AHEAD_MS = 60_000

const MAX_COUNTER = 99_999
/** The last millisecond that has thirteen digits: 20 November 2286. */
const MAX_MILLISECONDS = 9_999_999_999_999

/**
 * Hybrid logical clock (Kulkarni and others, 2014): stamps that follow the wall clock, never go back, and lie behind
 * every stamp seen before. Written `milliseconds-counter-who` with leading zeros, so that strings compare as the writes do.
 */
export class HybridClock {
  readonly #runtime: Pick<Runtime, 'now'>
  readonly #who: string
  #milliseconds = 0
  #counter = 0
  /** The latest that the wall clock ever showed, as far as is known, in milliseconds since the epoch. */
  #latest = 0

  /** `last` is the greatest stamp that was given or followed before a restart. */
  constructor(runtime: Pick<Runtime, 'now'>, who: string, last?: string) {
    this.#runtime = runtime
    this.#who = who
    if (!last) return
    this.#advanceTo(last)
    // It was not followed if it was ahead by more than that.
    this.#latest = this.#milliseconds - MAX_CLOCK_AHEAD_MS
  }

  /** A stamp that is greater than every one given or followed before. */
  stamp(): string {
    const now = Math.min(this.#wallClock(), MAX_MILLISECONDS)
    if (now > this.#milliseconds) {
      this.#milliseconds = now
      this.#counter = 0
    } else if (++this.#counter > MAX_COUNTER) {
      this.#milliseconds++
      this.#counter = 0
    }
    return this.#written()
  }

  /** The greatest stamp that was given or followed: a restart goes on behind it. Undefined before the first one. */
  get last(): string | undefined {
    return this.#milliseconds > 0 ? this.#written() : undefined
  }

  /** Takes note of somebody else's stamp. One too far ahead is ignored: it would drag every clock of the mesh along. */
  observe(stamp: string): void {
    if (millisecondsOf(stamp) - this.#wallClock() <= MAX_CLOCK_AHEAD_MS) this.#advanceTo(stamp)
  }

  /** The latest time that the wall clock ever showed, in milliseconds since the epoch: now, unless it was set back. */
  localTime(): number {
    this.#wallClock()
    return this.#latest
  }

  /**
   * When a stamp comes within the bound, in milliseconds since the epoch; undefined when it is. After the wall clock was
   * set back, what is no later than before is not ahead of time: this clock gives such stamps itself.
   */
  dueAt(stamp: string): number | undefined {
    const due = millisecondsOf(stamp) - MAX_CLOCK_AHEAD_MS
    return due > this.localTime() ? due : undefined
  }

  #wallClock(): number {
    const now = this.#runtime.now()
    this.#latest = Math.max(this.#latest, now)
    return now
  }

  #written(): string {
    return `${digits(this.#milliseconds, 13)}-${digits(this.#counter, 5)}-${this.#who}`
  }

  #advanceTo(stamp: string): void {
    const milliseconds = millisecondsOf(stamp)
    const counter = Number(stamp.slice(14, 19))
    if (milliseconds < this.#milliseconds) return
    this.#counter = milliseconds > this.#milliseconds ? counter : Math.max(counter, this.#counter)
    this.#milliseconds = milliseconds
  }
}

/** The time that a stamp tells, in milliseconds since the epoch. */
export function millisecondsOf(stamp: string): number {
  return Number(stamp.slice(0, 13))
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
