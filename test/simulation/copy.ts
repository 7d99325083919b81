/** What tells copies of a message apart: published through two instances, it has two stamps. */
export interface Stamped {
  readonly messageId: string
  readonly version?: string | undefined
}

/** The name of one copy of a message. */
export function copyOf({ messageId, version = '' }: Stamped): string {
  return `${messageId}/${version}`
}

/** The message that it is a copy of. */
export function idOf(copy: string): string {
  return copy.slice(0, copy.indexOf('/'))
}

export function stampOf(copy: string): string {
  return copy.slice(copy.indexOf('/') + 1)
}
