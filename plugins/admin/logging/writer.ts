import { pino } from 'pino'
import type { LogFields, LogLevel, Runtime } from '../../../core/index.ts'
import type { Destination } from './destination.ts'
import { writable } from './fields.ts'

const MAX_LINE_BYTES = 8 * 1024
/** What is left of each field of a longer line: as many fields as there are, escaped to the last character, fit. */
const MAX_SHORTENED = 80

/** The numbers by which other tools sort levels: those of pino's own debug, info, error and fatal. */
const LEVELS: Readonly<Record<LogLevel, number>> = { debug: 20, message: 30, error: 50, critical: 60 }

/** Writes log records as lines of JSON, each of 8 KiB at most. */
export class LogWriter {
  readonly #destination: Destination
  readonly #logger
  #closed = false

  constructor(runtime: Runtime, destination: Destination) {
    this.#destination = destination
    this.#logger = pino<LogLevel, true>(
      {
        customLevels: LEVELS,
        useOnlyCustomLevels: true,
        level: 'debug',
        base: null,
        messageKey: 'event',
        timestamp: () => `,"time":"${new Date(runtime.now()).toISOString()}"`,
        formatters: { level: (level) => ({ level }) },
      },
      { write: (line: string) => destination.write(fitting(line)) },
    )
  }

  get dropped(): number {
    return this.#destination.dropped ?? 0
  }

  /** Says on every line from now on which instance speaks. */
  speakFor(instance: string): void {
    this.#logger.setBindings({ instance })
  }

  write(level: LogLevel, event: string, fields: LogFields): void {
    if (!this.#closed) this.#logger[level](writable(fields), event)
  }

  /** Resolves when all is written. What comes later is left out. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#destination.close?.()
  }
}

/** A line that is too long keeps its fields, each cut once more, but for the error: `reason` says the same. */
function fitting(line: string): string {
  if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return line
  const cut = (_: string, value: unknown) => (typeof value === 'string' ? value.slice(0, MAX_SHORTENED) : value)
  const fields = JSON.parse(line, cut) as Record<string, unknown>
  return `${JSON.stringify({ ...fields, error: undefined, shortened: true })}\n`
}
