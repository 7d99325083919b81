import { counted } from './attempts.ts'
import type { DueCause, DueDelivery } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { Flight } from './in-flight.ts'
import type { PluginName } from './plugin.ts'
import type { Recipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { PendingDelivery } from './store.ts'

export interface FailuresContext {
  readonly hooks: Hooks
  readonly runtime: Runtime
  /** When those go again on which nobody decides, in milliseconds from their failure. */
  readonly retryDelayMs: number
  /** Those on which a plugin has decided. */
  readonly decided: WeakSet<DueDelivery>
}

/**
 * Deliveries of one recipient that did not succeed, while it is open what becomes of them: it is not decided, or the
 * decision is not on disk. Each is decided on once.
 */
export class Failures {
  readonly #recipient: Recipient
  readonly #context: FailuresContext
  readonly #goAgain: (delivery: PendingDelivery) => void
  /** By their places in the store. */
  readonly #open = new Set<number>()
  /** One that was alone in flight when the link was lost. */
  #alone: number | undefined

  /** `goAgain` takes back those on which nobody decides. */
  constructor(recipient: Recipient, context: FailuresContext, goAgain: (delivery: PendingDelivery) => void) {
    this.#recipient = recipient
    this.#context = context
    this.#goAgain = goAgain
  }

  /** Whether one that was alone in flight is being counted: nothing may overtake it meanwhile. */
  get holdUp(): boolean {
    return this.#alone !== undefined
  }

  /**
   * Asks what is to become of these. Those that nobody decides on go again: at once if the link was lost, else later.
   * `plugin` is the one that failed, when one did.
   */
  report(
    flights: readonly Pick<Flight, 'delivery' | 'sends'>[],
    cause: DueCause,
    error: string,
    plugin?: PluginName,
  ): void {
    const recipient = this.#recipient
    const due: DueDelivery[] = flights.map(({ delivery, sends }) => {
      return { recipient, delivery, cause, error, plugin, attempts: counted(delivery.attempts, sends, cause) }
    })
    if (cause === 'disconnect') this.#alone = due[0]?.delivery.seq
    // What meets with silence is in flight still.
    if (cause !== 'silence') for (const { delivery } of due) this.#open.add(delivery.seq)
    void this.#context.hooks.republish.promise(due).then(() => this.#takeBackUndecided(due, cause))
  }

  /** Whether the fate of this delivery was open; from now on it is not. */
  close({ seq }: PendingDelivery): boolean {
    if (this.#alone === seq) this.#alone = undefined
    return this.#open.delete(seq)
  }

  clear(): void {
    this.#open.clear()
    this.#alone = undefined
  }

  #takeBackUndecided(due: readonly DueDelivery[], cause: DueCause): void {
    const { runtime, retryDelayMs, decided } = this.#context
    const dueAt = cause === 'disconnect' ? 0 : Math.ceil(runtime.now() + retryDelayMs)
    for (const one of due) {
      if (decided.has(one)) continue
      // Whoever decides later than that is too late.
      decided.add(one)
      this.#goAgain({ ...one.delivery, dueAt })
    }
  }
}
