import { slipstreamError } from '../core/index.ts'
import type { Environment } from './define.ts'
import { type OptionName, optionNames, options } from './options.ts'
import { type Fault, faultsOf } from './schema.ts'
import { parseText } from './text.ts'
import { decodeUrlConfig } from './url-config.ts'
import { configOf, type Values } from './values.ts'

/**
 * What the environment says. A variable that is empty counts as not set: that is how compose files leave one out.
 * Throws `SLP_CONFIG_ENV` with everything that is wrong, by variable, and never a value.
 */
export function readEnvironment(env: Environment): Values {
  const values: Values = {}
  const problems: string[] = []
  for (const name of optionNames) {
    const text = textOf(name, env)
    if (text === undefined) continue
    if (name !== 'peers') values[name] = parseText(options[name], text)
    else {
      const peers = decodeUrlConfig(text)
      if (typeof peers === 'string') problems.push(`${variable(name)} ${peers}`)
      else values.peers = peers
    }
  }
  problems.push(...faultsOf(configOf(values)).map(describe))
  if (problems.length > 0) throw slipstreamError('SLP_CONFIG_ENV', [problems])
  return values
}

function textOf(name: OptionName, env: Environment): string | undefined {
  const { environment } = options[name]
  const text = environment === undefined ? undefined : env[environment]
  return text === undefined || text.trim() === '' ? undefined : text
}

function describe({ option, path, problem }: Fault): string {
  if (option === undefined) return `${path} ${problem}`
  const within = option === 'peers' ? path.slice('/peers'.length) : ''
  return [variable(option), within, problem].filter((part) => part !== '').join(' ')
}

function variable(name: OptionName): string {
  return options[name].environment ?? name
}
