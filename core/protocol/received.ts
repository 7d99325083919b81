import type { Link } from '../links.ts'
import type { Hop } from './codec.ts'
import { ProtocolFault } from './fault.ts'
import { fingerprint } from './fingerprint.ts'
import type { FrameLimits } from './limits.ts'
import { type Member, scanMembers } from './scan.ts'

/** The text of a message that came in, and its size. */
export interface Incoming {
  readonly text: string
  readonly bytes: number
  readonly hop: Hop | undefined
}

const NO_MEMBERS: ReadonlyMap<string, Member> = new Map()

/**
 * What came in on a link, scanned and parsed, with nothing filled in or believed yet. `body` holds all top-level members
 * as they were sent; it is frozen to the ground, because every tap is shown the same one.
 */
export class Received<Body = Readonly<Record<string, unknown>>> {
  readonly sender: Link
  readonly type: string
  readonly body: Body
  readonly text: string
  /** Size on the wire, without what stood beside the text. */
  readonly bytes: number
  readonly members: ReadonlyMap<string, Member>
  /** What was said of its way beside its text; undefined where the hop fields stand in the text. */
  readonly hop: Hop | undefined
  /** When it came in, by the clock that only grows, in milliseconds. */
  readonly arrivedAt: number

  /** Reads a message. Throws a `ProtocolFault`. */
  static read(sender: Link, { text, bytes, hop }: Incoming, limits: FrameLimits, arrivedAt: number): Received {
    if (bytes > limits.maxBytes) throw new ProtocolFault('TOO_LARGE', `larger than ${limits.maxBytes} bytes`)
    const members = scanMembers(text, limits.maxDepth)
    const body = parse(text)
    return new Received(sender, { text, bytes, hop, members, type: typeOf(body), body }, arrivedAt)
  }

  /** What a line of the linked level says in a few bytes, as a message of the plain level says it. It has no text. */
  static said(sender: Link, type: string, body: object, arrivedAt: number): Received {
    return new Received(sender, { text: '', bytes: 0, hop: undefined, members: NO_MEMBERS, type, body }, arrivedAt)
  }

  private constructor(
    sender: Link,
    read: Incoming & { readonly members: ReadonlyMap<string, Member>; readonly type: string; readonly body: object },
    arrivedAt: number,
  ) {
    this.sender = sender
    this.type = read.type
    this.body = deepFreeze(read.body) as Body
    this.text = read.text
    this.bytes = read.bytes
    this.members = read.members
    this.hop = read.hop
    this.arrivedAt = arrivedAt
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
