import { lstat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { cosmiconfig } from 'cosmiconfig'
import { problemOf, slipstreamError } from '../core/index.ts'
import type { Environment, SlipstreamConfig } from './define.ts'
import { loaders, SEARCH_PLACES } from './formats.ts'
import { describe, faultsOf } from './schema.ts'

export interface LoadedConfig {
  readonly config: SlipstreamConfig
  /** Where it was read; undefined when there is no file and the defaults hold. */
  readonly file: string | undefined
}

/**
 * The configuration in `named`, else in the first place of `folder` that has one, else none.
 *
 * Throws `SLP_CONFIG_MISSING`, `SLP_CONFIG_EMPTY`, `SLP_CONFIG_FAILED` or `SLP_CONFIG_INVALID`: a file that is there
 * and does not work is never taken for no file.
 */
export async function loadConfig(named: string | undefined, folder: string, env: Environment): Promise<LoadedConfig> {
  const file = named === undefined ? await findConfig(folder) : resolve(folder, named)
  if (file === undefined) return { config: {}, file }
  if (!(await exists(file))) throw slipstreamError('SLP_CONFIG_MISSING', [file])
  const exported = await guarded(file, async () => call(await read(file), env))
  if (exported === undefined || exported === null) throw slipstreamError('SLP_CONFIG_EMPTY', [file])
  const problems = faultsOf(exported).map(describe)
  if (problems.length > 0) throw slipstreamError('SLP_CONFIG_INVALID', [file, problems])
  return { config: exported, file }
}

/**
 * Not cosmiconfig's `search`: it goes on to the next place when a configuration throws ENOENT or EACCES (an unreadable
 * secret, say), and an instance would start empty.
 */
async function findConfig(folder: string): Promise<string | undefined> {
  for (const place of SEARCH_PLACES) {
    const file = join(folder, place)
    if (!(await exists(file))) continue
    if (place !== 'package.json' || (await guarded(file, () => read(file))) !== undefined) return file
  }
  return undefined
}

/** Also true of a link that leads nowhere: somebody meant it to be a configuration. */
async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw slipstreamError('SLP_CONFIG_FAILED', [file, problemOf(error)], { cause: error })
  }
}

/** What the file exports; undefined for an empty one, and for a package.json without a `slipstream` member. */
async function read(file: string): Promise<unknown> {
  const explorer = cosmiconfig('slipstream', {
    loaders,
    searchPlaces: [...SEARCH_PLACES],
    searchStrategy: 'none',
    cache: false,
  })
  const result = await explorer.load(file)
  return result?.config
}

async function call(exported: unknown, env: Environment): Promise<SlipstreamConfig | undefined> {
  return typeof exported === 'function' ? exported({ env }) : (exported as SlipstreamConfig | undefined)
}

/** `SLP_CONFIG_FAILED` for whatever the configuration itself throws. */
async function guarded<Result>(file: string, task: () => Promise<Result>): Promise<Result> {
  try {
    return await task()
  } catch (error) {
    throw slipstreamError('SLP_CONFIG_FAILED', [file, problemOf(error)], { cause: error })
  }
}
