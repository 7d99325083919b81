import {
  type DeadLetterFilter,
  type FrozenReplay,
  isUnfinished,
  type Kernel,
  problemOf,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  slipstreamError,
  type Timer,
} from '../../core/index.ts'
import type { Replays, ReplayWish, StartedReplay } from './replay.ts'

const DEFAULT_PER_SECOND = 100
const MAX_PER_SECOND = 10_000
/** Dead letters of one job at most. */
const MAX_SELECTED = 100_000
/** Jobs that have not ended at most. */
const MAX_UNFINISHED = 100
/** A step holds up the traffic for some milliseconds: about so often, with so many at most. */
const STEP_MS = 100
const MAX_STEP = 250
/** How long to wait when the store has failed, in milliseconds. */
const TRY_AGAIN_MS = 1_000

/** Takes one job after the other through its selection, a step at a time. */
export class ReplayRunner implements Replays {
  readonly #kernel: Kernel
  /** Jobs that have not ended, the one that is running first. */
  #line: ReplayJob[] = []
  readonly #whenEnded = new Map<ReplayId, (job: ReplayJob) => void>()
  #open = false
  #closed = false
  #step: Promise<void> | undefined
  #timer: Timer | undefined
  #recalling: Timer | undefined
  #replayed = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  get figures() {
    const running = this.#line.filter(({ state }) => state === 'running').length
    return { waiting: this.#line.length - running, running, replayed: this.#replayed }
  }

  async start({ by, filter, perSecond = DEFAULT_PER_SECOND, maxFailures }: ReplayWish): Promise<StartedReplay> {
    if (this.#line.length >= MAX_UNFINISHED) throw slipstreamError('SLP_REPLAY_QUEUE', [MAX_UNFINISHED])
    const { job, more } = await this.#freeze({
      by,
      filter: this.#without(filter),
      perSecond: Math.min(MAX_PER_SECOND, Math.max(1, Math.floor(perSecond))),
      limit: MAX_SELECTED,
      maxFailures: (total) => maxFailures ?? Math.max(10, Math.floor(total / 10)),
    })
    this.#kernel.log.message('dead letters replay started', { job: job.id, count: job.total })
    const ended = new Promise<ReplayJob>((resolve) => this.#whenEnded.set(job.id, resolve))
    this.#line.push(job)
    this.#update(job)
    if (this.#closed) this.#tell(job)
    this.#go()
    return { job, more, ended }
  }

  async preview(filter: DeadLetterFilter): Promise<{ selected: number; more: number }> {
    const { total } = await this.#kernel.deadLetters.list(this.#without(filter), { limit: 0 })
    const selected = Math.min(total, MAX_SELECTED)
    return { selected, more: total - selected }
  }

  list(): Promise<readonly ReplayJob[]> {
    return this.#kernel.deadLetters.replays()
  }

  show(replay: ReplayId): Promise<ReplayJob | undefined> {
    return this.#kernel.deadLetters.replayJob(replay)
  }

  async cancel(replay: ReplayId, by: string): Promise<ReplayJob | undefined> {
    const { deadLetters } = this.#kernel
    const reason = `Cancelled by ${by}. What was left of the selection is still dead; replay again to go on.`
    await deadLetters.endReplay(replay, { state: 'cancelled', reason })
    const job = await deadLetters.replayJob(replay)
    if (job) this.#update(job)
    return job
  }

  /** Calls to mind what has not ended and is not in line: since the instance went down, or the store has failed. */
  async recall(): Promise<void> {
    const unfinished = (await this.list()).filter(isUnfinished)
    const missing = unfinished.filter(({ id }) => !this.#line.some((job) => job.id === id))
    this.#line = [...this.#line, ...missing].sort((one, other) => one.id - other.id)
  }

  open(): void {
    this.#open = true
    this.#go()
  }

  /** Ends after the step that is under way. What is left goes on after the next start. */
  async close(): Promise<void> {
    this.#open = false
    this.#closed = true
    this.#timer?.cancel()
    this.#recalling?.cancel()
    await this.#step
    for (const job of this.#line) this.#tell(job)
  }

  async #freeze(order: ReplayOrder): Promise<FrozenReplay> {
    try {
      return await this.#kernel.deadLetters.freeze(order)
    } catch (error) {
      // The job may be there all the same, and hold what it has selected.
      this.#recallLater()
      throw error
    }
  }

  /** A command, say, is not run by the way: such types are left out unless they are asked for by name. */
  #without(filter: DeadLetterFilter): DeadLetterFilter {
    const exceptTypes = this.#kernel.replayedByName()
    return filter.type !== undefined || exceptTypes.length === 0 ? filter : { ...filter, exceptTypes }
  }

  #recallLater(): void {
    if (this.#closed) return
    this.#recalling ??= this.#kernel.runtime.after(TRY_AGAIN_MS, () => {
      this.#recalling = undefined
      this.recall().then(
        () => this.#go(),
        () => this.#recallLater(),
      )
    })
  }

  #go(): void {
    const [job] = this.#line
    if (!job || !this.#open || this.#step || this.#timer) return
    this.#step = this.#run(job).then((pauseMs) => {
      this.#step = undefined
      if (!this.#open) return
      this.#timer = this.#kernel.runtime.after(pauseMs, () => {
        this.#timer = undefined
        this.#go()
      })
    })
  }

  /** Runs a step. Resolves to how long to pause after it, in milliseconds. */
  async #run({ id, perSecond, replayed }: ReplayJob): Promise<number> {
    const { deadLetters, runtime, log } = this.#kernel
    const began = runtime.monotonic()
    const count = Math.min(MAX_STEP, Math.max(1, Math.floor((perSecond * STEP_MS) / 1_000)))
    try {
      await deadLetters.replayNext(id, count)
      const job = await this.#judged(id)
      this.#replayed += (job?.replayed ?? replayed) - replayed
      if (job) this.#update(job)
      else this.#line = this.#line.filter((other) => other.id !== id)
      return Math.max(0, began + (count * 1_000) / perSecond - runtime.monotonic())
    } catch (error) {
      log.error('dead letters replay failed', { job: id, reason: problemOf(error), error })
      return TRY_AGAIN_MS
    }
  }

  /** The job as it stands, stopped if too many of its deliveries have died again. */
  async #judged(id: ReplayId): Promise<ReplayJob | undefined> {
    const { deadLetters } = this.#kernel
    const job = await deadLetters.replayJob(id)
    if (!job || !isUnfinished(job) || job.failed <= job.maxFailures) return job
    const { failed, replayed, maxFailures } = job
    const reason =
      `${failed} of ${replayed} that were delivered again have died again, more than ${maxFailures}. ` +
      'See why in the newest dead letters, remove the cause, then replay again: what was left of the selection is still dead.'
    await deadLetters.endReplay(id, { state: 'stopped', reason })
    return deadLetters.replayJob(id)
  }

  /** Takes note of what has become of a job. */
  #update(job: ReplayJob): void {
    const place = this.#line.findIndex(({ id }) => id === job.id)
    if (place < 0) return
    if (isUnfinished(job)) {
      this.#line[place] = job
      return
    }
    this.#line.splice(place, 1)
    const { id, state, replayed: count, reason } = job
    if (state === 'stopped')
      this.#kernel.log.error('dead letters replay stopped', { job: id, count, ...(reason && { reason }) })
    else this.#kernel.log.message('dead letters replayed', { job: id, status: state, count })
    this.#tell(job)
  }

  #tell(job: ReplayJob): void {
    this.#whenEnded.get(job.id)?.(job)
    this.#whenEnded.delete(job.id)
  }
}
