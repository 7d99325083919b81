import { linkLimits } from '../protocol/limits.ts'
import { findMember } from '../protocol/scan.ts'

/** What came in: its text to the byte, and a reading of it. */
export class ReceivedMessage {
  /** The JSON as it came. */
  readonly text: string
  /** The same, parsed; numbers that JavaScript cannot hold have lost digits, `raw` has them. */
  readonly body: Readonly<Record<string, unknown>>
  /** Which one it was of those on its connection that are answered by number; 0: none of them. */
  readonly number: number

  constructor(text: string, body: Readonly<Record<string, unknown>>, number = 0) {
    this.text = text
    this.body = body
    this.number = number
  }

  /** The exact text of a top-level member: `9007199254740993` where `body` has …992. */
  raw(member: string): string | undefined {
    const found = findMember(this.text, member, linkLimits.maxDepth)
    return found && this.text.slice(found.valueStart, found.end)
  }

  /** A top-level member, when it is a string. */
  string(member: string): string | undefined {
    const value = this.body[member]
    return typeof value === 'string' ? value : undefined
  }
}

/** Undefined when the text is no JSON object. */
export function readReceived(text: string, number = 0): ReceivedMessage | undefined {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body !== 'object' || body === null) return undefined
    return new ReceivedMessage(text, body as Readonly<Record<string, unknown>>, number)
  } catch {
    return undefined
  }
}
