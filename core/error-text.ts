import type { Message } from './message.ts'
import { BUS_FIELDS, envelopeProperties } from './protocol/fields.ts'

/** As much of an error is kept with a delivery, in characters. */
const MAX_LENGTH = 300
const MASK = '…'
/** Something between quotation marks of any kind. */
const QUOTED = /"[^"]+"|'[^']+'|`[^`]+`/g
const WORD = /[^\s"'`,;:()[\]{}=]+/g
const NUMBER = /-?\d[\d.eE+-]*/g

/**
 * What went wrong with a message, in one line and without its values: whatever the text has in common with them is
 * masked, quotations and single words alike. Engines and databases like to quote what they were given.
 */
export function errorText(problem: string, message: Pick<Message, 'body' | 'text' | 'raw'>): string {
  const words = wordsOf(message)
  const masked = problem
    .replace(/\s+/g, ' ')
    .replace(QUOTED, (found) => (isSaidIn(message.text, found.slice(1, -1)) ? found[0] + MASK + found[0] : found))
    .replace(WORD, (word) => (words.has(word.toLowerCase()) ? MASK : word))
  return masked.length <= MAX_LENGTH ? masked : `${masked.slice(0, MAX_LENGTH - 1)}…`
}

/** A quotation may be cut with an ellipsis, or hold the text as it is escaped in JSON. */
function isSaidIn(text: string, quotation: string): boolean {
  const parts = quotation.split(/\.\.\.|…/).filter((part) => part !== '')
  return parts.some((part) => text.includes(part) || text.includes(JSON.stringify(part).slice(1, -1)))
}

/** All words of all values, in lower case. Names of members and what the bus itself added are none of them. */
function wordsOf({ body, raw }: Pick<Message, 'body' | 'raw'>): ReadonlySet<string> {
  const words = new Set<string>()
  for (const [name, value] of Object.entries(body)) {
    if (name in envelopeProperties || BUS_FIELDS.has(name) || name === 'key') continue
    collect(value, words)
    // As they were published: a large one reads otherwise once it is parsed.
    for (const [number] of raw(name)?.matchAll(NUMBER) ?? []) words.add(number.toLowerCase())
  }
  return words
}

function collect(value: unknown, words: Set<string>): void {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) collect(inner, words)
  } else if (typeof value === 'string' || typeof value === 'number') {
    for (const [word] of String(value).matchAll(WORD)) words.add(word.toLowerCase())
  }
}
