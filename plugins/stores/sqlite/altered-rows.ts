import type { Log } from '../../../core/index.ts'

/** Altered rows that are remembered at most, so that each is reported once. A disk with more is past counting. */
const MAX_REMEMBERED = 10_000

/** Rows that are not what was written, by their key. */
export class AlteredRows {
  readonly #log: Log
  readonly #event: string
  readonly #met = new Set<number>()

  /** @param event what the log says of each */
  constructor(log: Log, event: string) {
    this.#log = log
    this.#event = event
  }

  /** How many were met. */
  get count(): number {
    return this.#met.size
  }

  report(key: number, messageId: string): void {
    if (this.#met.has(key) || this.#met.size >= MAX_REMEMBERED) return
    this.#met.add(key)
    this.#log.critical(this.#event, { messageId })
  }
}
