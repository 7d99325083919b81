import { linkLimits } from '../core/protocol/limits.ts'
import { type Member, scanMembers } from '../core/protocol/scan.ts'
import { member, withMembers } from '../core/protocol/text.ts'

/** A frame of the plain level: its text as it came, and a reading of it. */
export interface Frame {
  readonly text: string
  readonly type: string
  readonly messageId: string | undefined
  readonly body: Readonly<Record<string, unknown>>
  /** The exact text of a top-level member: what was parsed may have lost digits. */
  raw(name: string): string | undefined
  readonly members: ReadonlyMap<string, Member>
}

/** Reads a frame. Throws what the protocol's scan and the JSON parser throw. */
export function readFrame(text: string): Frame {
  const members = scanMembers(text, linkLimits.maxDepth)
  const body = JSON.parse(text) as Record<string, unknown>
  const raw = (name: string) => {
    const found = members.get(name)
    return found && text.slice(found.valueStart, found.end)
  }
  return { text, type: stringOf(body.type) ?? '', messageId: stringOf(body.messageId), body, raw, members }
}

export interface Draft {
  readonly type: string
  readonly messageId: string
  readonly targetedTags?: readonly string[] | undefined
  readonly key?: string | undefined
  /** JSON text. */
  readonly value?: string | undefined
  /** JSON text of an object, whose members stand behind all others. */
  readonly body?: string | undefined
}

/** The text of a message. Put together by hand: `JSON.stringify` would print 9007199254740993 as …992. */
export function writeFrame({ type, messageId, targetedTags = [], key, value, body }: Draft): string {
  let added = member('type', type) + member('messageId', messageId)
  if (targetedTags.length > 0) added += `,"targetedTags":${JSON.stringify(targetedTags)}`
  if (key !== undefined) added += member('key', key)
  if (value !== undefined) added += `,"value":${value}`
  const own = body?.trim().slice(1, -1).trim() ?? ''
  return withMembers('{}', own === '' ? added : `${added},${own}`)
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
