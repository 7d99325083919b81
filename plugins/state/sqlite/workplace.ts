import { SlipstreamError, slipstreamError } from '../../../core/index.ts'
import { type Database, openDatabase } from '../../stores/sqlite/database.ts'
import { storeFailure } from '../../stores/sqlite/failure.ts'
import type { SharedDatabase } from '../../stores/sqlite/shared.ts'

/** Where the tables are: in the file of the store, or in one of their own. */
export interface Workplace extends Omit<SharedDatabase, 'joinBy'> {
  open(): void
  close(): void
}

/** Beside the store, which opens and closes the file. */
export function beside(shared: Omit<SharedDatabase, 'joinBy'>): Workplace {
  return {
    open: () => {},
    read: (work) => shared.read(work),
    write: (work) => shared.write(work),
    close: () => {},
  }
}

/** A file of its own, in which each transaction waits for the disk. As in the store, nothing is written after a failed sync. */
export class OwnFile implements Workplace {
  readonly #path: string
  readonly #maxBytes: number
  #database: Database | undefined
  #lost: SlipstreamError | undefined

  constructor(path: string, maxBytes: number) {
    this.#path = path
    this.#maxBytes = maxBytes
  }

  open(): void {
    this.#database = openDatabase(this.#path, this.#maxBytes)
    this.#lost = undefined
  }

  read<Result>(work: (database: Database) => Result): Result {
    if (!this.#database) throw slipstreamError('SLP_STATE_FAILED', [`${this.#path} is not open`])
    try {
      return work(this.#database)
    } catch (error) {
      const failure = error instanceof SlipstreamError ? error : storeFailure(error)
      if (failure.code === 'SLP_STORE_LOST') this.#lost ??= failure
      throw failure
    }
  }

  write<Result>(work: (database: Database) => Result): Result {
    if (this.#lost) throw this.#lost
    return this.read((database) => database.transaction(() => work(database)).immediate())
  }

  close(): void {
    this.#database?.close()
    this.#database = undefined
  }
}
