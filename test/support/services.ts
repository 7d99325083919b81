import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Context } from 'mocha'

/**
 * The path of a program that a test needs. Where it is not installed the test is skipped, and shows as skipped; with
 * `SLIPSTREAM_REQUIRE_SERVICES=1`, as continuous integration sets it, it fails instead.
 */
export function requireService(context: Context, program: string): string {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find(isExecutable)
  return path ?? skip(context, `${program} is not installed`)
}

/** Leaves a test out, and shows that, because the machine lacks something; where skipping is forbidden it fails instead. */
export function skip(context: Context, reason: string): never {
  if (process.env.SLIPSTREAM_REQUIRE_SERVICES === '1') throw new Error(`${reason}, and may not be skipped`)
  return context.skip()
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
