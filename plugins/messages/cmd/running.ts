import { errorText, problemOf, type Runtime } from '../../../core/index.ts'
import type { CommandMessage } from './command.ts'
import { type Ended, INTERRUPTED, resultOf, without } from './outcome.ts'
import type { Registered } from './registry.ts'

/** A handler that runs. */
export interface Running {
  /** Tells it to stop. Whatever it still does is its own affair: the command is interrupted. */
  stop(): void
}

/** Runs a handler. `ended` is called once; what the handler does when its time is over is dropped. */
export function runHandler(
  message: CommandMessage,
  { handler, timeoutMs }: Registered,
  { runtime, instanceId }: { readonly runtime: Runtime; readonly instanceId: string },
  ended: (ended: Ended) => void,
): Running {
  const { messageId, body } = message
  const withinMs = Math.min(body.timeoutMs ?? timeoutMs, timeoutMs)
  const abort = new AbortController()
  let isOver = false
  const end = (how: Ended) => {
    if (isOver) return
    isOver = true
    timer.cancel()
    ended(how)
  }
  const timer = runtime.after(withinMs, () => {
    abort.abort()
    end(
      without(
        'timeout',
        `it took longer than ${withinMs} ms; ask what it has done before it is sent again under another id`,
      ),
    )
  })
  const args = body.args === undefined && handler.args ? {} : body.args
  const run = async () => handler.run(args, { signal: abort.signal, messageId, instanceId })
  run()
    .then((result) => end(resultOf(result)))
    .catch((error: unknown) => end(without('failed', errorText(problemOf(error), message))))
  return {
    stop() {
      abort.abort()
      end(INTERRUPTED)
    },
  }
}
