import { linkLimits } from '../protocol/limits.ts'
import { findMember } from '../protocol/scan.ts'

/** What came in: its text to the byte, and a reading of it. */
export class ReceivedMessage {
  /** The JSON as it came. */
  readonly text: string
  /** The same, parsed; numbers that JavaScript cannot hold have lost digits, `raw` has them. */
  readonly body: Readonly<Record<string, unknown>>

  constructor(text: string, body: Readonly<Record<string, unknown>>) {
    this.text = text
    this.body = body
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
