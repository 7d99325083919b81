/** The type of simulated messages that all instances apply; the others only where state is kept. */
export const APPLIED_TYPE = 'sim.note'

export type PublishedType = 'SK' | 'SA' | 'SW' | 'DEL' | typeof APPLIED_TYPE

/** A message as an application means it. */
export interface Publication {
  readonly messageId: string
  readonly type: PublishedType
  /** The application that publishes it. */
  readonly publisher: string
  readonly key: string
  /** The exact JSON text of its value; undefined of a `DEL`. */
  readonly value: string | undefined
  /** The stamp that its publisher gave it. */
  readonly version: string | undefined
  readonly targetedTags: readonly string[]
  readonly targetInstanceId: string | undefined
  readonly priority: number | undefined
  /** Not delivered past it, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined
  /** Not delivered before it, in milliseconds since the epoch by the clock of the instance where it enters. */
  readonly notBefore: number | undefined
}

export function frameOf({ messageId, type, key, value, ...rest }: Publication): string {
  const { targetedTags, targetInstanceId, priority, expiresAt, notBefore, version } = rest
  const said = value === undefined ? '' : `,"value":${value}`
  const stamp = version === undefined ? '' : `,"version":"${version}"`
  const urgency = priority === undefined ? '' : `,"priority":${priority}`
  const expiry = expiresAt === undefined ? '' : `,"expiresAt":${expiresAt}`
  const delay = notBefore === undefined ? '' : `,"notBefore":${notBefore}`
  const tags = targetedTags.length > 0 ? `,"targetedTags":${JSON.stringify(targetedTags)}` : ''
  const target = targetInstanceId ? `,"targetInstanceId":"${targetInstanceId}"` : ''
  const times = `${expiry}${delay}${stamp}`
  return `{"type":"${type}","messageId":"${messageId}","key":"${key}"${said}${tags}${target}${urgency}${times}}`
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
export function isFor(
  publication: Pick<Publication, 'targetedTags' | 'targetInstanceId'>,
  { name, role, tags }: Place,
): boolean {
  const { targetInstanceId, targetedTags } = publication
  if (targetInstanceId !== undefined) return role === 'instance' && name === targetInstanceId
  return targetedTags.length === 0 || targetedTags.some((tag) => tags.includes(tag))
}
