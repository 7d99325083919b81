import { pino } from 'pino'

/** What waits to be written at most; lines beyond it are dropped and counted. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
const STANDARD_ERROR = 2

/** Where log lines go. */
export interface Destination {
  /** Must neither throw nor block. */
  write(line: string): void
  /** Lines that were lost because nobody took them in time, or nobody could. */
  readonly dropped?: number
  /** Resolves when all that was written has left. */
  close?(): Promise<void>
}

/**
 * Data goes to standard output, words go here. Asynchronous and bounded: a reader that has stopped reading, or is gone,
 * costs lines and never stops the bus.
 */
export function standardError(): Destination {
  const stream = pino.destination({ dest: STANDARD_ERROR, sync: false, maxLength: MAX_WAITING_BYTES })
  let dropped = 0
  let problem: string | undefined
  stream.on('drop', () => {
    dropped++
  })
  // What could not be written stays in the stream, which tries again with the next line: a full disk may get room.
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    problem = code
    // At the end of the process the stream would try for ever to write what cannot be written.
    stream.flushSync = () => {}
  })
  stream.on('write', () => {
    problem = undefined
  })
  return {
    write(line) {
      if (problem === 'EPIPE') dropped++
      else stream.write(line)
    },
    get dropped() {
      return dropped
    },
    async close() {
      if (problem === undefined) await ended(stream)
      if (problem !== undefined) stream.destroy()
    },
  }
}

async function ended(stream: ReturnType<typeof pino.destination>): Promise<void> {
  const over = new Promise((resolve) => stream.once('close', resolve).once('error', resolve))
  stream.end()
  await over
}
