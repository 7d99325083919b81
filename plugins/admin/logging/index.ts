import type { Plugin } from '../../../core/index.ts'
import { type Destination, standardError } from './destination.ts'
import { type LogSwitches, turned, writes } from './switches.ts'
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
  /** Turns some of the switches, and logs that. False, and nothing is done, when the turns contradict each other. */
  turn(turns: Partial<LogSwitches>): boolean
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
  return {
    name: 'logging',
    apply(kernel) {
      const { settings, runtime } = kernel
      const log = new LogWriter(runtime, options.destination ?? standardError())
      writer = log
      const debug = settings.logs?.debug ?? options.debug ?? false
      let switches: LogSwitches = {
        message: settings.logs?.message ?? options.message ?? true,
        debug,
        level: debug ? 'debug' : 'error',
      }
      kernel.logSink(
        (level, event, fields) => log.write(level, event, fields),
        (level) => writes(switches, level),
      )
      kernel.provide('logging', {
        get switches() {
          return switches
        },
        get dropped() {
          return log.dropped
        },
        turn(turns) {
          const next = turned(switches, turns)
          if (!next) return false
          switches = next
          log.write('message', 'logging changed', { status: `message ${next.message}, level ${next.level}` })
          return true
        },
      })
      kernel.hooks.start.tap(() => log.speakFor(kernel.instanceId))
      logTraffic(kernel)
    },
    close: () => writer?.close(),
  }
}
