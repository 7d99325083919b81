import type { StateEntry, StateOutcome } from '../../../core/index.ts'
import type { Database } from './database.ts'

declare module '../../../core/index.ts' {
  interface Services {
    /** The file of the store, for plugins that keep something beside it: one backup, one budget of space, one disk sync. */
    sqlite: SharedDatabase
  }
}

/**
 * What others may do with a database that is open: keep tables of their own in it, under names that begin with their own,
 * and use their own prepared statements. Work is synchronous and done when it returns. The tables of the store, pragmas,
 * transactions that outlive the work, and closing are the store's alone.
 *
 * Errors come with the codes of the store: `SLP_STORE_FAILED` may pass; after `SLP_STORE_LOST` nothing is written any more.
 */
export interface SharedDatabase {
  read<Result>(work: (database: Database) => Result): Result
  /**
   * Runs the work in one transaction: all of it or nothing. It survives a power cut as surely as whatever the store writes
   * next: in the log it stands before that, and it waits for no disk sync of its own.
   */
  write<Result>(work: (database: Database) => Result): Result
  /** Whoever keeps the state here says how entries are joined into it within a transaction of the store. */
  joinBy(join: JoinWithin): void
}

/** Joins these one after the other, within a transaction. Throws when it cannot; what it did is taken back then. */
export type JoinWithin = (deltas: readonly StateEntry[]) => JoinedWithin

export interface JoinedWithin {
  readonly outcomes: readonly StateOutcome[]
  /** To be told whether the transaction is on disk. */
  ended(committed: boolean): void
}

/** The same over an open file, without codes. */
export class Sharing implements Omit<SharedDatabase, 'joinBy'> {
  readonly #database: Database
  readonly #transaction: <Result>(work: (database: Database) => Result) => Result

  constructor(database: Database) {
    this.#database = database
    this.#transaction = database.transaction((work: (database: Database) => unknown) => work(database))
      .immediate as SharedDatabase['write']
  }

  read<Result>(work: (database: Database) => Result): Result {
    return work(this.#database)
  }

  write<Result>(work: (database: Database) => Result): Result {
    // In WAL mode, NORMAL leaves out nothing but the sync of the log at a commit; the next sync takes in all before it.
    this.#database.pragma('synchronous = NORMAL')
    try {
      return this.#transaction(work)
    } finally {
      this.#database.pragma('synchronous = FULL')
    }
  }
}
