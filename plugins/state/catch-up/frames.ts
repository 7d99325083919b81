import type { BodyOf, MessageType } from '../../../core/index.ts'
import { claimSchema, type WrittenClaim } from './membership/claim.ts'
import { MAX_FOLD } from './snapshot.ts'

/** A question, with a number and what it asks for, or the answer to the question of that number. */
export interface SyncFrame {
  readonly id: number
  /** Of a question. */
  readonly ask?: Question
  /** Of an answer that there is none: why. */
  readonly failed?: string
  /** Epoch of the store of whoever speaks. */
  readonly epoch?: string
  /** Digest of everything that is compared. */
  readonly root?: string
  /** What whoever speaks bears; not said by instances that compare only what is for everybody. */
  readonly tags?: readonly string[]
  /** Whether what is for some only is compared, both sides among them; else what is for everybody. */
  readonly shared?: boolean
  /** Digests of the groups of buckets, 11 characters each. */
  readonly digests?: string
  /** Which half of each digest of a bucket is compared, 0 or 1. */
  readonly half?: number
  readonly groups?: readonly number[]
  /** Cells, by their first buckets. */
  readonly buckets?: readonly number[]
  /** How often the buckets of a group are folded in two: 2 ** `fold` of them are a cell. Not said: each is one. */
  readonly fold?: number
  /** Of each cell in turn: its sightings, or of each group the digests of its cells. */
  readonly lists?: readonly string[]
  /** Names of keys, 8 characters each. */
  readonly names?: string
  /** How many pieces of the answer are known already. */
  readonly from?: number
  readonly count?: number
  readonly more?: boolean
  /** How many of the entries that were given are ahead of time there, and were left out. */
  readonly ahead?: number
  /** Entries: JSON, deflated, in base64. */
  readonly entries?: string
  /** What whoever speaks knows of everybody; not said by instances that never forget what was deleted. */
  readonly claim?: WrittenClaim
  /** Whether whoever speaks has given up the other side. */
  readonly away?: boolean
  /** What was deleted before that time is forgotten by whoever speaks by now. */
  readonly floor?: number
  /** In an answer: what the asker has to drop from before that time. In `end`: what it has dropped. 0 for nothing. */
  readonly below?: number
  /** Of that: what the other side has not (`all`), or what is remembered of things gone (`remembered`). */
  readonly drop?: 'all' | 'remembered'
  /** Whether each side has now what the other one had. */
  readonly complete?: boolean
  /** Whether it is for the other side to ask, for it has something to drop. */
  readonly turn?: boolean
}

/**
 * `begin`: compare everything, and the groups. `buckets`: digests of the cells of some groups. `keys`: what there is in some
 * cells. `want`: entries of some keys. `give`: entries to be joined. `end`: all that differed has been exchanged.
 */
export type Question = 'begin' | 'buckets' | 'keys' | 'want' | 'give' | 'end'

declare module '../../../core/index.ts' {
  interface MessageTypes {
    SYNC: SyncFrame
  }
}

/** What one frame bears of entries, before they are deflated, in characters. */
export const MAX_ENTRIES_LENGTH = 96 * 1024
/** So large may an entry be that stands alone in its frame, deflated and in base64, in characters. */
export const MAX_FRAME_LENGTH = 240 * 1024

const text = (maxLength: number) => ({ type: 'string', maxLength }) as const
const number = { type: 'integer', minimum: 0 } as const
const numbers = (maxItems: number) => ({ type: 'array', maxItems, items: number }) as const

export const syncSchema: MessageType<BodyOf<'SYNC'>>['schema'] = {
  type: 'object',
  required: ['id'],
  properties: {
    id: number,
    ask: { type: 'string', enum: ['begin', 'buckets', 'keys', 'want', 'give', 'end'] },
    failed: text(64),
    epoch: text(128),
    root: text(64),
    tags: { type: 'array', maxItems: 4_096, items: text(256) },
    shared: { type: 'boolean' },
    digests: text(4_096),
    half: number,
    groups: numbers(256),
    buckets: numbers(4_096),
    fold: { type: 'integer', minimum: 0, maximum: MAX_FOLD },
    lists: { type: 'array', maxItems: 4_096, items: text(MAX_FRAME_LENGTH) },
    names: text(MAX_FRAME_LENGTH),
    from: number,
    count: number,
    more: { type: 'boolean' },
    ahead: number,
    entries: text(MAX_FRAME_LENGTH),
    claim: claimSchema,
    away: { type: 'boolean' },
    floor: number,
    below: number,
    drop: { type: 'string', enum: ['all', 'remembered'] },
    complete: { type: 'boolean' },
    turn: { type: 'boolean' },
  },
}
