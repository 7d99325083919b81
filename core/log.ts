/** The levels of the deployed system. `message` is the traffic itself; it is a category of its own, not a severity. */
export type LogLevel = 'message' | 'debug' | 'error' | 'critical'

/**
 * What can be said in a log. A closed shape on purpose: there is no field for a value, so no value is ever logged.
 * Ids, types, sizes and names may appear; bodies, tokens and keys' values may not.
 */
export interface LogFields {
  readonly messageId?: string
  readonly type?: string
  /** Name of a command. */
  readonly command?: string
  readonly recipient?: string
  readonly peer?: string
  readonly address?: string
  readonly plugin?: string
  readonly hook?: string
  readonly code?: string | number
  readonly reason?: string
  readonly status?: string
  /** Number of a replay job. */
  readonly job?: number
  /** Number of a session in which state is compared. */
  readonly session?: number
  readonly count?: number
  readonly received?: number
  readonly sent?: number
  readonly bytes?: number
  readonly milliseconds?: number
  readonly attempt?: number
  readonly error?: unknown
}

/** Writes records somewhere. Must not throw and must not block. */
export type LogSink = (level: LogLevel, event: string, fields: LogFields) => void

export interface Log {
  /** One message's step: received, stored, forwarded, acknowledged. */
  message(event: string, fields?: LogFields): void
  debug(event: string, fields?: LogFields): void
  /** Something went wrong and was dealt with. */
  error(event: string, fields?: LogFields): void
  /** Something went wrong that a person must look at. */
  critical(event: string, fields?: LogFields): void
  /** Whether anybody listens to that level: ask before building costly fields. */
  enabled(level: LogLevel): boolean
}

/** A log that fans out to sinks; with none it is silent. */
export class FanOutLog implements Log {
  readonly #sinks: { readonly write: LogSink; readonly enabled: (level: LogLevel) => boolean }[] = []

  attach(write: LogSink, enabled: (level: LogLevel) => boolean = () => true): void {
    this.#sinks.push({ write, enabled })
  }

  message(event: string, fields: LogFields = {}): void {
    this.#write('message', event, fields)
  }

  debug(event: string, fields: LogFields = {}): void {
    this.#write('debug', event, fields)
  }

  error(event: string, fields: LogFields = {}): void {
    this.#write('error', event, fields)
  }

  critical(event: string, fields: LogFields = {}): void {
    this.#write('critical', event, fields)
  }

  enabled(level: LogLevel): boolean {
    return this.#sinks.some((sink) => sink.enabled(level))
  }

  #write(level: LogLevel, event: string, fields: LogFields): void {
    for (const sink of this.#sinks) if (sink.enabled(level)) sink.write(level, event, fields)
  }
}
