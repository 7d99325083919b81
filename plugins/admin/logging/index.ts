import type { Plugin } from '../../../core/index.ts'
import { type Destination, StandardError } from './destination.ts'
import { Switchboard } from './switchboard.ts'
import { type LogSwitches, writes } from './switches.ts'
import { logTraffic } from './traffic.ts'
import { LogWriter } from './writer.ts'

export { loggingApi } from './api.ts'
export type { Destination } from './destination.ts'
export type { LogSwitches, Severity } from './switches.ts'

declare module '../../../core/index.ts' {
  interface Settings {
    /** Categories that are logged: the steps of each message (default true), what helps to find a fault (false). */
    readonly logs?: { readonly message?: boolean; readonly debug?: boolean }
  }

  interface Services {
    /** What is logged, to be looked at and turned while the bus runs. Redaction cannot be turned off. */
    readonly logging: LoggingService
  }
}

export interface LoggingService {
  readonly switches: LogSwitches
  /** Lines that were lost because nobody read them in time. */
  readonly dropped: number
  /** When what was turned for a while is as it was before, in milliseconds since the epoch; undefined: nothing is. */
  readonly revertsAt: number | undefined
  /**
   * Turns some of the switches for so many milliseconds, and logs that; 0: until a restart. False, and nothing is done, when the
   * turns contradict each other.
   */
  turn(turns: Partial<LogSwitches>, forMs: number): boolean
}

/** Where a setting (`logs.message`, `logs.debug`) is given, it counts instead of the option. */
export interface LoggingOptions {
  readonly message?: boolean
  readonly debug?: boolean
  /** Where the lines go. Default: standard error. */
  readonly destination?: Destination
}

/**
 * The log: lines of JSON with the levels of the deployed system. Only the fields of `LogFields` are written, and among
 * these there is none for a value.
 */
export function logging(options: LoggingOptions = {}): Plugin {
  let writer: LogWriter | undefined
  let board: Switchboard | undefined
  return {
    name: 'logging',
    apply(kernel) {
      const { settings, runtime } = kernel
      const log = new LogWriter(runtime, options.destination ?? new StandardError(runtime))
      writer = log
      const debug = settings.logs?.debug ?? options.debug ?? false
      const message = settings.logs?.message ?? options.message ?? true
      const switchboard = new Switchboard({ message, debug, level: debug ? 'debug' : 'error' }, runtime, (now, until) =>
        log.write('message', 'logging changed', { status: described(now, until) }),
      )
      board = switchboard
      kernel.logSink(
        (level, event, fields) => log.write(level, event, fields),
        (level) => writes(switchboard.switches, level),
      )
      kernel.provide('logging', {
        get switches() {
          return switchboard.switches
        },
        get revertsAt() {
          return switchboard.revertsAt
        },
        get dropped() {
          return log.dropped
        },
        turn: (turns, forMs) => switchboard.turn(turns, forMs),
      })
      kernel.hooks.start.tap(() => log.speakFor(kernel.instanceId))
      logTraffic(kernel)
    },
    close() {
      board?.close()
      return writer?.close()
    },
  }
}

function described({ message, level }: LogSwitches, until: number | undefined): string {
  const switches = `message ${message}, level ${level}`
  return until === undefined ? switches : `${switches}, until ${new Date(until).toISOString()}`
}
