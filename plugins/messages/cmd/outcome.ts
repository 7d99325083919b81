import { type Execution, type Outcome, scanMembers } from '../../../core/index.ts'

/**
 * How a command can end, as its audit row and the metrics say it:
 * - `done`: its handler has returned
 * - `failed`, `timeout`: it threw, or took too long
 * - `too_large`: what it returned is larger than a REPLY may be
 * - `forbidden`, `unknown`, `invalid_args`, `expired`: it was not run
 * - `interrupted`: the instance went down meanwhile; nobody knows how far it came
 */
export type Ending = keyof typeof CODES

/** Of each ending, the code of the error in its REPLY; one that is done has none. */
const CODES = {
  done: undefined,
  failed: 'FAILED',
  timeout: 'TIMEOUT',
  too_large: 'RESULT_TOO_LARGE',
  forbidden: 'FORBIDDEN',
  unknown: 'UNKNOWN_COMMAND',
  invalid_args: 'INVALID_ARGS',
  expired: 'EXPIRED',
  interrupted: 'INTERRUPTED',
} as const

export const ENDINGS = Object.keys(CODES) as readonly Ending[]

export interface Ended {
  readonly ending: Ending
  readonly outcome: Outcome
}

/** Of the JSON of a result, in bytes. */
const MAX_RESULT_BYTES = 256 * 1024
/** Of nested objects and arrays, the REPLY itself included. */
const MAX_DEPTH = 32

/** A command that has no result, and why; with the remedy, and without what its args say. */
export function without(ending: Exclude<Ending, 'done'>, message: string): Ended {
  return { ending, outcome: { error: { code: CODES[ending], message } } }
}

/** What a handler has returned. Throws what `JSON.stringify` throws. */
export function resultOf(result: unknown): Ended {
  const value = JSON.stringify(result) ?? 'null'
  if (Buffer.byteLength(value) > MAX_RESULT_BYTES) {
    return without('too_large', `its result is larger than ${MAX_RESULT_BYTES} bytes; let it return less`)
  }
  if (!isShallow(value))
    return without('too_large', `its result has more than ${MAX_DEPTH - 1} levels; let it return fewer`)
  return { ending: 'done', outcome: { value } }
}

export const INTERRUPTED = without(
  'interrupted',
  'the instance went down while it ran, so nobody knows how far it came; see what it has done before it is sent again under another id',
)
export const EXPIRED = without('expired', 'its time was over before it could be run')
export const FORBIDDEN = without(
  'forbidden',
  'this instance does not allow it to its publisher; allow it there: commands({ allow: [{ command, identities }] })',
)
export const UNKNOWN = without('unknown', 'no plugin of this instance has registered a command of that name')
export const CONFLICT: Outcome = {
  error: { code: 'CONFLICT', message: 'another command was run under this messageId; publish with an id of its own' },
}
/** That it ended is known; what came of it was altered on disk. */
const LOST: Outcome = {
  error: { code: 'RESULT_LOST', message: 'it was run, and its result was altered on disk; ask what it has done' },
}

/** As it is kept, to be told again. */
export function textOf(outcome: Outcome): string {
  return 'value' in outcome ? `{"value":${outcome.value}}` : JSON.stringify(outcome)
}

/** What was kept of a command that has ended. */
export function outcomeOf({ text }: Pick<Execution, 'text'>): Outcome {
  if (text === undefined) return LOST
  const place = scanMembers(text, MAX_DEPTH).get('value')
  return place ? { value: text.slice(place.valueStart, place.end) } : (JSON.parse(text) as Outcome)
}

function isShallow(value: string): boolean {
  try {
    scanMembers(`{"value":${value}}`, MAX_DEPTH)
    return true
  } catch {
    return false
  }
}
