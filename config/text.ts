import type { Option } from './options.ts'

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/**
 * The value that a text from a flag or the environment stands for. A text that stands for none stays as it is: the
 * schema refuses it with the same words as a wrong value in a file.
 */
export function parseText({ schema }: Option, text: string): unknown {
  const trimmed = text.trim()
  switch (schema.type) {
    case 'boolean':
      return BOOLEANS.get(trimmed.toLowerCase()) ?? text
    case 'integer':
    case 'number':
      return /^[+-]?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : text
    case 'array':
      return listOf(text)
    default:
      return trimmed
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
