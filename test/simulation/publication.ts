/** The type of simulated messages that instances apply: the others are only stored and sent on. */
export const APPLIED_TYPE = 'sim.note'

/** A message as an application means it. */
export interface Publication {
  readonly messageId: string
  readonly type: 'SK' | 'SA' | typeof APPLIED_TYPE
  /** The application that publishes it. */
  readonly publisher: string
  readonly key: string
  /** The exact JSON text of its value. */
  readonly value: string
  readonly targetedTags: readonly string[]
  readonly targetInstanceId: string | undefined
  readonly priority: number | undefined
  /** Not delivered past it, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  /** Not delivered before it, in milliseconds since the epoch by the clock of the instance where it enters. */
  readonly notBefore: number | undefined
}

export function frameOf({ messageId, type, key, value, ...rest }: Publication): string {
  const { targetedTags, targetInstanceId, priority, expiresAt, notBefore } = rest
  const urgency = priority === undefined ? '' : `,"priority":${priority}`
  const expiry = expiresAt === undefined ? '' : `,"expiresAt":${expiresAt}`
  const delay = notBefore === undefined ? '' : `,"notBefore":${notBefore}`
  const tags = targetedTags.length > 0 ? `,"targetedTags":${JSON.stringify(targetedTags)}` : ''
  const target = targetInstanceId ? `,"targetInstanceId":"${targetInstanceId}"` : ''
  const times = `${expiry}${delay}`
  return `{"type":"${type}","messageId":"${messageId}","key":"${key}","value":${value}${tags}${target}${urgency}${times}}`
}

/** An instance or application of the plan, and what it bears. */
export interface Place {
  readonly name: string
  readonly role: 'instance' | 'client'
  readonly tags: readonly string[]
  /** False: an application without a name, which gets live traffic only. */
  readonly durable: boolean
}

/** Whether the message is for this place, by its tags or its target. */
export function isFor(publication: Publication, { name, role, tags }: Place): boolean {
  const { targetInstanceId, targetedTags } = publication
  if (targetInstanceId !== undefined) return role === 'instance' && name === targetInstanceId
  return targetedTags.length === 0 || targetedTags.some((tag) => tags.includes(tag))
}
