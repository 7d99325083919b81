import { isPem } from './files.ts'

/** Members that are never shown: a key that lost its first line looks like a path. */
const HIDDEN: ReadonlySet<string> = new Set(['key', 'tls.key', 'token'])

/** The value of an option as it may be printed. */
export function masked(name: string, value: unknown): unknown {
  if (HIDDEN.has(name)) return '(hidden)'
  if (typeof value === 'string') return isPem(value) ? '(PEM text)' : value
  if (Array.isArray(value)) return value.map((item: unknown) => masked(name, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, masked(inner, item)]))
}
