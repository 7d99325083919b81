import type { Entry, RecipientKey, StoreVerdict } from '../../../core/index.ts'
import type { Database } from './database.ts'

/** How many rows there are, counted once when the store opens and kept in step with each commit. */
export class Counters {
  messages: number
  pending = 0
  readonly #pendingOf = new Map<RecipientKey, number>()

  constructor(database: Database) {
    this.messages = database.prepare<[], number>('SELECT count(*) FROM message').pluck().get() ?? 0
    const counts = database.prepare<[], { key: RecipientKey; count: number }>(
      'SELECT recipient AS key, count(*) AS count FROM delivery GROUP BY recipient',
    )
    for (const { key, count } of counts.all()) this.add(key, count)
  }

  pendingOf(key: RecipientKey): number {
    return this.#pendingOf.get(key) ?? 0
  }

  add(key: RecipientKey, count: number): void {
    this.pending += count
    this.#pendingOf.set(key, this.pendingOf(key) + count)
  }

  set(key: RecipientKey, count: number): void {
    this.add(key, count - this.pendingOf(key))
  }

  forget(key: RecipientKey): void {
    this.set(key, 0)
    this.#pendingOf.delete(key)
  }

  /** A batch is committed. */
  committed(entries: readonly Entry[], verdicts: readonly StoreVerdict[], settled: Map<RecipientKey, number>): void {
    entries.forEach(({ recipients }, index) => {
      if (verdicts[index]?.status !== 'stored') return
      this.messages++
      for (const key of recipients) this.add(key, 1)
    })
    for (const [key, count] of settled) this.add(key, -count)
  }
}
