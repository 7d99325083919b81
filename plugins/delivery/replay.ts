import type { DeadLetterFilter, FrozenReplay, Plugin, ReplayId, ReplayJob } from '../../core/index.ts'
import { ReplayRunner } from './replay-runner.ts'

declare module '../../core/index.ts' {
  interface Services {
    /** Dead letters that are delivered again, by jobs. */
    readonly replays: Replays
  }
}

export interface ReplayWish {
  /** Who asks: `operator`, or the name of a plugin. It is kept; a token must not be. */
  readonly by: string
  readonly filter: DeadLetterFilter
  /** How many dead letters become deliveries again in a second: 1 to 10,000, 100 if not given. */
  readonly perSecond?: number | undefined
  /** With more that die again it stops by itself. If not given, a tenth of the selection, and 10 at least. */
  readonly maxFailures?: number | undefined
}

export interface StartedReplay extends FrozenReplay {
  /** Resolves to the job once it has ended, or as far as it has come when the instance goes down. */
  readonly ended: Promise<ReplayJob>
}

export interface Replays {
  /**
   * Freezes the selection, 100,000 dead letters at most, and puts the job in line: one runs at a time. Rejects with
   * `SLP_REPLAY_QUEUE` when 100 have not ended. Types that declare `replay: 'named'` are left out unless the filter names the type. When the store fails, the job may be there all the same: then it runs.
   */
  start(wish: ReplayWish): Promise<StartedReplay>
  /**
   * How many a job would select now, and how many would be left over, if there were no other one: what an unfinished job has
   * selected is counted as well. Changes nothing.
   */
  preview(filter: DeadLetterFilter): Promise<{ readonly selected: number; readonly more: number }>
  /** Newest first: the unfinished ones, and the newest that have ended. */
  list(): Promise<readonly ReplayJob[]>
  show(replay: ReplayId): Promise<ReplayJob | undefined>
  /** Ends a job before it is done; one that has ended stays as it is. Resolves to it, or undefined if it is not known. */
  cancel(replay: ReplayId, by: string): Promise<ReplayJob | undefined>
  /** Jobs that have not ended, and what they have delivered since the instance started. */
  readonly figures: { readonly waiting: number; readonly running: number; readonly replayed: number }
}

/** Delivers dead letters again: the service `replays`. A job goes on where it was when the instance starts again. */
export function replay(): Plugin {
  return {
    name: 'replay',
    apply(kernel) {
      const runner = new ReplayRunner(kernel)
      kernel.provide('replays', runner)
      kernel.hooks.start.tapPromise(() => runner.recall())
      kernel.hooks.ready.tap(() => runner.open())
      kernel.hooks.drain.tapPromise(() => runner.close())
    },
  }
}
