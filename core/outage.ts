import { backoff } from './backoff.ts'
import { problemOf } from './errors.ts'
import type { HealthCheck } from './health.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'

/** Codes of errors that say nothing about a message: what it was to be handled with is not there at the moment. */
const AWAY: ReadonlySet<unknown> = new Set([
  'SLP_STATE_UNAVAILABLE',
  'SLP_REDIS_EVICTION',
  'SLP_STORE_FAILED',
  'SLP_STORE_LOST',
])
/** Errors are looked through so deep for their cause. */
const MAX_CAUSES = 8

/** Whether the fault lies with something behind the bus, whoever has wrapped the error since. */
export function isOutage(error: unknown): boolean {
  let one = error
  for (let depth = 0; depth < MAX_CAUSES && typeof one === 'object' && one !== null; depth++) {
    const { code, cause } = one as { code?: unknown; cause?: unknown }
    if (AWAY.has(code)) return true
    one = cause
  }
  return false
}

/**
 * A time in which nothing can be applied, through no fault of any message: all waits, and is tried again after a delay that
 * doubles up to a minute. It ends with the first attempt that succeeds.
 */
export class Outage {
  readonly #runtime: Runtime
  readonly #firstDelayMs: number
  readonly #tryAgain: () => void
  #failures = 0
  #problem: string | undefined
  #timer: Timer | undefined

  constructor(runtime: Runtime, firstDelayMs: number, tryAgain: () => void) {
    this.#runtime = runtime
    this.#firstDelayMs = firstDelayMs
    this.#tryAgain = tryAgain
  }

  /** For readiness. It needs no traffic to find out that the outage is over. */
  get check(): HealthCheck {
    return {
      name: 'apply',
      probe: 'ready',
      check: () => (this.#problem === undefined ? { ok: true } : { ok: false, detail: this.#problem }),
    }
  }

  /** Whether the next attempt is not due yet. */
  get isWaiting(): boolean {
    return this.#timer !== undefined
  }

  /** An attempt has failed. */
  failed(error: unknown): void {
    this.#problem = problemOf(error)
    const delay = backoff(++this.#failures, this.#firstDelayMs, this.#runtime.random())
    this.#timer?.cancel()
    this.#timer = this.#runtime.after(delay, () => {
      this.#timer = undefined
      this.#tryAgain()
    })
  }

  over(): void {
    this.#failures = 0
    this.#problem = undefined
  }

  close(): void {
    this.#timer?.cancel()
  }
}
