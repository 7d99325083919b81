import type { Joining, StateOutcome } from '../../../core/index.ts'
import type { Database } from './database.ts'
import { isFaultOfEntry, isOfDatabase } from './failure.ts'
import type { JoinedWithin, JoinWithin } from './shared.ts'

/** Joins what a batch says of the state within its transaction, behind a savepoint. */
export class Joiner {
  readonly #join: (joins: readonly Joining[]) => JoinedWithin
  #joined: JoinedWithin | undefined

  constructor(database: Database, join: JoinWithin) {
    this.#join = database.transaction((joins: readonly Joining[]) => join(joins.map(({ delta }) => delta)))
  }

  /** What became of each; undefined when one of them cannot be joined, and nothing was. Throws when the disk is at fault. */
  join(joins: readonly Joining[]): readonly StateOutcome[] | undefined {
    try {
      this.#joined = this.#join(joins)
      return this.#joined.outcomes
    } catch (error) {
      if (isOfDatabase(error) && !isFaultOfEntry(error)) throw error
      return undefined
    }
  }

  /** The transaction has ended, and is on disk or not. */
  ended(committed: boolean): void {
    this.#joined?.ended(committed)
    this.#joined = undefined
  }
}
