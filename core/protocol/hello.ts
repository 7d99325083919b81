import { ProtocolFault } from './fault.ts'
import { ID_PATTERN } from './fields.ts'
import { entryLimits } from './limits.ts'
import { scanMembers } from './scan.ts'

/** What one end of a linked connection says of itself: everything at first, then what has changed. */
export interface Hello {
  readonly instanceId?: string
  readonly role?: 'instance' | 'client'
  readonly clusterGroupId?: string
  /** Bearer token, from whoever cannot set a header. */
  readonly token?: string
  /** What is reachable behind the link now: to each tag, how many links lie between. */
  readonly tags?: Readonly<Record<string, number>>
  /** Epoch of the store of an instance. */
  readonly epoch?: string
  /** To each type, `version hash`. */
  readonly types?: Readonly<Record<string, string>>
  /** `name/version` each. */
  readonly capabilities?: readonly string[]
}

/** A tag that lies that many links away is out of reach. */
export const MAX_HOPS = 16

const MAX_ENTRIES = 1_024
// What a bundler may leave out of a browser says so.
const text = /* @__NO_SIDE_EFFECTS__ */ (maxLength: number) => ({ type: 'string', minLength: 1, maxLength })
const id = { type: 'string', pattern: ID_PATTERN }

/** JSON Schema of what follows `H`. `readHello` holds to it by hand: a browser brings no compiler of schemas. */
export const helloSchema = /* @__PURE__ */ Object.freeze({
  type: 'object',
  properties: {
    instanceId: id,
    role: { type: 'string', enum: ['instance', 'client'] },
    clusterGroupId: id,
    token: text(8_192),
    tags: {
      type: 'object',
      maxProperties: MAX_ENTRIES,
      propertyNames: text(64),
      additionalProperties: { type: 'integer', minimum: 0, maximum: MAX_HOPS },
    },
    epoch: text(128),
    types: {
      type: 'object',
      maxProperties: MAX_ENTRIES,
      propertyNames: text(64),
      additionalProperties: text(128),
    },
    capabilities: { type: 'array', maxItems: 64, items: text(64) },
  },
})

/** Throws a `ProtocolFault`. */
export function readHello(json: string): Hello {
  if (json.length > entryLimits.maxBytes) throw new ProtocolFault('TOO_LARGE', 'HELLO is too large')
  // Depth and members that stand twice, before a parser sees it.
  scanMembers(json, entryLimits.maxDepth)
  const hello = parse(json)
  for (const [name, holds] of Object.entries(checks)) {
    const value = hello[name]
    if (value !== undefined && !holds(value)) throw new ProtocolFault('INVALID_MESSAGE', `/${name} of HELLO is invalid`)
  }
  return hello
}

function parse(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    throw new ProtocolFault('INVALID_JSON', 'HELLO is not valid JSON')
  }
}

const isText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' && value.length >= 1 && value.length <= maxLength
const idPattern = new RegExp(ID_PATTERN)
const isId = (value: unknown) => typeof value === 'string' && idPattern.test(value)

const checks: { readonly [Name in keyof Hello]-?: (value: unknown) => boolean } = {
  instanceId: isId,
  role: (value) => value === 'instance' || value === 'client',
  clusterGroupId: isId,
  token: (value) => isText(value, 8_192),
  tags: (value) => isRecord(value, isHops),
  epoch: (value) => isText(value, 128),
  types: (value) => isRecord(value, (one) => isText(one, 128)),
  capabilities: (value) => Array.isArray(value) && value.length <= 64 && value.every((one) => isText(one, 64)),
}

function isHops(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_HOPS
}

function isRecord(value: unknown, holds: (one: unknown) => boolean): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return entries.length <= MAX_ENTRIES && entries.every(([name, one]) => isText(name, 64) && holds(one))
}
