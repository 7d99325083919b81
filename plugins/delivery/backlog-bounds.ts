import type { Kernel, Recipient, Timer } from '../../core/index.ts'

export interface BacklogLimits {
  readonly messages?: number | undefined
  /** Of texts, in UTF-8. What the store lays beside them is not counted. */
  readonly bytes?: number | undefined
}

/** How long somebody must have been away before its backlog may be cut, in milliseconds: links are lost for moments. */
const AWAY_MS = 10 * 60_000
/** Between two steps that hold up the event loop for some milliseconds each. */
const STEP_MS = 50

interface Weight {
  /** When the recipient left for whom this was counted. */
  readonly since: number
  readonly pending: number
  readonly bytes: number
  readonly last: number
}

/**
 * Bounds the backlogs of those who are away. One that is longer is collapsed, where its types allow it; if it is too long
 * still, it is to be forgotten.
 */
export class BacklogBounds {
  readonly #kernel: Kernel
  readonly #limits: BacklogLimits
  /** What was counted of each backlog: it is counted on from there as long as it only grows. */
  readonly #weights = new Map<string, Weight>()
  #timer: Timer | undefined
  #wake: (() => void) | undefined
  #stopped = false

  constructor(kernel: Kernel, limits: BacklogLimits) {
    this.#kernel = kernel
    this.#limits = limits
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#wake?.()
  }

  /** Names of those whose backlogs are too long, collapsed as they are. */
  async exceeded(): Promise<readonly string[]> {
    const { messages, bytes } = this.#limits
    if (messages === undefined && bytes === undefined) return []
    const exceeded: string[] = []
    const away = this.#kernel.recipients().filter((recipient) => this.#isAway(recipient))
    for (const name of this.#weights.keys()) if (!away.some((one) => one.name === name)) this.#weights.delete(name)
    for (const recipient of away) {
      if (!(await this.#isTooLong(recipient))) continue
      await this.#collapse(recipient)
      // From the beginning: nobody is forgotten because of what has gone meanwhile.
      this.#weights.delete(recipient.name)
      if (await this.#isTooLong(recipient)) exceeded.push(recipient.name)
    }
    return this.#stopped ? [] : exceeded
  }

  #isAway({ connected, pending, lastSeenAt }: Recipient): boolean {
    if (connected || pending === 0 || lastSeenAt === undefined) return false
    return this.#kernel.runtime.now() - lastSeenAt >= AWAY_MS
  }

  async #isTooLong(recipient: Recipient): Promise<boolean> {
    const { messages = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY } = this.#limits
    if (recipient.pending > messages) return true
    return bytes < Number.POSITIVE_INFINITY && (await this.#weigh(recipient)) > bytes
  }

  async #weigh({ name, pending, lastSeenAt: since = 0 }: Recipient): Promise<number> {
    const known = this.#weights.get(name)
    const hasOnlyGrown = known !== undefined && known.since === since && known.pending <= pending
    let { bytes, last } = hasOnlyGrown ? known : { bytes: 0, last: 0 }
    for (let done = false; !done && !this.#stopped; ) {
      const weighed = await this.#kernel.weigh(name, last)
      bytes += weighed?.bytes ?? 0
      last = weighed?.last ?? last
      done = weighed === undefined
      await this.#pause()
    }
    this.#weights.set(name, { since, pending, bytes, last })
    return bytes
  }

  async #collapse({ name }: Recipient): Promise<void> {
    for (let done = false; !done && !this.#stopped; ) {
      const collapsed = await this.#kernel.collapse(name)
      done = collapsed?.done ?? true
      await this.#pause()
    }
  }

  #pause(): Promise<void> | undefined {
    if (this.#stopped) return undefined
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#timer = this.#kernel.runtime.after(STEP_MS, resolve)
    })
  }
}
