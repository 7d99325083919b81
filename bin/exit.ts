import { CommanderError } from 'commander'
import { SlipstreamError } from '../core/errors.ts'

/** Exit codes of the command line (§5 of the protocol); the greater ones are those of sysexits.h. */
export const Exit = Object.freeze({
  DONE: 0,
  FAILED: 1,
  USAGE: 2,
  UNREACHABLE: 69,
  INTERNAL: 70,
  TRY_AGAIN: 75,
})

/** The first that matches counts; an error on purpose that none matches means that the operation failed. */
const BY_CODE: readonly (readonly [codes: RegExp, exitCode: number])[] = [
  [/^SLP_PLUGIN_(FAILED|TIMEOUT)$/, Exit.FAILED],
  [/^SLP_(CONFIG|PLUGIN|TYPE|SERVICE|INSTANCE_ID|TRANSPORT|ROUTE)_/, Exit.USAGE],
  [/^SLP_(INSECURE|TLS|TOKEN_FILE|STORE_MISSING|STORE_TAKEN)$/, Exit.USAGE],
  [/^SLP_UNREACHABLE$/, Exit.UNREACHABLE],
  [/^SLP_UNACKNOWLEDGED$/, Exit.TRY_AGAIN],
  [/^SLP_(STORE_LOST|BUS_STATE)$/, Exit.INTERNAL],
]

/** What the process ends with when a command threw this. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.DONE : Exit.USAGE
  if (!(error instanceof SlipstreamError)) return Exit.INTERNAL
  return BY_CODE.find(([codes]) => codes.test(error.code))?.[1] ?? Exit.FAILED
}
