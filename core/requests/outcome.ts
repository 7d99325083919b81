import type { Received } from '../protocol/received.ts'

/** What came of a message: a value, as JSON, or why there is none. */
export type Outcome =
  | { readonly value: string }
  | { readonly error: { readonly code: string; readonly message: string } }

/** An outcome, or what else is said on the way back to whoever asked. */
export interface Told {
  readonly messageId: string
  /** Whose outcome it is. */
  readonly instanceId?: string | undefined
  /** The members of a REPLY that say it, such as `"value":1`; undefined: there is nothing to say but whether it is complete. */
  readonly outcome?: string | undefined
  /** Whether nothing more comes. */
  readonly complete: boolean
}

/** The members of a REPLY that say this. */
export function printOutcome(outcome: Outcome): string {
  return 'value' in outcome ? `"value":${outcome.value}` : `"error":${JSON.stringify(outcome.error)}`
}

/** The members of a REPLY that say what came of a message, to the byte; undefined when it says nothing of that. */
export function readOutcome({ text, members }: Pick<Received, 'text' | 'members'>): string | undefined {
  const place = members.get('error') ?? members.get('value')
  return place && text.slice(place.start, place.end)
}

/** A REPLY of this instance that says so. */
export function outcomeFrame({ messageId, instanceId, outcome, complete }: Told, self: string): string {
  const who = instanceId === undefined ? '' : `,"instanceId":"${instanceId}"`
  return (
    `{"type":"REPLY","correlationId":"${messageId}","sourceInstanceId":"${self}","messagePath":["${self}"]` +
    `${who}${outcome === undefined ? '' : `,${outcome}`},"complete":${complete}}`
  )
}
