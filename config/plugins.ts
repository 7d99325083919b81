import { dirname } from 'node:path'
import type { Plugin } from '../core/index.ts'
import { problemOf, slipstreamError } from '../core/index.ts'
import type { PluginEntry, PluginOptions } from './define.ts'
import { defaultExport, importModule, resolveModule } from './modules.ts'

type Factory = (options?: PluginOptions) => unknown

/**
 * The plugins that a list of entries stands for, flat and in order. Names are looked up among the built-ins, then from
 * the folder of the file `from`. Throws an `SLP_CONFIG_PLUGIN_…` error for the first entry that stands for none;
 * whether what it found is fit to be a plugin is the kernel's to judge.
 */
export async function loadPlugins(entries: readonly PluginEntry[], from: string): Promise<readonly Plugin[]> {
  return expandAll(entries, 'plugins', from)
}

async function expandAll(entries: readonly unknown[], place: string, from: string): Promise<readonly Plugin[]> {
  const plugins: Plugin[] = []
  for (const [index, entry] of entries.entries())
    plugins.push(...(await expand(await entry, `${place}[${index}]`, from)))
  return plugins
}

async function expand(entry: unknown, place: string, from: string): Promise<readonly Plugin[]> {
  if (entry === false || entry === null || entry === undefined || entry === '') return []
  if (typeof entry === 'string') return make(entry, undefined, from)
  if (isNamed(entry)) return make(entry[0], entry[1], from)
  if (Array.isArray(entry)) return expandAll(entry, place, from)
  if (typeof entry === 'object' || typeof entry === 'function') return [entry as Plugin]
  throw slipstreamError('SLP_CONFIG_PLUGIN_ENTRY', [place, `a ${typeof entry}`])
}

/** Tells `['name', { …options }]` from a list of a name and a plugin. */
function isNamed(entry: unknown): entry is readonly [string, PluginOptions] {
  if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== 'string') return false
  const second: unknown = entry[1]
  return typeof second === 'object' && second !== null && !Array.isArray(second) && !('apply' in second)
}

async function make(name: string, options: PluginOptions | undefined, from: string): Promise<readonly Plugin[]> {
  const factory = (await builtIn(name)) ?? (await imported(name, from))
  const made = await guarded(name, async () => factory(options))
  return expand(made, `What "${name}" made`, from)
}

/** Loaded when a name is asked for: the built-ins bring sockets and SQLite with them. */
async function builtIn(name: string): Promise<Factory | undefined> {
  const { builtIns } = await import('./standard.ts')
  return builtIns.get(name)
}

async function imported(name: string, from: string): Promise<Factory> {
  const file = await guarded(name, () => locate(name, from))
  if (file === undefined) throw notFound(name, dirname(from))
  const factory = await guarded(name, async () => defaultExport(await importModule(file), file))
  if (typeof factory === 'function') return factory as Factory
  throw slipstreamError('SLP_CONFIG_PLUGIN_FACTORY', [name, factory === undefined ? 'missing' : `a ${typeof factory}`])
}

async function locate(name: string, from: string): Promise<string | undefined> {
  const long = longName(name)
  return (await resolveModule(name, from)) ?? (long === name ? undefined : resolveModule(long, from))
}

/** `x` is short for `slipstream-plugin-x`, `@scope/x` for `@scope/slipstream-plugin-x`. */
function longName(name: string): string {
  return isPath(name) ? name : name.replace(/^(@[^/]+\/)?(?!slipstream-plugin-)/, '$1slipstream-plugin-')
}

function isPath(name: string): boolean {
  return /^[./]/.test(name)
}

function notFound(name: string, folder: string): Error {
  if (isPath(name)) return slipstreamError('SLP_CONFIG_PLUGIN_PATH', [name, folder])
  return slipstreamError('SLP_CONFIG_PLUGIN_MISSING', [name, folder, longName(name)])
}

/** The first line will do: Node's own goes on with a stack of files. */
async function guarded<Result>(name: string, task: () => Promise<Result>): Promise<Result> {
  try {
    return await task()
  } catch (error) {
    const [problem = ''] = problemOf(error).split('\n')
    throw slipstreamError('SLP_CONFIG_PLUGIN_FAILED', [name, problem], { cause: error })
  }
}
