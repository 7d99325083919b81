import type { Link, StateEntry } from '../../../core/index.ts'
import { BUCKETS, bucketOf } from '../../../core/index.ts'
import type { Content } from './asking.ts'
import { MAX_ENTRIES_LENGTH, type SyncFrame } from './frames.ts'
import type { Holdings } from './holdings.ts'
import { pack, piecesOf, unpack } from './packing.ts'
import { nameOf, readNames, sightingOf, write } from './sightings.ts'
import { GROUPS, type Snapshot } from './snapshot.ts'

/** What an answer may hold of sightings, in characters. One bucket always. */
const MAX_SIGHTINGS_LENGTH = 96 * 1024
/** Buckets that are read together. */
const BUCKETS_AT_ONCE = 256

export interface Received {
  readonly link: Link
  readonly entries: number
  readonly applied: number
}

/** Answers the questions of the other ends. Between two questions it keeps nothing but the digests that a session began with. */
export class Answering {
  readonly #holdings: Holdings
  readonly #epoch: () => string
  readonly #received: (received: Received) => void
  readonly #snapshots = new WeakMap<Link, Snapshot>()

  constructor(holdings: Holdings, epoch: () => string, received: (received: Received) => void) {
    this.#holdings = holdings
    this.#epoch = epoch
    this.#received = received
  }

  answer(link: Link, question: SyncFrame): Promise<Content> {
    switch (question.ask) {
      case 'begin':
        return this.#begin(link, question)
      case 'buckets':
        return this.#buckets(link, question)
      case 'keys':
        return this.#keys(question)
      case 'want':
        return this.#want(question)
      case 'give':
        return this.#give(link, question)
      default:
        return Promise.resolve({})
    }
  }

  async #begin(link: Link, { root }: SyncFrame): Promise<Content> {
    const snapshot = await this.#holdings.snapshot()
    this.#snapshots.set(link, snapshot)
    const about = { epoch: this.#epoch(), root: snapshot.root }
    return snapshot.root === root ? about : { ...about, digests: snapshot.groups }
  }

  async #buckets(link: Link, { groups = [], half = 0 }: SyncFrame): Promise<Content> {
    const snapshot = this.#snapshots.get(link)
    if (!snapshot) throw new Error('nothing was begun')
    return { lists: groups.filter((group) => group < GROUPS).map((group) => snapshot.halves(group, half)) }
  }

  /** Whole buckets, as many as fit, but one at least. */
  async #keys({ buckets = [] }: SyncFrame): Promise<Content> {
    const lists: string[] = []
    let length = 0
    let step = BUCKETS_AT_ONCE
    while (lists.length < buckets.length) {
      const next = await this.#listsOf(buckets.slice(lists.length, lists.length + step))
      const more = next.reduce((sum, list) => sum + list.length, 0)
      if (length + more <= MAX_SIGHTINGS_LENGTH || (step === 1 && lists.length === 0)) {
        lists.push(...next)
        length += more
      } else if (step === 1 || lists.length > 0) break
      else step = 1
    }
    return { lists }
  }

  async #listsOf(buckets: readonly number[]): Promise<readonly string[]> {
    const lists = new Map(buckets.map((bucket) => [bucket, '']))
    for await (const entry of this.#holdings.in(inRange(buckets))) {
      const bucket = bucketOf(entry)
      lists.set(bucket, lists.get(bucket) + write(sightingOf(entry)))
    }
    return buckets.map((bucket) => lists.get(bucket) ?? '')
  }

  async #want({ buckets = [], names = '', from = 0 }: SyncFrame): Promise<Content> {
    const wanted = new Set(readNames(names))
    const pieces: string[] = []
    let place = 0
    let length = 0
    for await (const entry of this.#holdings.in(inRange(buckets))) {
      if (!wanted.has(nameOf(entry))) continue
      for (const piece of piecesOf(entry)) {
        if (place++ < from) continue
        pieces.push(piece)
        length += piece.length
      }
      // More than fits, so that it is known whether there is more.
      if (length > 2 * MAX_ENTRIES_LENGTH) break
    }
    const { text, count } = pack(pieces)
    return { count, more: count < pieces.length, ...(text !== undefined && { entries: text }) }
  }

  async #give(link: Link, { entries = '' }: SyncFrame): Promise<Content> {
    const given: readonly StateEntry[] = unpack(entries)
    const applied = await this.#holdings.join(given)
    this.#received({ link, entries: given.length, applied })
    return {}
  }
}

function inRange(buckets: readonly number[]): readonly number[] {
  return buckets.filter((bucket) => bucket < BUCKETS)
}
