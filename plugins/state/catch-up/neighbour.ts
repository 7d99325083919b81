import { type Kernel, type Link, problemOf, type Timer } from '../../../core/index.ts'
import type { Asking } from './asking.ts'
import { type Divergence, findDivergence } from './comparison.ts'
import { type Holdings, SharedHoldings } from './holdings.ts'
import type { Membership } from './membership/membership.ts'
import type { Progress } from './progress.ts'
import { type Meeting, runSession, type SessionFigures } from './session.ts'
import { Visit } from './visit.ts'

/** How soon a session follows when something was received from somebody else, in milliseconds. */
const SOON_MS = 1_000
/** Part of the time between sessions that is left to chance, so that instances do not all compare at once. */
const JITTER = 0.2

export interface NeighbourContext {
  readonly kernel: Kernel
  readonly holdings: Holdings
  readonly membership: Membership
  readonly progress: Progress
  readonly everyMs: number
  /** Whether this end begins the sessions that come by themselves: one of the two does. */
  readonly leads: boolean
  /** Something was received on that link that holds now, for everybody or for some only: others may lack it. */
  changed(from: Link, shared: boolean): void
}

/** Another instance that is linked: compared with at once, from time to time, and when there is something new for it. */
export class Neighbour {
  readonly link: Link
  readonly name: string
  readonly asking: Asking
  readonly #context: NeighbourContext
  #timer: Timer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #running: Promise<boolean> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(asking: Asking, name: string, context: NeighbourContext) {
    this.link = asking.link
    this.name = name
    this.asking = asking
    this.#context = context
  }

  start(): void {
    if (this.#context.leads) this.#within(0)
  }

  /** This instance has something that the neighbour may not have. */
  soon(): void {
    this.#within(SOON_MS)
  }

  /** A session, now; the one that is running, if there is one. Resolves to whether it was completed. */
  run(): Promise<boolean> {
    this.#running ??= this.#exclusively(() => this.#run()).finally(() => {
      this.#running = undefined
      if (this.#context.leads) this.#within(this.#interval())
    })
    return this.#running
  }

  /** What the neighbour does not hold as this instance does; of the keys, as many as `limit`. */
  compare(limit: number): Promise<Pick<Divergence, 'count' | 'keys'>> {
    const { kernel, holdings, membership } = this.#context
    return this.#exclusively(async () => {
      await kernel.selfApplied()
      const { said } = membership.introduction(this.name)
      return findDivergence(this.asking, holdings, { epoch: kernel.epoch, half: 0, limit, said })
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.asking.close()
  }

  /** One thing at a time is asked of a neighbour. */
  #exclusively<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => {})
    return result
  }

  async #run(): Promise<boolean> {
    const { kernel, progress } = this.#context
    const { log, runtime } = kernel
    const { name: peer, asking } = this
    const { figures, number } = progress.begin()
    const [startedAt, bytesBefore] = [runtime.monotonic(), asking.bytes]
    const account = () => {
      figures.bytes = asking.bytes - bytesBefore
    }
    log.debug('catch-up begins', { peer, session: number })
    try {
      // What is on its way into the state would look like a difference.
      await kernel.selfApplied()
      const half = number % 2
      const meeting = await this.#compareAll(half, figures)
      const shared = progress.isSharedDue(peer, meeting) && (await this.#compareShared(half, figures, meeting))
      account()
      progress.completed(peer, meeting, figures)
      if (shared && !shared.isEarly) progress.sharedWith(peer, meeting)
      this.#report(number, figures, Math.round(runtime.monotonic() - startedAt))
      return true
    } catch (error) {
      account()
      progress.failed(figures)
      const { received, sent } = figures
      const reason = problemOf(error)
      if (!this.#closed) log.error('catch-up broke off', { peer, session: number, received, sent, reason, error })
      return false
    }
  }

  /** What is for everybody. */
  async #compareAll(half: number, figures: SessionFigures): Promise<Meeting> {
    const { kernel, holdings, membership, progress, changed } = this.#context
    const { epoch, settings } = kernel
    const visit = new Visit(this.asking, holdings, membership)
    const last = progress.last(this.name)
    const options = { epoch, tags: settings.tags, half, figures, shared: false, last, visit }
    const meeting = await runSession(this.asking, holdings, options)
    if (figures.applied > 0) changed(this.link, false)
    return meeting
  }

  /** What is for some only, both instances among them. */
  async #compareShared(half: number, figures: SessionFigures, { tags = [] }: Meeting): Promise<Meeting> {
    const { kernel, changed } = this.#context
    const { epoch, settings } = kernel
    const holdings = new SharedHoldings(kernel, { instanceId: this.name, tags })
    const before = figures.applied
    const options = { epoch, tags: settings.tags, half, figures, shared: true, last: undefined, visit: undefined }
    const meeting = await runSession(this.asking, holdings, options)
    if (figures.applied > before) changed(this.link, true)
    return meeting
  }

  #report(session: number, { received, sent, dropped, tooLarge, bytes }: SessionFigures, milliseconds: number): void {
    const { log } = this.#context.kernel
    const { name: peer } = this
    log.debug('caught up', { peer, session, received, sent, bytes, milliseconds })
    if (dropped > 0) log.error('dropped what others may have deleted', { peer, session, count: dropped })
    if (tooLarge > 0) log.error('too large to be caught up', { peer, session, count: tooLarge })
  }

  /** Begins the next session within that time. */
  #within(milliseconds: number): void {
    const { kernel } = this.#context
    const { runtime } = kernel
    const dueAt = runtime.monotonic() + milliseconds
    if (this.#closed || kernel.draining || dueAt >= this.#dueAt) return
    this.#timer?.cancel()
    this.#dueAt = dueAt
    this.#timer = runtime.after(milliseconds, () => {
      this.#dueAt = Number.POSITIVE_INFINITY
      void this.run()
    })
  }

  #interval(): number {
    const { kernel, everyMs } = this.#context
    return everyMs * (1 - JITTER + 2 * JITTER * kernel.runtime.random())
  }
}
