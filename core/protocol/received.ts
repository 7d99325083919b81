import type { Link } from '../links.ts'
import { ProtocolFault } from './fault.ts'
import type { FrameLimits } from './limits.ts'
import { type Member, scanMembers } from './scan.ts'
import { fingerprint } from './text.ts'

/**
 * What came in on a link, scanned and parsed, with nothing filled in or believed yet. `body` holds all top-level members
 * as they were sent; it is frozen to the ground, because every tap is shown the same one.
 */
export class Received<Body = Readonly<Record<string, unknown>>> {
  readonly sender: Link
  readonly type: string
  readonly body: Body
  readonly text: string
  /** Size of the frame on the wire. */
  readonly bytes: number
  readonly members: ReadonlyMap<string, Member>
  /** When it came in, by the clock that only grows, in milliseconds. */
  readonly arrivedAt: number

  constructor(sender: Link, text: string, bytes: number, limits: FrameLimits, arrivedAt: number) {
    if (bytes > limits.maxBytes) throw new ProtocolFault('TOO_LARGE', `larger than ${limits.maxBytes} bytes`)
    this.sender = sender
    this.text = text
    this.bytes = bytes
    this.arrivedAt = arrivedAt
    this.members = scanMembers(text, limits.maxDepth)
    const body = parse(text)
    this.type = typeOf(body)
    this.body = deepFreeze(body) as Body
    Object.freeze(this)
  }

  /** Whether it enters the mesh here: whatever a client says, and what a peer sends that no instance has let in yet. */
  get entersHere(): boolean {
    return this.sender.role === 'client' || !this.members.has('originSequence')
  }

  /** What its publisher wrote, digested without what the bus adds. */
  fingerprint(): string {
    return fingerprint(this.text, this.members)
  }

  /** A top-level member that must be a string to count; undefined when it is absent or something else. */
  string(member: string): string | undefined {
    const value = (this.body as Readonly<Record<string, unknown>>)[member]
    return typeof value === 'string' ? value : undefined
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    // The engine's own message quotes the text around the fault: only its position may be told.
    const position = /position (\d+)/.exec(String(error))?.[1]
    throw new ProtocolFault('INVALID_JSON', position ? `not valid JSON at character ${position}` : 'not valid JSON')
  }
}

function typeOf(body: Record<string, unknown>): string {
  const { type } = body
  if (type === undefined) throw new ProtocolFault('INVALID_MESSAGE', "must have required property 'type'")
  if (typeof type !== 'string') throw new ProtocolFault('INVALID_MESSAGE', '/type must be string')
  return type
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const item of Object.values(value)) if (typeof item === 'object') deepFreeze(item)
  return Object.freeze(value)
}
