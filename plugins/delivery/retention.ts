import {
  DELETIONS,
  EXECUTION_IDS,
  type Kernel,
  type Plugin,
  PUBLISHER_IDS,
  problemOf,
  type Timer,
} from '../../core/index.ts'
import { Absence } from './absence.ts'

const HOUR_MS = 60 * 60 * 1_000
const DAY_MS = 24 * HOUR_MS
export const DEAD_LETTER_DAYS = 30
export const ABSENT_DAYS = 7
/** A call of the store's purge holds up the event loop for some milliseconds: so much at once, and so often. */
const CHUNK = 500
const BUSY_EVERY_MS = 100
const IDLE_EVERY_MS = 10_000

export interface RetentionOptions {
  readonly settledHours?: number
  readonly deadLetterDays?: number
  readonly absentDays?: number
  readonly executionDays?: number
  readonly maxBacklogMessages?: number
  readonly maxBacklogBytes?: number
}

/**
 * Forgets what nobody needs any more, a little at a time: settled messages and their history, old dead letters, and what
 * waits for those who stay away. The file shrinks as it goes.
 *
 * @param options.settledHours how long a message is kept once all its recipients have it; not less than its id is
 *   remembered, by which repetitions are recognised
 * @param options.deadLetterDays how long a dead letter can be replayed
 * @param options.executionDays how long it is known what came of an effect that happens at most once, such as a command
 * @param options.absentDays how long a recipient may be away before what waits for it is forgotten, which leaves one dead
 *   letter with the number; names that are not in the configuration are free again then
 * @param options.maxBacklogMessages how many messages may wait for a recipient that has been away for 10 minutes, and
 * @param options.maxBacklogBytes how many bytes of texts: more are collapsed, where their types allow it, or else forgotten as
 *   after `absentDays`; without them, only time and the disk budget set bounds
 */
export function retention(options: RetentionOptions = {}): Plugin {
  const { settledHours = 24, deadLetterDays = 30, absentDays = 7, executionDays = 7 } = options
  const { maxBacklogMessages, maxBacklogBytes } = options
  return {
    name: 'retention',
    version: '1.0.0',
    options,
    optionsSchema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        settledHours: { type: 'number', minimum: 1 },
        deadLetterDays: { type: 'number', minimum: 1 },
        absentDays: { type: 'number', exclusiveMinimum: 0 },
        executionDays: { type: 'number', minimum: 1 },
        maxBacklogMessages: { type: 'integer', minimum: 1 },
        maxBacklogBytes: { type: 'integer', minimum: 1 },
      },
    },
    apply(kernel) {
      kernel.windows.repeats(DELETIONS, deadLetterDays * DAY_MS, 'deadLetterDays')
      kernel.windows.repeats(DELETIONS, absentDays * DAY_MS, 'absentDays')
      kernel.windows.keeps(PUBLISHER_IDS, settledHours * HOUR_MS, 'settledHours')
      kernel.windows.remembers(EXECUTION_IDS, executionDays * DAY_MS, 'executionDays')
      const purging = new Purging(kernel, {
        settledMs: settledHours * HOUR_MS,
        deadMs: deadLetterDays * DAY_MS,
        executedMs: executionDays * DAY_MS,
      })
      const backlog = { messages: maxBacklogMessages, bytes: maxBacklogBytes }
      const absence = new Absence(kernel, { limitMs: absentDays * DAY_MS, backlog })
      kernel.hooks.ready.tap(() => {
        purging.start()
        absence.start()
      })
      kernel.hooks.stop.tap(() => {
        purging.stop()
        absence.stop()
      })
    },
  }
}

/** How long what is kept, in milliseconds. */
interface KeptTimes {
  readonly settledMs: number
  readonly deadMs: number
  readonly executedMs: number
}

/** Calls the store's purge, again soon while there is more to do. */
class Purging {
  readonly #kernel: Kernel
  readonly #times: KeptTimes
  #timer: Timer | undefined
  #stopped = false

  constructor(kernel: Kernel, times: KeptTimes) {
    this.#kernel = kernel
    this.#times = times
  }

  start(): void {
    void this.#purge()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #purge(): Promise<void> {
    const isMoreDue = await this.#purgeSome()
    if (this.#stopped) return
    this.#timer = this.#kernel.runtime.after(isMoreDue ? BUSY_EVERY_MS : IDLE_EVERY_MS, () => void this.#purge())
  }

  async #purgeSome(): Promise<boolean> {
    const { runtime, log, purge, executions } = this.#kernel
    const { settledMs, deadMs, executedMs } = this.#times
    const now = runtime.now()
    const limits = { settledBefore: now - settledMs, deadBefore: now - deadMs, limit: CHUNK }
    try {
      const { messages, deadLetters, deliveries } = await purge(limits)
      const executed = await executions.forget(now - executedMs, CHUNK)
      const count = messages + deadLetters + deliveries + executed
      if (count > 0) log.debug('purged', { count })
      return Math.max(messages, deadLetters, deliveries, executed) >= CHUNK
    } catch (error) {
      log.error('purge failed', { reason: problemOf(error), error })
      return false
    }
  }
}
