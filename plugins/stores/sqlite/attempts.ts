import type { Attempts, Retry } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'
import type { Queues } from './queues.ts'

/** The columns of `Attempts`, in `delivery` as in `dead_letter`. */
export const ATTEMPTS = 'sends, nacks, timeouts, disconnects'

export const NO_ATTEMPTS: Attempts = Object.freeze({ sends: 0, nacks: 0, timeouts: 0, disconnects: 0 })

/** The attempts among the columns of a row. */
export function attemptsOf({ sends, nacks, timeouts, disconnects }: Attempts): Attempts {
  return { sends, nacks, timeouts, disconnects }
}

/** Counts failures of deliveries that go again. */
export class Retries {
  readonly #queues: Queues
  readonly #update: Statement

  constructor(database: Database, queues: Queues) {
    this.#queues = queues
    this.#update = database.prepare(`
      UPDATE delivery SET sends = ?, nacks = ?, timeouts = ?, disconnects = ?, due_at = ?
      WHERE queue = ? AND seq = ?`)
  }

  note(retries: readonly Retry[]): void {
    for (const { recipient, seq, attempts, dueAt } of retries) {
      const { sends, nacks, timeouts, disconnects } = attempts
      this.#update.run(sends, nacks, timeouts, disconnects, dueAt, this.#queues.of(recipient) ?? null, seq)
    }
  }
}
