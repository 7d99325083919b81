import {
  type DedupBackend,
  type DedupContext,
  type DedupVerdict,
  problemOf,
  SlipstreamError,
  slipstreamError,
} from '../../../core/index.ts'
import type { DedupFile } from './sqlite-file.ts'

const DEFAULT_MAX_BYTES = 10 * 1024 ** 3
const MIN_BYTES = 1024 ** 2
/** After these, nobody knows what is on the disk and what is only believed to be. */
const BEYOND_TRUST = /^SQLITE_(IOERR|CORRUPT|NOTADB)/

export interface SqliteOptions {
  /** A file of its own on a local disk. Its folder is made when it is missing. */
  readonly path: string
  /** Size at which nothing is claimed until something is forgotten, in bytes. Default 10 GiB. */
  readonly maxBytes?: number
}

/**
 * Remembers in a SQLite file, for any number of processes of one machine, by its clock. What is confirmed survives a power
 * cut. The event loop waits for the disk with each confirmation, and for 2 seconds at most while others write.
 */
export function sqlite({ path, maxBytes = DEFAULT_MAX_BYTES }: SqliteOptions): DedupBackend {
  if (typeof path !== 'string' || path === '') throw slipstreamError('SLP_DEDUP_OPTIONS', ['path names no file'])
  if (!Number.isSafeInteger(maxBytes) || maxBytes < MIN_BYTES) {
    throw slipstreamError('SLP_DEDUP_OPTIONS', [
      `maxBytes is ${maxBytes}, and must be a whole number from ${MIN_BYTES} on`,
    ])
  }
  return new SqliteDedup(path, maxBytes)
}

class SqliteDedup implements DedupBackend {
  readonly name = 'sqlite'
  readonly #path: string
  readonly #maxBytes: number
  #file: DedupFile | undefined
  #lost: SlipstreamError | undefined

  constructor(path: string, maxBytes: number) {
    this.#path = path
    this.#maxBytes = maxBytes
  }

  async open(context: DedupContext): Promise<void> {
    // Only who uses it loads the driver.
    const { openDedupFile } = await import('./sqlite-file.ts')
    try {
      this.#file = await openDedupFile(this.#path, this.#maxBytes, context)
      this.#lost = undefined
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async claim(key: string): Promise<DedupVerdict> {
    return this.#work((file) => file.claim(key))
  }

  async extend(key: string, token: number): Promise<boolean> {
    return this.#work((file) => file.extend(key, token))
  }

  async confirm(key: string, token: number): Promise<boolean> {
    return this.#work((file) => file.confirm(key, token))
  }

  async release(key: string, token: number): Promise<void> {
    this.#work((file) => file.release(key, token))
  }

  async find(key: string): Promise<'claimed' | 'confirmed' | undefined> {
    return this.#work((file) => file.find(key))
  }

  async close(): Promise<void> {
    this.#file?.close()
    this.#file = undefined
  }

  #work<Result>(work: (file: DedupFile) => Result): Result {
    if (this.#lost) throw this.#lost
    if (!this.#file) throw slipstreamError('SLP_DEDUP_FAILED', ['the backend is not open'])
    try {
      return work(this.#file)
    } catch (error) {
      const failure = this.#failure(error)
      if (BEYOND_TRUST.test(String((error as { code?: unknown }).code))) this.#lost = failure
      throw failure
    }
  }

  #failure(error: unknown): SlipstreamError {
    if (error instanceof SlipstreamError) return error
    return slipstreamError('SLP_DEDUP_FAILED', [`${this.#path}: ${problemOf(error)}`], { cause: error })
  }
}
