import { dirname } from 'node:path'
import { slipstreamError } from '../core/index.ts'
import { withAbsoluteFiles } from './files.ts'
import type { LoadedConfig } from './load.ts'
import { type OptionName, optionNames, options } from './options.ts'
import { type Values, valuesOf } from './values.ts'

/** What each source says. */
export interface Given {
  readonly flags: Values
  readonly environment: Values
  readonly loaded: LoadedConfig
}

/** The value that holds for each option, and where it is from. */
export interface Choice {
  readonly values: Values
  readonly sources: ReadonlyMap<OptionName | 'plugins', string>
}

interface Layer {
  readonly values: Values
  readonly source: (name: OptionName) => string
}

/**
 * Flags over environment over file over defaults, option by option. Relative files of the configuration start at its
 * own folder, all others at `folder`. Throws `SLP_CONFIG_INCONSISTENT`.
 */
export function choose({ flags, environment, loaded: { config, file } }: Given, folder: string): Choice {
  const { values, sources } = merge([
    { values: withAbsoluteFiles(flags, folder), source: () => 'flag' },
    { values: withAbsoluteFiles(environment, folder), source: (name) => `environment ${options[name].environment}` },
    { values: withAbsoluteFiles(valuesOf(config), file ? dirname(file) : folder), source: () => `file ${file}` },
    { values: withAbsoluteFiles(defaults(), folder), source: () => 'default' },
  ])
  refuseContradictions(values)
  sources.set('plugins', config.plugins ? `file ${file}` : 'default')
  return { values, sources }
}

/** The values that are not defaults. */
export function said({ values, sources }: Choice): Values {
  return Object.fromEntries(
    optionNames.filter((name) => sources.get(name) !== 'default').map((name) => [name, values[name]]),
  )
}

function defaults(): Values {
  return Object.fromEntries(optionNames.map((name) => [name, options[name].default]))
}

function merge(layers: readonly Layer[]): { values: Values; sources: Map<OptionName | 'plugins', string> } {
  const values: Values = {}
  const sources = new Map<OptionName | 'plugins', string>()
  for (const name of optionNames) {
    const layer = layers.find((candidate) => candidate.values[name] !== undefined)
    if (!layer) continue
    values[name] = layer.values[name]
    sources.set(name, layer.source(name))
  }
  return { values, sources }
}

/** What no single source can see: each of two that belong together may come from another one. */
function refuseContradictions(values: Values): void {
  const problems: string[] = []
  const missing = (['tls.cert', 'tls.key'] as const).filter((name) => values[name] === undefined)
  if (missing.length === 1) problems.push(`TLS needs a certificate and its key: ${missing[0]} is missing`)
  if (missing.length === 2 && values['tls.ca'] !== undefined)
    problems.push('tls.ca is of use only with tls.cert and tls.key')
  const urls = ((values.peers ?? []) as readonly { readonly url: string }[]).map(({ url }) => url)
  if (new Set(urls).size < urls.length) problems.push('two peers have the same url')
  if (problems.length > 0) throw slipstreamError('SLP_CONFIG_INCONSISTENT', [problems])
}
