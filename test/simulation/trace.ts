import { createHash } from 'node:crypto'

const KEPT_LINES = 200

/** What happened, line by line: digested as a whole, so that two runs can be compared, and its end kept for reading. */
export class Trace {
  readonly #hash = createHash('sha256')
  readonly #lines: string[] = []

  add(at: number, text: string): void {
    const line = `${(at / 1_000).toFixed(4)} ${text}`
    this.#hash.update(line).update('\n')
    this.#lines.push(line)
    if (this.#lines.length > 2 * KEPT_LINES) this.#lines.splice(0, KEPT_LINES)
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }

  /** SHA-256 over all lines so far. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
