import { problemOf, type SlipstreamError, slipstreamError } from '../../../core/index.ts'

const OF_ONE_ENTRY = /^SQLITE_(TOOBIG|CONSTRAINT|MISMATCH|RANGE)/
const BEYOND_TRUST = /^SQLITE_(IOERR|CORRUPT|NOTADB)/

/** Whether a value of one entry is to blame, not the disk: the rest of its batch can be written without it. */
export function isFaultOfEntry(error: unknown): boolean {
  const code = sqliteCode(error)
  // Without a code, the driver refused to bind a value.
  return code === undefined ? error instanceof TypeError || error instanceof RangeError : OF_ONE_ENTRY.test(code)
}

/** Whether it comes from SQLite, rather than from what somebody made of the data. */
export function isOfDatabase(error: unknown): boolean {
  return sqliteCode(error) !== undefined
}

/**
 * What went wrong, for the kernel. After a failed read, write or sync nobody knows what is on the disk and what is only
 * believed to be: `SLP_STORE_LOST`. A full disk or a lock may pass: `SLP_STORE_FAILED`.
 */
export function storeFailure(error: unknown): SlipstreamError {
  const code = BEYOND_TRUST.test(sqliteCode(error) ?? '') ? 'SLP_STORE_LOST' : 'SLP_STORE_FAILED'
  return slipstreamError(code, [problemOf(error)], { cause: error })
}

function sqliteCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code?.startsWith('SQLITE_') ? code : undefined
}
