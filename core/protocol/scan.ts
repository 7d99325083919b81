import { ProtocolFault } from './fault.ts'

/** Where a top-level member stands in the text: `"name": value`, from `start` up to `end`. */
export interface Member {
  readonly start: number
  readonly valueStart: number
  readonly end: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Finds the top-level members of a JSON object in one pass over its text, without building anything. Refuses what must
 * be refused before a parser sees it: nesting that would exhaust the stack, and members that stand twice, of which
 * every parser keeps another one (RFC 8259, section 4).
 *
 * It trusts the text to be JSON otherwise: whoever uses the members parses the text too.
 */
export function scanMembers(text: string, maxDepth: number): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>()
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_BRACE) throw notAnObject(text, at)
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === CLOSE_BRACE) return endOfText(text, at + 1, members)
  for (;;) {
    const start = at
    const nameEnd = skipString(text, start)
    const name = memberName(text, start, nameEnd)
    at = skipSpace(text, nameEnd)
    if (text.charCodeAt(at) !== COLON) throw invalid(at)
    const valueStart = skipSpace(text, at + 1)
    const end = skipValue(text, valueStart, maxDepth)
    if (members.has(name)) throw new ProtocolFault('INVALID_MESSAGE', 'a member stands twice')
    members.set(name, { start, valueStart, end })
    at = skipSpace(text, end)
    const next = text.charCodeAt(at)
    if (next === CLOSE_BRACE) return endOfText(text, at + 1, members)
    if (next !== COMMA) throw invalid(at)
    at = skipSpace(text, at + 1)
  }
}

/** Finds one top-level member of an object that was scanned before, and builds nothing. Looks no further than to that. */
export function findMember(text: string, name: string, maxDepth: number): Member | undefined {
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const start = at
    const nameEnd = skipString(text, start)
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, valueStart, maxDepth)
    if (isNamed(text, start, nameEnd, name)) return { start, valueStart, end }
    at = skipSpace(text, skipSpace(text, end) + 1)
  }
  return undefined
}

function isNamed(text: string, start: number, end: number, name: string): boolean {
  const isAsLong = end - start - 2 === name.length
  if (isAsLong) return text.startsWith(name, start + 1) && !name.includes('\\')
  // Escaped characters make it longer.
  return end - start - 2 > name.length && memberName(text, start, end) === name
}

/**
 * Finds the items of a JSON array, as `scanMembers` finds members: a text each, to the byte. It trusts the text to be JSON.
 */
export function scanItems(text: string, maxDepth: number): readonly string[] {
  const items: string[] = []
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_BRACKET) throw invalid(at)
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === CLOSE_BRACKET) return endOfText(text, at + 1, items)
  for (;;) {
    const end = skipValue(text, at, maxDepth)
    items.push(text.slice(at, end))
    at = skipSpace(text, end)
    const next = text.charCodeAt(at)
    if (next === CLOSE_BRACKET) return endOfText(text, at + 1, items)
    if (next !== COMMA) throw invalid(at)
    at = skipSpace(text, at + 1)
  }
}

function endOfText<Result>(text: string, at: number, result: Result): Result {
  const end = skipSpace(text, at)
  if (end !== text.length) throw invalid(end)
  return result
}

function memberName(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1)
  if (!name.includes('\\')) return name
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch {
    throw invalid(start)
  }
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at++
  }
}

/** From an opening quote to just behind the closing one. */
function skipString(text: string, from: number): number {
  if (text.charCodeAt(from) !== QUOTE) throw invalid(from)
  let at = from
  for (;;) {
    at = text.indexOf('"', at + 1)
    if (at < 0) throw invalid(text.length)
    let escapes = at - 1
    while (text.charCodeAt(escapes) === BACKSLASH) escapes--
    if ((at - escapes) % 2 === 1) return at + 1
  }
}

function skipValue(text: string, from: number, maxDepth: number): number {
  const first = text.charCodeAt(from)
  if (first === QUOTE) return skipString(text, from)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(text, from, maxDepth)
  let at = from
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at++
  if (at === from) throw invalid(at)
  return at
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20
}

function skipNested(text: string, from: number, maxDepth: number): number {
  let depth = 1
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = skipString(text, at)
      continue
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > maxDepth) throw new ProtocolFault('TOO_DEEP', `nested deeper than ${maxDepth} levels`)
    } else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 1) {
      return at + 1
    }
    at++
  }
  throw invalid(text.length)
}

function notAnObject(text: string, at: number): ProtocolFault {
  try {
    JSON.parse(text)
  } catch {
    return invalid(at)
  }
  return new ProtocolFault('INVALID_MESSAGE', 'a message is a JSON object')
}

function invalid(at: number): ProtocolFault {
  return new ProtocolFault('INVALID_JSON', `not valid JSON at character ${at}`)
}
