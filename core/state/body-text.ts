import type { Message } from '../message.ts'
import { envelopeProperties, ORIGIN_FIELDS } from '../protocol/fields.ts'
import { linkLimits } from '../protocol/limits.ts'
import { scanMembers } from '../protocol/scan.ts'
import { withoutMembers } from '../protocol/text.ts'

/** What any message may bear beside what its own type says. */
const ENVELOPE = new Set([...Object.keys(envelopeProperties), ...ORIGIN_FIELDS])

/** What a message says, as it was published: its member `value`, or all members that are its type's own. */
export function bodyText({ text, raw }: Pick<Message, 'text' | 'raw'>): string {
  return raw('value') ?? withoutMembers(text, scanMembers(text, linkLimits.maxDepth), ENVELOPE)
}
