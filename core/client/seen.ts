import type { Verdict } from './message.ts'

type Told = (verdict: Verdict) => void

/**
 * What was received, by cluster group and id: whoever claims a message first handles it, and everybody else who receives it is
 * told when that has ended. One object may serve several clients.
 */
export class Seen {
  readonly #max: number
  /** Those that are handled now, and whom to tell: the latest word of each client counts. */
  readonly #handling = new Map<string, Map<object, Told>>()
  /** Those that were handled, the oldest first. */
  readonly #handled = new Set<string>()

  /** @param max how many handled messages are remembered; of more, the oldest are forgotten */
  constructor(max = 10_000) {
    this.#max = max
  }

  /** Whether `who` is to handle it. Either way `told` is called once it has ended: at once if it was handled before. */
  claim(key: string, who: object, told: Told): boolean {
    const others = this.#handling.get(key)
    if (this.#handled.has(key)) told({ kept: true })
    else if (others) others.set(who, told)
    else this.#handling.set(key, new Map([[who, told]]))
    return others === undefined && this.#handling.has(key)
  }

  settle(key: string, verdict: Verdict): void {
    const everybody = this.#handling.get(key)
    this.#handling.delete(key)
    if (verdict.kept) this.#remember(key)
    for (const told of everybody?.values() ?? []) told(verdict)
  }

  #remember(key: string): void {
    this.#handled.add(key)
    for (const oldest of this.#handled) {
      if (this.#handled.size <= this.#max) return
      this.#handled.delete(oldest)
    }
  }
}
