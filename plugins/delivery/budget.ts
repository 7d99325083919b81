import {
  type Kernel,
  type Plugin,
  problemOf,
  type Receipt,
  type Received,
  Stage,
  type Timer,
} from '../../core/index.ts'
import { Relief } from './relief.ts'

const DEFAULT_MAX_BYTES = 10 * 1024 ** 3
/** Parts of the budget. From this one on, room is made. */
const SCARCE = 0.8
/** From the first on, and until below the second, messages that enter here are refused. */
const FULL = { from: 0.95, until: 0.9 }
/**
 * The same for messages of other instances. Two that are full of messages for each other must still take some: what they
 * take is what the other one is rid of. Beyond that, the rest is for writing down what became of deliveries.
 */
const CROWDED = { from: 0.98, until: 0.96 }
/** How often it is looked how much is in use, and how long between two steps that make room, in milliseconds. */
const LOOK_MS = 250
const STEP_MS = 50
/** How long to wait when there was nothing to give up, in milliseconds. */
const REST_MS = 10_000
/** When an instance may try again whose message there was no room for, in milliseconds. */
const RETRY_AFTER_MS = 5_000

const REASON = 'the disk budget of this instance is used up; publish again later with the same id, or elsewhere'

/**
 * Holds the store to a budget. When it becomes scarce, the texts of settled messages are given up before their time, and
 * what waits for those who are away is collapsed to the newest of each key, of types that allow it. When that does not
 * help, new messages are refused with `STORE_UNAVAILABLE` until there is room again, and other instances are told `BUSY`,
 * which costs their messages nothing.
 *
 * @param options.maxBytes how much the store may use; what the store itself allows if that is less; default 10 GiB
 */
export function budget({ maxBytes = DEFAULT_MAX_BYTES } = {}): Plugin {
  return {
    name: 'budget',
    version: '1.0.0',
    options: { maxBytes },
    optionsSchema: {
      type: 'object',
      additionalProperties: false,
      properties: { maxBytes: { type: 'integer', minimum: 1024 ** 2 } },
    },
    apply(kernel) {
      const keeper = new Budget(kernel, maxBytes)
      kernel.hooks.onReceive.tap((received) => keeper.receipt(received), { stage: Stage.LIMITS })
      kernel.healthCheck({ name: 'budget', probe: 'ready', check: () => keeper.report() })
      kernel.hooks.start.tap(() => keeper.start())
      kernel.hooks.stop.tap(() => keeper.stop())
    },
  }
}

class Budget {
  readonly #kernel: Kernel
  readonly #maxBytes: number
  readonly #relief: Relief
  /** Whether messages that enter here are refused, and whether those of other instances are. */
  #full = false
  #crowded = false
  /** The part of the budget that is in use. */
  #used = 0
  #restUntil = 0
  #timer: Timer | undefined
  #stopped = false

  constructor(kernel: Kernel, maxBytes: number) {
    this.#kernel = kernel
    this.#maxBytes = maxBytes
    this.#relief = new Relief(kernel)
  }

  start(): void {
    this.#look()
    this.#later(LOOK_MS)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Undefined lets it pass. What is not stored takes no room. */
  receipt({ type, entersHere }: Received): Receipt | undefined {
    const isRefused = entersHere ? this.#full : this.#crowded
    if (!isRefused || !this.#kernel.isStored(type)) return undefined
    if (entersHere) return { status: 'refused', code: 'STORE_UNAVAILABLE', reason: REASON, retryable: true }
    return { status: 'refused', code: 'BUSY', reason: REASON, retryable: true, retryAfterMs: RETRY_AFTER_MS }
  }

  report(): { readonly ok: boolean; readonly detail: string } {
    const detail = `${Math.round(this.#used * 100)} % of the disk budget are in use`
    return { ok: !this.#full, detail: this.#full ? `${detail}; messages are refused` : detail }
  }

  #later(milliseconds: number): void {
    if (!this.#stopped) this.#timer = this.#kernel.runtime.after(milliseconds, () => void this.#next())
  }

  async #next(): Promise<void> {
    const { runtime, log } = this.#kernel
    let isMoreDue = false
    try {
      this.#look()
      if (this.#used < SCARCE) this.#relief.pause()
      else if (runtime.monotonic() >= this.#restUntil) isMoreDue = await this.#relief.step()
      else return this.#later(LOOK_MS)
    } catch (error) {
      log.error('no room was made in the store', { reason: problemOf(error), error })
    }
    if (!isMoreDue && this.#used >= SCARCE) this.#restUntil = runtime.monotonic() + REST_MS
    this.#later(isMoreDue ? STEP_MS : LOOK_MS)
  }

  #look(): void {
    const { log, storeStatistics } = this.#kernel
    const { usedBytes: bytes, capacityBytes } = storeStatistics()
    const wasFull = this.#full
    this.#used = bytes / Math.min(this.#maxBytes, capacityBytes ?? this.#maxBytes)
    this.#full = this.#used >= (this.#full ? FULL.until : FULL.from)
    this.#crowded = this.#used >= (this.#crowded ? CROWDED.until : CROWDED.from)
    if (this.#full && !wasFull) log.critical('disk budget used up: messages are refused', { bytes })
    if (!this.#full && wasFull) log.error('there is room in the disk budget again', { bytes })
  }
}
