/** What is heard within this time counts together, in milliseconds: whatever was delayed least is nearest to the truth. */
const WINDOW_MS = 30_000
/** What was heard longer ago says nothing about a clock that may have been set since, in milliseconds. */
const MAX_AGE_MS = 5 * 60_000

/**
 * The wall clock of the other end of a link, as far as it lets itself be heard. It is kept relative to the clock that only
 * grows, so that setting this instance's own wall clock shows at once. A word that was on its way for long makes the clock
 * seem late, never early: of all words of a while, the earliest one counts.
 */
export class PeerClock {
  /** By how much it leads the clock that only grows here, in milliseconds, in this window and in the one before. */
  #lead: number | undefined
  #leadBefore: number | undefined
  #since = Number.NEGATIVE_INFINITY
  #heardAt = Number.NEGATIVE_INFINITY
  #tells = false
  #agrees = 0

  /** Whether the other end tells its time, so that nobody need guess. */
  get tells(): boolean {
    return this.#tells
  }

  /** With how many instances beside this one the other end says that it agrees about the time. */
  get agrees(): number {
    return this.#agrees
  }

  /** The other end has said its time, and with how many it agrees. */
  told(time: number, agrees: number, monotonic: number): void {
    if (!this.#tells) this.#forget()
    this.#tells = true
    this.#agrees = agrees
    this.heard(time, monotonic)
  }

  /** It was that time there, a moment ago or longer. */
  heard(time: number, monotonic: number): void {
    this.#turn(monotonic)
    this.#heardAt = monotonic
    this.#lead = Math.max(this.#lead ?? Number.NEGATIVE_INFINITY, time - monotonic)
  }

  /** How far it is ahead of `now`, in milliseconds, negative when it is behind; undefined when it is not known. */
  aheadOf(now: number, monotonic: number): number | undefined {
    if (monotonic - this.#heardAt > MAX_AGE_MS) return undefined
    const lead = Math.max(this.#lead ?? Number.NEGATIVE_INFINITY, this.#leadBefore ?? Number.NEGATIVE_INFINITY)
    return lead + monotonic - now
  }

  /** Begins a new window when the present one is over. */
  #turn(monotonic: number): void {
    if (monotonic - this.#since < WINDOW_MS) return
    this.#leadBefore = monotonic - this.#since < 2 * WINDOW_MS ? this.#lead : undefined
    this.#lead = undefined
    this.#since = monotonic
  }

  #forget(): void {
    this.#lead = undefined
    this.#leadBefore = undefined
  }
}
