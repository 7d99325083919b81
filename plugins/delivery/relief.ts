import type { Kernel } from '../../core/index.ts'

/** Texts that are given up in a row: some milliseconds. */
const TEXTS_AT_ONCE = 100
/** A backlog is collapsed again when it has grown by so much since: what was left of it then cannot be collapsed further. */
const WORTH_IT = 1.1

/**
 * Makes room in the store, a step at a time. First the texts of settled messages are given up, then the backlogs of those who
 * are away are collapsed, the longest one first; and again, for what was collapsed for everybody is settled.
 */
export class Relief {
  readonly #kernel: Kernel
  /** What was left of a backlog when it was last collapsed, by its recipient. */
  readonly #collapsed = new Map<string, number>()
  #round: AsyncGenerator<void, boolean> | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Makes some room. Resolves to whether there may be more to be had. */
  async step(): Promise<boolean> {
    this.#round ??= this.#makeRoom()
    try {
      const { done, value } = await this.#round.next()
      if (done) this.#round = undefined
      return !done || value
    } catch (error) {
      this.#round = undefined
      throw error
    }
  }

  /** Begins with the texts again, next time. */
  pause(): void {
    this.#round = undefined
  }

  /** One round, a step at a time. Returns whether it made any room. */
  async *#makeRoom(): AsyncGenerator<void, boolean> {
    let count = 0
    for (let done = false; !done; ) {
      const shed = await this.#kernel.shed(TEXTS_AT_ONCE)
      count += shed.texts
      done = shed.done
      yield
    }
    for (const { name, pending } of this.#backlogs()) {
      if (pending < (this.#collapsed.get(name) ?? 0) * WORTH_IT) continue
      for (let done = false; !done; ) {
        const collapsed = await this.#kernel.collapse(name)
        count += collapsed?.deliveries ?? 0
        done = collapsed?.done ?? true
        if (collapsed) this.#collapsed.set(name, collapsed.pending)
        yield
      }
    }
    return count > 0
  }

  /** Of those who are away and for whom something waits. */
  #backlogs(): readonly { readonly name: string; readonly pending: number }[] {
    const away = this.#kernel.recipients().filter(({ connected, pending }) => !connected && pending > 0)
    for (const name of this.#collapsed.keys()) if (!away.some((one) => one.name === name)) this.#collapsed.delete(name)
    return away.sort((one, other) => other.pending - one.pending)
  }
}
