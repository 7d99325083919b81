/** Who sent it on this link, and everyone it passed: each hop writes its own (§1 of the protocol). */
export const HOP_FIELDS: ReadonlySet<string> = new Set(['sourceInstanceId', 'messagePath'])

/** What only the instance where a message enters may say. From anybody else it is replaced. */
export const ORIGIN_FIELDS: ReadonlySet<string> = new Set(['originInstanceId', 'originSequence'])

/** What the bus may add to a message: not part of what its publisher wrote. */
export const BUS_FIELDS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  ...HOP_FIELDS,
  ...ORIGIN_FIELDS,
  'messageId',
  'clusterGroupId',
  'version',
  'orderingKey',
])

/** Ids of messages, instances and clients. */
export const ID_PATTERN = '^[A-Za-z0-9._:-]{1,128}$'
const id = new RegExp(ID_PATTERN)

export function isId(value: unknown): value is string {
  return typeof value === 'string' && id.test(value)
}

/** Of two messages of different keys that wait for one recipient, the one with the greater priority goes first. */
export const MAX_PRIORITY = 9
/** Of messages that name none. */
export const DEFAULT_PRIORITY = 4

/** The members that a publisher may set on any message, as properties of a JSON Schema. */
export const envelopeProperties = /* @__PURE__ */ Object.freeze({
  type: { type: 'string', pattern: '^[A-Za-z0-9._:/-]{1,64}$' },
  messageId: { type: 'string', pattern: ID_PATTERN },
  clusterGroupId: { type: 'string', pattern: ID_PATTERN },
  version: { type: 'string', pattern: '^[0-9]{13}-[0-9]{5}-[A-Za-z0-9._:-]{1,128}$' },
  orderingKey: { type: 'string', maxLength: 512 },
  targetedTags: { type: 'array', maxItems: 32, items: { type: 'string', minLength: 1, maxLength: 64 } },
  targetInstanceId: { type: 'string', pattern: ID_PATTERN },
  expiresAt: { type: 'integer', minimum: 0 },
  notBefore: { type: 'integer', minimum: 0 },
  priority: { type: 'integer', minimum: 0, maximum: MAX_PRIORITY },
  correlationId: { type: 'string', pattern: ID_PATTERN },
  traceparent: { type: 'string', maxLength: 128 },
})

/** Members that are the bus's own: named here so that a type that forbids further members does not forbid these. */
export const toleratedProperties = /* @__PURE__ */ Object.freeze({
  originInstanceId: {},
  originSequence: {},
  sourceInstanceId: {},
  messagePath: {},
})
