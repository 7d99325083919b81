import { Recent } from '../recent.ts'
import type { Verdict } from './message.ts'

type Told = (verdict: Verdict) => void

/**
 * What was received, by cluster group and id: whoever claims a message first handles it, and everybody else who receives it is
 * told when that has ended. One object may serve several clients.
 */
export class Seen {
  /** Those that are handled now, and whom to tell: the latest word of each client counts. */
  readonly #handling = new Map<string, Map<object, Told>>()
  readonly #handled: Recent<true>

  /** @param max how many handled messages are remembered; of more, the oldest are forgotten */
  constructor(max = 10_000) {
    this.#handled = new Recent(max)
  }

  /** Whether `who` is to handle it. Either way `told` is called once it has ended: at once if it was handled before. */
  claim(key: string, who: object, told: Told): boolean {
    const others = this.#handling.get(key)
    if (this.#handled.get(key)) told({ kept: true })
    else if (others) others.set(who, told)
    else this.#handling.set(key, new Map([[who, told]]))
    return others === undefined && this.#handling.has(key)
  }

  settle(key: string, verdict: Verdict): void {
    const everybody = this.#handling.get(key)
    this.#handling.delete(key)
    if (verdict.kept) this.#handled.set(key, true)
    for (const told of everybody?.values() ?? []) told(verdict)
  }
}
