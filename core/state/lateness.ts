import { later } from './join.ts'

/**
 * Up to when writes that come as messages are too late to be applied. It is promised to other instances before anybody
 * forgets what was deleted: whatever an instance takes from then on is younger.
 */
export class Lateness {
  readonly #joining = new Set<Promise<unknown>>()
  #before = ''

  isLate(version: string): boolean {
    return version < this.#before
  }

  /** Takes note of writes while they are joined. */
  async during<Result>(joining: Promise<Result>): Promise<Result> {
    this.#joining.add(joining)
    try {
      return await joining
    } finally {
      this.#joining.delete(joining)
    }
  }

  /**
   * From now on, what is older than this version is too late. It never goes back. Resolves when what was in time before is
   * joined, or has failed to be.
   */
  async promise(before: string): Promise<void> {
    this.#before = later(before, this.#before)
    await Promise.allSettled(this.#joining)
  }
}
