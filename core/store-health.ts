import { problemOf } from './errors.ts'
import type { HealthCheck } from './health.ts'
import type { Runtime } from './runtime/runtime.ts'

/** How long a trial may be under way before the next one goes, in milliseconds. */
const TRIAL_MS = 1_000

/**
 * Whether the store takes what it is given. While it does not (a full disk), new messages are refused, for whoever is told
 * so can publish elsewhere; but one at a time goes to the store all the same, so that it is noticed when there is room again.
 */
export class StoreHealth {
  readonly #runtime: Runtime
  #problem: string | undefined
  #trialAt = Number.NEGATIVE_INFINITY

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** For readiness. */
  get check(): HealthCheck {
    return {
      name: 'store',
      probe: 'ready',
      check: () => (this.#problem === undefined ? { ok: true } : { ok: false, detail: this.#problem }),
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
  }

  worked(): void {
    this.#problem = undefined
  }
}
