import type { SlipstreamConfig } from './define.ts'
import { type OptionName, optionNames } from './options.ts'

/** What one source says, option by option; what it does not say is absent. */
export type Values = Partial<Record<OptionName, unknown>>

/** The options that a configuration sets. */
export function valuesOf(config: SlipstreamConfig): Values {
  const values: Values = {}
  for (const name of optionNames) {
    const value = name.split('.').reduce<unknown>(member, config)
    if (value !== undefined) values[name] = value
  }
  return values
}

/** The configuration that sets these options. */
export function configOf(values: Values): Record<string, unknown> {
  const config: Record<string, unknown> = {}
  for (const name of optionNames) {
    const value = values[name]
    if (value === undefined) continue
    const [outer = name, inner] = name.split('.')
    config[outer] = inner === undefined ? value : { ...(config[outer] as object | undefined), [inner]: value }
  }
  return config
}

function member(object: unknown, name: string): unknown {
  return (object as Record<string, unknown> | undefined)?.[name]
}
