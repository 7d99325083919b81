import type { Runtime, SlipstreamError, Timer } from '../../core/index.ts'

/** A lease is renewed when this part of it is over: two renewals may fail before it is lost. */
const RENEWED_AT = 1 / 3

export interface LeaseOptions {
  readonly runtime: Runtime
  readonly leaseMs: number
  /** When the claim was asked for, by the monotonic clock: it begins then at the earliest. */
  readonly since: number
  /** Rejects with `SLP_DEDUP_LOST` when somebody else has the claim, and otherwise when the backend cannot be asked. */
  extend(): Promise<void>
  /** What the signal is aborted with. */
  lost(): SlipstreamError
}

/** Renews a claim until it is ended, and says when it may be somebody else's. */
export class Lease {
  readonly #options: LeaseOptions
  readonly #controller = new AbortController()
  #renewal: Timer | undefined
  #expiry: Timer | undefined
  #isOver = false

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#holdsSince(options.since)
    this.#renewLater()
  }

  /** Aborted when the lease is over and was not renewed, or somebody else has the claim. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Renews it no more. */
  end(): void {
    this.#isOver = true
    this.#renewal?.cancel()
    this.#expiry?.cancel()
  }

  #renewLater(): void {
    const { runtime, leaseMs } = this.#options
    this.#renewal = runtime.after(leaseMs * RENEWED_AT, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    const { runtime, extend } = this.#options
    const since = runtime.monotonic()
    try {
      await extend()
      if (!this.#isOver) this.#holdsSince(since)
    } catch (error) {
      // A backend that is away may be back before the lease is over.
      if ((error as SlipstreamError).code === 'SLP_DEDUP_LOST') this.#lose()
    }
    if (!this.#isOver) this.#renewLater()
  }

  #holdsSince(since: number): void {
    const { runtime, leaseMs } = this.#options
    this.#expiry?.cancel()
    this.#expiry = runtime.after(since + leaseMs - runtime.monotonic(), () => this.#lose())
  }

  #lose(): void {
    if (this.#isOver) return
    this.end()
    this.#controller.abort(this.#options.lost())
  }
}
