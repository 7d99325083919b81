import { hash } from 'node:crypto'
import { BUS_FIELDS } from './fields.ts'
import type { Member } from './scan.ts'

/** SHA-256, in base64, of what the publisher wrote: all members but those that the bus may add. */
export function fingerprint(text: string, members: ReadonlyMap<string, Member>): string {
  let own = ''
  for (const [name, { start, end }] of members) if (!BUS_FIELDS.has(name)) own += `${text.slice(start, end)}\n`
  return hash('sha256', own, 'base64')
}
