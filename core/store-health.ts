import { problemOf } from './errors.ts'
import type { HealthCheck } from './health.ts'
import type { Runtime } from './runtime/runtime.ts'

/** How long a trial may be under way before the next one goes, in milliseconds. */
const TRIAL_MS = 1_000
/**
 * How long readiness speaks of a failure, in milliseconds. It must not last for ever: whoever is not ready is sent nothing,
 * and without a message nobody would find out that there is room again.
 */
const UNREADY_MS = 10_000

/**
 * Whether the store takes what it is given. While it does not (a full disk), new messages are refused, for whoever is told
 * so can publish elsewhere; but one at a time goes to the store all the same, so that it is noticed when there is room again.
 */
export class StoreHealth {
  readonly #runtime: Runtime
  #problem: string | undefined
  #trialAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** For readiness. */
  get check(): HealthCheck {
    return {
      name: 'store',
      probe: 'ready',
      check: () => {
        const ok = this.#problem === undefined || this.#runtime.monotonic() - this.#failedAt >= UNREADY_MS
        return { ok, ...(this.#problem !== undefined && { detail: this.#problem }) }
      },
    }
  }

  /** Whether a message may go to the store now. */
  admits(): boolean {
    if (this.#problem === undefined) return true
    const now = this.#runtime.monotonic()
    if (now - this.#trialAt < TRIAL_MS) return false
    this.#trialAt = now
    return true
  }

  failed(error: unknown): void {
    this.#problem = problemOf(error)
    this.#trialAt = Number.NEGATIVE_INFINITY
    this.#failedAt = this.#runtime.monotonic()
  }

  worked(): void {
    this.#problem = undefined
  }
}
