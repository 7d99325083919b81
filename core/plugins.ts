import { Ajv, type ErrorObject } from 'ajv'
import { satisfies } from 'semver'
import { slipstreamError } from './errors.ts'
import type { Plugin } from './plugin.ts'
import { VERSION } from './version.ts'

/** Checks all that can be known of plugins before any of them runs. Throws the first thing that is wrong. */
export function checkPlugins(plugins: readonly Plugin[]): void {
  const names = new Set<string>()
  for (const plugin of plugins) {
    checkShape(plugin)
    if (names.has(plugin.name)) throw slipstreamError('SLP_PLUGIN_DUPLICATE', [plugin.name], { plugin: plugin.name })
    checkVersion(plugin)
    checkRequirements(plugin, names)
    checkOptions(plugin)
    names.add(plugin.name)
  }
}

function checkShape(plugin: Partial<Plugin> | undefined | null): void {
  // A factory that was not called has a name as well, and an `apply` by birth.
  const isNamed = typeof plugin === 'object' && typeof plugin?.name === 'string' && plugin.name !== ''
  if (isNamed && typeof plugin.apply === 'function') return
  throw slipstreamError('SLP_PLUGIN_INVALID', [describe(plugin)])
}

function describe(plugin: unknown): string {
  if (typeof plugin === 'function') return `The function ${plugin.name || 'without a name'}`
  const name = (plugin as { name?: unknown } | null | undefined)?.name
  return typeof name === 'string' ? `"${name}"` : `An entry of type ${plugin === null ? 'null' : typeof plugin}`
}

function checkVersion({ name, slipstream: range }: Plugin): void {
  if (range === undefined || satisfies(VERSION, range)) return
  throw slipstreamError('SLP_PLUGIN_VERSION', [name, range, VERSION], { plugin: name })
}

function checkRequirements({ name, requires = [] }: Plugin, earlier: ReadonlySet<string>): void {
  const missing = requires.find((required) => !earlier.has(required))
  if (missing !== undefined) throw slipstreamError('SLP_PLUGIN_REQUIRES', [name, missing], { plugin: name })
}

function checkOptions({ name, options, optionsSchema }: Plugin): void {
  if (!optionsSchema) return
  const ajv = new Ajv({ allErrors: true, strict: false })
  const validate = ajv.compile(optionsSchema)
  if (validate(options ?? {})) return
  const problem = (validate.errors ?? []).map(describeError).join(', ')
  throw slipstreamError('SLP_PLUGIN_OPTIONS', [name, problem], { plugin: name })
}

function describeError({ instancePath, message, params }: ErrorObject): string {
  const unknown = typeof params.additionalProperty === 'string' ? ` ("${params.additionalProperty}")` : ''
  return `options${instancePath} ${message}${unknown}`
}
