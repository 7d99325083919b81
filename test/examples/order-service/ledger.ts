/** What an application has done, counted: once is right. */
export class Ledger {
  readonly #times = new Map<string, number>()

  note(orderId: string): void {
    this.#times.set(orderId, (this.#times.get(orderId) ?? 0) + 1)
  }

  has(orderId: string): boolean {
    return this.#times.has(orderId)
  }

  get size(): number {
    return this.#times.size
  }

  /** Orders that were done more than once. */
  get twice(): readonly string[] {
    return [...this.#times].filter(([, times]) => times > 1).map(([orderId]) => orderId)
  }

  /** Those of these orders that are missing. */
  missing(orderIds: readonly string[]): readonly string[] {
    return orderIds.filter((orderId) => !this.has(orderId))
  }
}
