import type { LogLevel } from '../../../core/index.ts'

/** Severities, least first. `message` is none of them: the traffic is a category of its own. */
export const SEVERITIES = ['debug', 'error', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

/** What is written, as `/api/v1/logging` shows and takes it. `debug` says the same as the level `debug`. */
export interface LogSwitches {
  /** The steps of each message. */
  readonly message: boolean
  readonly debug: boolean
  /** The least severity that is written. */
  readonly level: Severity
}

/** These switches with some of them turned; undefined when the turns contradict each other. */
export function turned(switches: LogSwitches, turns: Partial<LogSwitches>): LogSwitches | undefined {
  const { message = switches.message, debug, level = levelFor(switches, debug) } = turns
  if (debug !== undefined && debug !== (level === 'debug')) return undefined
  return { message, debug: level === 'debug', level }
}

/** Whether a line of that level is written. */
export function writes(switches: LogSwitches, level: LogLevel): boolean {
  if (level === 'message') return switches.message
  return SEVERITIES.indexOf(level) >= SEVERITIES.indexOf(switches.level)
}

function levelFor({ level }: LogSwitches, debug: boolean | undefined): Severity {
  if (debug === undefined) return level
  if (debug) return 'debug'
  return level === 'debug' ? 'error' : level
}
