import type { PendingDelivery } from './store.ts'

/** How many deliveries may wait behind busy keys of one recipient before it is sent nothing more. Each costs its place only. */
const MAX_PARKED = 100_000

/**
 * Strict order: of each key one delivery at a time is under way to a recipient; the others of that key wait for it, and
 * hold up nobody else. What waits is remembered by its place in the store.
 */
export class KeyOrder {
  readonly #busy = new Map<string, { readonly holder: number; readonly waiting: number[] }>()
  #parked = 0

  get isFull(): boolean {
    return this.#parked >= MAX_PARKED
  }

  /** How many deliveries wait behind others of their key. */
  get parked(): number {
    return this.#parked
  }

  /** Whether the delivery may go. If so its key is busy with it from now on; if not it waits until that key is released. */
  admit(key: string, { seq }: PendingDelivery): boolean {
    const busy = this.#busy.get(key)
    if (!busy) {
      this.#busy.set(key, { holder: seq, waiting: [] })
    } else if (busy.holder !== seq) {
      busy.waiting.push(seq)
      this.#parked++
    }
    return !busy || busy.holder === seq
  }

  /** The delivery that made the key busy is done. The place of the one that is next, which the key is busy with now. */
  release(key: string, { seq }: PendingDelivery): number | undefined {
    const busy = this.#busy.get(key)
    if (busy?.holder !== seq) return undefined
    const next = busy.waiting.shift()
    if (next === undefined) {
      this.#busy.delete(key)
    } else {
      this.#busy.set(key, { holder: next, waiting: busy.waiting })
      this.#parked--
    }
    return next
  }

  clear(): void {
    this.#busy.clear()
    this.#parked = 0
  }
}
