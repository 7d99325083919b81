import type { Range } from './line.ts'

/**
 * Remembered at most. What falls out can no longer be answered by number: it is sent again in its time, and is a duplicate
 * that is answered then.
 */
const MAX_REMEMBERED = 16_384

/** Which number stands for which message that was sent on one connection, until it is answered. */
export class Sent {
  readonly #ids = new Map<number, string>()
  #last = 0

  /** The number that the message is sent under. */
  add(messageId: string): number {
    const number = ++this.#last
    this.#ids.set(number, messageId)
    if (this.#ids.size > MAX_REMEMBERED) this.#ids.delete(this.#ids.keys().next().value as number)
    return number
  }

  /** The ids of those that were sent under these numbers and had no answer yet, in the order of sending. */
  take({ from, to }: Range): readonly string[] {
    const numbers = this.#within(from, Math.min(to, this.#last))
    return numbers.map((number) => {
      const id = this.#ids.get(number) as string
      this.#ids.delete(number)
      return id
    })
  }

  /** Never more work than there are numbers without an answer, whatever range a stranger names. */
  #within(from: number, to: number): readonly number[] {
    if (to - from >= this.#ids.size) return [...this.#ids.keys()].filter((number) => number >= from && number <= to)
    const numbers: number[] = []
    for (let number = from; number <= to; number++) if (this.#ids.has(number)) numbers.push(number)
    return numbers
  }
}
