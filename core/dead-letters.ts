import type { Recipients } from './recipients.ts'
import type { DeadLetterFilter, DeadLetterId, DeadLetterList, DeadLetterPage, Store } from './store.ts'

/** Deliveries that were given up, for those who decide what becomes of them. */
export class DeadLetters {
  readonly #store: () => Store
  readonly #recipients: () => Recipients

  constructor(store: () => Store, recipients: () => Recipients) {
    this.#store = store
    this.#recipients = recipients
  }

  /** Those that match, oldest first, without values; and how many match in all. */
  list(filter: DeadLetterFilter, page: DeadLetterPage): Promise<DeadLetterList> {
    return this.#store().deadLetters(filter, page)
  }

  /**
   * Delivers them again, with their original ids, to the recipients that they were for. Resolves to how many are deliveries
   * again; those that are gone, or whose recipient is forgotten, are not.
   */
  async replay(ids: readonly DeadLetterId[]): Promise<number> {
    const revived = await this.#store().reviveDeadLetters(ids)
    for (const key of new Set(revived.map(({ recipient }) => recipient))) {
      const deliveries = revived.filter(({ recipient }) => recipient === key)
      this.#recipients().durableByKey(key)?.outbox.revive(deliveries)
    }
    return revived.length
  }

  /** Forgets them for good. Resolves to how many there were. */
  discard(ids: readonly DeadLetterId[]): Promise<number> {
    return this.#store().discardDeadLetters(ids)
  }
}
