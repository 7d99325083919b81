import { type Plugin, problemOf, type Timer } from '../../core/index.ts'

const HOUR_MS = 60 * 60 * 1_000
const DAY_MS = 24 * HOUR_MS
/** A call of the store's purge holds up the event loop for some milliseconds: so much at once, and so often. */
const CHUNK = 500
const BUSY_EVERY_MS = 100
const IDLE_EVERY_MS = 10_000

/**
 * Forgets what nobody needs any more, a little at a time: settled messages and their history, and old dead letters. The file
 * shrinks as it goes.
 *
 * @param options.settledHours how long a message is kept once all its recipients have it; 24 at least, for its id is what
 *   repetitions are recognised by
 * @param options.deadLetterDays how long a dead letter can be replayed
 */
export function retention({ settledHours = 24, deadLetterDays = 30 } = {}): Plugin {
  return {
    name: 'retention',
    version: '1.0.0',
    options: { settledHours, deadLetterDays },
    optionsSchema: {
      type: 'object',
      additionalProperties: false,
      properties: { settledHours: { type: 'number', minimum: 24 }, deadLetterDays: { type: 'number', minimum: 1 } },
    },
    apply(kernel) {
      const { hooks, runtime, log } = kernel
      let timer: Timer | undefined
      let stopped = false

      async function purge(): Promise<void> {
        const now = runtime.now()
        let full = false
        try {
          const settledBefore = now - settledHours * HOUR_MS
          const deadBefore = now - deadLetterDays * DAY_MS
          const { messages, deadLetters, deliveries } = await kernel.purge({ settledBefore, deadBefore, limit: CHUNK })
          full = Math.max(messages, deadLetters, deliveries) >= CHUNK
          const count = messages + deadLetters + deliveries
          if (count > 0) log.debug('purged', { count })
        } catch (error) {
          log.error('purge failed', { reason: problemOf(error), error })
        }
        if (!stopped) timer = runtime.after(full ? BUSY_EVERY_MS : IDLE_EVERY_MS, () => void purge())
      }

      hooks.ready.tap(() => void purge())
      hooks.stop.tap(() => {
        stopped = true
        timer?.cancel()
      })
    },
  }
}
