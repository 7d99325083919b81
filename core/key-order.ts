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

  /** Whether a delivery of that key would have to wait, and there are too many that do already. */
  isFullFor(key: string, { seq }: PendingDelivery): boolean {
    const busy = this.#busy.get(key)
    return this.#parked >= MAX_PARKED && busy !== undefined && busy.holder !== seq
  }

  /** Whether another delivery makes the key busy. */
  isBusyFor(key: string, seq: number): boolean {
    const busy = this.#busy.get(key)
    return busy !== undefined && busy.holder !== seq
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
      inOrder(busy.waiting, seq)
      this.#parked++
    }
    return !busy || busy.holder === seq
  }

  /** The delivery that made the key busy is done. The place of the one that is next, which the key is busy with now. */
  release(key: string, seq: number): number | undefined {
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

  /** Whether that delivery is the one that makes the key busy. */
  isHeldBy(key: string, seq: number): boolean {
    return this.#busy.get(key)?.holder === seq
  }

  /** The key that this delivery makes busy, if it does. Looks at all of them: not for every message. */
  keyHeldBy(seq: number): string | undefined {
    for (const [key, { holder }] of this.#busy) if (holder === seq) return key
    return undefined
  }

  clear(): void {
    this.#busy.clear()
    this.#parked = 0
  }
}

/** Puts it in its place: nearly always the last, but a dead letter that was revived is older than what waits. */
function inOrder(waiting: number[], seq: number): void {
  let place = waiting.length
  while (place > 0 && (waiting[place - 1] as number) > seq) place--
  waiting.splice(place, 0, seq)
}
