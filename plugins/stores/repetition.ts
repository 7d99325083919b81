import type { Entry, Message, StoreVerdict } from '../../core/index.ts'

const HOUR_MS = 60 * 60 * 1_000
/** How long the id that a publisher gave is remembered unless it is configured, in hours (§6 of the protocol). */
const REMEMBER_IDS_HOURS = 24

/** The option of every store. */
export interface RememberOptions {
  /** How long the id that a publisher gave is remembered, in hours. Default 24. */
  readonly rememberIdsHours?: number
}

export const rememberSchema = { rememberIdsHours: { type: 'number', minimum: 1 } }

/** That option in milliseconds. */
export function rememberMs({ rememberIdsHours = REMEMBER_IDS_HOURS }: RememberOptions): number {
  return rememberIdsHours * HOUR_MS
}

/** What must be known of whatever holds an id to judge another message of that id. */
export interface Holder {
  readonly fingerprint: string
  readonly publisher: string | null
  readonly recipients: number
}

/** As much of the newest stored message of an id. */
export interface KnownMessage extends Holder {
  readonly version: string | null
  readonly receivedAt: number
}

/** The name of the client that published it; null when it gave none: then the path begins with an instance, or is empty. */
export function publisherOf({ path, originInstanceId }: Message): string | null {
  const first = path[0]
  return first === undefined || first === originInstanceId ? null : first
}

/**
 * What a message is, when the newest one of its id is known: a repetition, or another message under a used id.
 * Undefined: it is new, for that id was last used too long ago.
 *
 * @param rememberedSince ids that were last used before are forgotten, in milliseconds since the epoch
 */
export function judgeSameId(message: Message, known: KnownMessage, rememberedSince: number): StoreVerdict | undefined {
  return known.receivedAt <= rememberedSince ? undefined : judgeRepetition(message, known)
}

/** What a message is under an id that is taken, by what is known of the one that took it. */
export function judgeRepetition(message: Message, known: Holder): StoreVerdict {
  const publisher = publisherOf(message)
  const samePublisher = publisher === null || known.publisher === null || publisher === known.publisher
  if (!samePublisher || message.fingerprint !== known.fingerprint) return CONFLICT
  return { status: 'duplicate', recipients: known.recipients }
}

/** Whether a repetition of the newest message of its id bears a greater version, and is for somebody then. */
export function isLift({ message: { version }, lifts }: Entry, known: KnownMessage): boolean {
  return lifts !== undefined && version !== undefined && version > (known.version ?? '')
}

const CONFLICT: StoreVerdict = Object.freeze({ status: 'conflict' })
