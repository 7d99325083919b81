import type { WireFilter } from './wire.ts'

/** What a subscription wants: messages that fit every member that is given. */
export interface Filter<Type extends string = string> {
  /** One of these types. */
  readonly types?: readonly Type[]
  /** A key, or where there is none an ordering key, that begins with one of these. */
  readonly keys?: readonly string[]
  /** Meant for one of these tags by name. */
  readonly tags?: readonly string[]
}

export function fits({ types, keys, tags }: Filter, body: Readonly<Record<string, unknown>>): boolean {
  const { type, key, orderingKey, targetedTags } = body
  if (types && !types.includes(type as string)) return false
  if (keys && !keys.some((prefix) => beginsWith(typeof key === 'string' ? key : orderingKey, prefix))) return false
  return !tags || (Array.isArray(targetedTags) && targetedTags.some((tag) => tags.includes(tag)))
}

function beginsWith(key: unknown, prefix: string): boolean {
  return typeof key === 'string' && key.startsWith(prefix)
}

/** An instance takes so many entries of each list. */
const MAX_ENTRIES = 100
/** What is never passed on: whoever wants nothing else gets nothing. */
const NOTHING: WireFilter = { types: ['ACK'] }

/** Everything that one of them wants, and perhaps more: what one connection can ask for. */
export function union(filters: readonly Filter[]): WireFilter {
  if (filters.length === 0) return NOTHING
  const all = (name: keyof Filter) => {
    if (filters.some((filter) => filter[name] === undefined)) return undefined
    const entries = [...new Set(filters.flatMap((filter) => filter[name] ?? []))].sort()
    return entries.length > MAX_ENTRIES ? undefined : entries
  }
  const [types, keys, tags] = [all('types'), all('keys'), all('tags')]
  return { ...(types && { types }), ...(keys && { keys }), ...(tags && { tags }) }
}
