import {
  type DeadLetterFilter,
  type DeadLetterId,
  type FrozenReplay,
  isUnfinished,
  type ReplayEnding,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  type SelectedLetter,
} from '../../../core/index.ts'
import { KEPT_REPLAYS } from '../replays.ts'

/** What a job needs of the dead letters. */
export interface Selectable {
  /** Those that match and belong to no job, those with the oldest places first. */
  free(filter: DeadLetterFilter): readonly DeadLetterId[]
  select(ids: readonly DeadLetterId[], replay: ReplayId): void
  selected(replay: ReplayId): readonly SelectedLetter[]
  /** They belong to no job any more. */
  release(ids: readonly DeadLetterId[]): void
}

/** Replay jobs, and what came of each. */
export class KeptReplays {
  readonly #jobs = new Map<ReplayId, ReplayJob>()
  readonly #deadLetters: Selectable
  #lastId = 0

  constructor(deadLetters: Selectable) {
    this.#deadLetters = deadLetters
  }

  all(): ReplayJob[] {
    return [...this.#jobs.values()].reverse()
  }

  at(replay: ReplayId): ReplayJob | undefined {
    return this.#jobs.get(replay)
  }

  create({ by, filter, perSecond, limit, maxFailures }: ReplayOrder, now: number): FrozenReplay {
    const id = ++this.#lastId
    const free = this.#deadLetters.free(filter)
    const ids = free.slice(0, limit)
    this.#deadLetters.select(ids, id)
    const none = { replayed: 0, failed: 0, superseded: 0, skipped: 0, reason: undefined, endedAt: undefined }
    const sizes = { total: ids.length, maxFailures: maxFailures(ids.length) }
    this.#jobs.set(id, { id, createdAt: now, by, filter, perSecond, ...sizes, ...none, state: 'waiting' })
    const job = this.#jobs.get(id) as ReplayJob
    return { job: this.#finish(job, now), more: free.length - ids.length }
  }

  selection(replay: ReplayId): readonly SelectedLetter[] {
    return this.#deadLetters.selected(replay)
  }

  goesOn(replay: ReplayId): boolean {
    const job = this.#jobs.get(replay)
    return job !== undefined && isUnfinished(job) && job.failed <= job.maxFailures
  }

  /** Counts what was just done to a part of the selection. */
  advance(replay: ReplayId, { replayed, skipped }: Pick<ReplayJob, 'replayed' | 'skipped'>, now: number): void {
    const job = this.#jobs.get(replay) as ReplayJob
    const state = replayed + skipped > 0 ? 'running' : job.state
    this.#finish({ ...job, state, replayed: job.replayed + replayed, skipped: job.skipped + skipped }, now)
  }

  countFailure(replay: ReplayId): void {
    const job = this.#jobs.get(replay)
    if (job) this.#jobs.set(replay, { ...job, failed: job.failed + 1 })
  }

  countSuperseded(replay: ReplayId): void {
    const job = this.#jobs.get(replay)
    if (job) this.#jobs.set(replay, { ...job, superseded: job.superseded + 1 })
  }

  end(replay: ReplayId, ending: ReplayEnding, now: number): void {
    const job = this.#jobs.get(replay)
    if (!job || !isUnfinished(job)) return
    const left = this.selection(replay).map(({ id }) => id)
    this.#deadLetters.release(left)
    this.#keep({ ...job, ...ending, endedAt: now, skipped: job.total - job.replayed - left.length })
  }

  /** Ends the job if nothing of its selection is left. */
  #finish(job: ReplayJob, now: number): ReplayJob {
    const isDone = this.selection(job.id).length === 0
    return this.#keep(isDone ? { ...job, state: 'done', endedAt: now, skipped: job.total - job.replayed } : job)
  }

  #keep(job: ReplayJob): ReplayJob {
    this.#jobs.set(job.id, job)
    const ended = this.all().filter((one) => !isUnfinished(one))
    for (const { id } of ended.slice(KEPT_REPLAYS)) this.#jobs.delete(id)
    return job
  }
}
