import { type Command, InvalidArgumentError, Option } from 'commander'
import { optionNames, type Option as Setting, options as settings } from '../config/options.ts'

export const BUS_URL = 'ws://127.0.0.1:7070'
const LONGEST_WAIT_MS = 86_400_000

/** Adds the file of the configuration and one flag for each of its options. */
export function withSettings(command: Command): Command {
  command.option('-c, --config <file>', 'the configuration file (environment SLIPSTREAM_CONFIG)')
  for (const name of optionNames) command.addOption(flagOf(settings[name]))
  return command
}

/** Neither default nor variable is left to commander: `config/` knows where each value comes from. */
function flagOf({ schema, flag, environment, default: preset }: Setting): Option {
  const { description, type } = schema
  const notes = [
    ...(environment === undefined ? [] : [`environment ${environment}`]),
    ...(preset === undefined || Array.isArray(preset) ? [] : [`default ${preset}`]),
  ]
  const words = notes.length > 0 ? `${description} (${notes.join(', ')})` : description
  if (flag === '--peer') return new Option('--peer <url...>', words)
  if (type === 'boolean') return new Option(`${flag} [boolean]`, words).preset(true)
  return new Option(`${flag} <${type === 'array' ? 'a,b' : placeholder(flag, type)}>`, words)
}

function placeholder(flag: string, type: string): string {
  if (type === 'integer' || type === 'number') return 'number'
  return flag.slice(flag.lastIndexOf('-') + 1)
}

export function busUrl(): Option {
  return new Option('--url <url>', 'the instance').default(BUS_URL).argParser(webSocketUrl)
}

/** Gathers an option that may stand several times. */
export function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

export function milliseconds(text: string): number {
  return whole(text, LONGEST_WAIT_MS)
}

export function count(text: string): number {
  return whole(text, Number.MAX_SAFE_INTEGER)
}

export function whole(text: string, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`)
}

/** JSON text of an object, as it is. */
export function jsonObject(text: string): string {
  if (isObject(parse(text))) return text
  throw new InvalidArgumentError('It must be a JSON object.')
}

/** JSON text as it is; any other text becomes a JSON string. */
export function jsonOrText(text: string): string {
  return parse(text) === undefined ? JSON.stringify(text) : text
}

function webSocketUrl(text: string): string {
  if (/^wss?:\/\/./.test(text) && URL.canParse(text)) return text
  throw new InvalidArgumentError(`It must be a URL such as ${BUS_URL}.`)
}

export function httpUrl(text: string): string {
  if (/^https?:\/\/./.test(text) && URL.canParse(text)) return text
  throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:8080.')
}

/** Undefined when it is no JSON: no JSON text stands for undefined. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
