import {
  type DedupBackend,
  type DedupContext,
  type DedupVerdict,
  problemOf,
  type Runtime,
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
 * cut. The event loop waits for the disk when something is confirmed, and for 2 seconds at most while others write.
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

interface Confirmation {
  readonly key: string
  readonly token: number
  resolve(isConfirmed: boolean): void
  reject(error: unknown): void
}

class SqliteDedup implements DedupBackend {
  readonly name = 'sqlite'
  readonly #path: string
  readonly #maxBytes: number
  #opened: { readonly file: DedupFile; readonly runtime: Runtime } | undefined
  #confirming: Confirmation[] = []
  #lost: SlipstreamError | undefined

  constructor(path: string, maxBytes: number) {
    this.#path = path
    this.#maxBytes = maxBytes
  }

  async open(context: DedupContext): Promise<void> {
    // Only who uses it loads the driver.
    const { openDedupFile } = await import('./sqlite-file.ts')
    try {
      this.#opened = { file: openDedupFile(this.#path, this.#maxBytes, context), runtime: context.runtime }
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

  /** Those of one turn of the event loop share one transaction, and its disk sync. */
  async confirm(key: string, token: number): Promise<boolean> {
    const { runtime } = this.#usable()
    if (this.#confirming.length === 0) runtime.defer(() => this.#confirmAll())
    return new Promise((resolve, reject) => {
      this.#confirming.push({ key, token, resolve, reject })
    })
  }

  async release(key: string, token: number): Promise<void> {
    this.#work((file) => file.release(key, token))
  }

  async find(key: string): Promise<'claimed' | 'confirmed' | undefined> {
    return this.#work((file) => file.find(key))
  }

  async close(): Promise<void> {
    this.#confirmAll()
    this.#opened?.file.close()
    this.#opened = undefined
  }

  #confirmAll(): void {
    const confirming = this.#confirming
    this.#confirming = []
    if (confirming.length === 0) return
    try {
      const outcomes = this.#work((file) => file.confirm(confirming))
      for (const [at, { resolve }] of confirming.entries()) resolve(outcomes[at] === true)
    } catch (error) {
      for (const { reject } of confirming) reject(error)
    }
  }

  #work<Result>(work: (file: DedupFile) => Result): Result {
    const { file } = this.#usable()
    try {
      return work(file)
    } catch (error) {
      const failure = this.#failure(error)
      if (BEYOND_TRUST.test(String((error as { code?: unknown }).code))) this.#lost = failure
      throw failure
    }
  }

  #usable() {
    if (this.#lost) throw this.#lost
    return this.#opened ?? fail('the backend is not open')
  }

  #failure(error: unknown): SlipstreamError {
    if (error instanceof SlipstreamError) return error
    return slipstreamError('SLP_DEDUP_FAILED', [`${this.#path}: ${problemOf(error)}`], { cause: error })
  }
}

function fail(problem: string): never {
  throw slipstreamError('SLP_DEDUP_FAILED', [problem])
}
