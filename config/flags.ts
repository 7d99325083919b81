import { slipstreamError } from '../core/index.ts'
import { type OptionName, optionNames, options } from './options.ts'
import { faultsOf } from './schema.ts'
import { parseText } from './text.ts'
import { configOf, type Values } from './values.ts'

/**
 * Flags by the names that commander gives them: `--storage-path FILE` is `storagePath`. Others are not looked at.
 * `--peer` and `--tags` may come as lists, switches as booleans, anything as text.
 */
export type Flags = Readonly<Record<string, unknown>>

/** What the command line says. Throws `SLP_CONFIG_FLAG` with everything that is wrong, by flag. */
export function readFlags(flags: Flags): Values {
  const values: Values = {}
  for (const name of optionNames) {
    const given = flags[attributeOf(name)]
    if (given !== undefined) values[name] = parsed(name, given)
  }
  const problems = faultsOf(configOf(values)).map(
    ({ option, path, problem }) => `${option ? options[option].flag : path} ${problem}`,
  )
  if (problems.length > 0) throw slipstreamError('SLP_CONFIG_FLAG', [problems])
  return values
}

function attributeOf(name: OptionName): string {
  return options[name].flag.slice('--'.length).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

function parsed(name: OptionName, given: unknown): unknown {
  const value = typeof given === 'string' ? parseText(options[name], given) : given
  return name === 'peers' && Array.isArray(value) ? value.map((url: unknown) => ({ url })) : value
}
