import type { Kernel, Link, StateEntry } from '../../../core/index.ts'
import { BUCKETS } from '../../../core/index.ts'
import type { Content } from './asking.ts'
import { MAX_ENTRIES_LENGTH, type SyncFrame } from './frames.ts'
import { type Holdings, SharedHoldings } from './holdings.ts'
import type { Claim } from './membership/claim.ts'
import type { Membership } from './membership/membership.ts'
import { MEMBER, type Standing } from './membership/standing.ts'
import { pack, piecesOf, unpack } from './packing.ts'
import { nameOf, readNames, sightingOf, write } from './sightings.ts'
import { bucketsIn, bucketsOfCell, cellOf, GROUPS, type Snapshot } from './snapshot.ts'

/** What an answer may hold of sightings, in characters. One cell always. */
const MAX_SIGHTINGS_LENGTH = 96 * 1024
/** Buckets that are read together. */
const BUCKETS_AT_ONCE = 256

export interface Received {
  readonly link: Link
  readonly entries: number
  readonly applied: number
  /** Whether they are for some only. */
  readonly shared: boolean
}

export interface AnsweringContext {
  readonly holdings: Holdings
  readonly membership: Membership
  readonly received: (received: Received) => void
  /** It is for this instance to ask at the other end of the link, for it has something to drop. */
  readonly toAsk: (link: Link) => void
}

/** What a session is about, and the digests that it began with. */
interface Begun {
  readonly shared: boolean
  readonly holdings: Holdings
  readonly snapshot: Snapshot
  /** What both said; nothing is said of what is for some only, nor by instances that never forget what was deleted. */
  readonly claims: { readonly ours: Claim; readonly theirs: Claim } | undefined
  /** What the asker was told to drop. */
  readonly standing: Standing
}

/** Answers the questions of the other ends. Between two questions it keeps nothing but what a session began with. */
export class Answering {
  readonly #kernel: Kernel
  readonly #holdings: Holdings
  readonly #membership: Membership
  readonly #received: (received: Received) => void
  readonly #toAsk: (link: Link) => void
  readonly #sessions = new WeakMap<Link, Begun>()

  constructor(kernel: Kernel, { holdings, membership, received, toAsk }: AnsweringContext) {
    this.#kernel = kernel
    this.#holdings = holdings
    this.#membership = membership
    this.#received = received
    this.#toAsk = toAsk
  }

  answer(link: Link, question: SyncFrame): Promise<Content> {
    if (question.ask === 'begin') return this.#begin(link, question)
    const begun = this.#sessions.get(link)
    if (!begun) throw new Error('nothing was begun')
    switch (question.ask) {
      case 'buckets':
        return this.#buckets(begun, question)
      case 'keys':
        return this.#keys(begun, question)
      case 'want':
        return this.#want(begun, question)
      case 'give':
        return this.#give(begun, link, question)
      default:
        this.#sessions.delete(link)
        return this.#end(begun, link, question)
    }
  }

  async #begin(link: Link, question: SyncFrame): Promise<Content> {
    const { root, shared = false, tags = [] } = question
    const { epoch, settings } = this.#kernel
    const peer = link.peer as string
    const holdings = shared ? new SharedHoldings(this.#kernel, { instanceId: peer, tags }) : this.#holdings
    const known = shared ? undefined : await this.#hear(peer, question)
    const snapshot = await holdings.snapshot()
    this.#sessions.set(link, { shared, holdings, snapshot, claims: known?.claims, standing: known?.standing ?? MEMBER })
    const about = { epoch, root: snapshot.root, tags: settings.tags, ...known?.said }
    return snapshot.root === root ? about : { ...about, digests: snapshot.groups }
  }

  /** What the two are to each other. */
  async #hear(peer: string, question: SyncFrame) {
    const theirs = this.#membership.hear(peer, question)
    // What is forgotten there is not taken here any more.
    await this.#membership.promise(theirs?.floor ?? 0)
    const { ours, said } = this.#membership.introduction(peer)
    const standing = this.#membership.standingOf(peer)
    const { kind, bound: below } = standing
    const drop = kind === 'returning' ? 'all' : 'remembered'
    return {
      said: { ...said, ...(below > 0 && ({ below, drop } as const)) },
      standing,
      claims: theirs && { ours, theirs },
    }
  }

  async #buckets({ snapshot }: Begun, { groups = [], half = 0, fold = 0 }: SyncFrame): Promise<Content> {
    return { lists: groups.filter((group) => group < GROUPS).map((group) => snapshot.halves(group, half, fold)), fold }
  }

  /** Whole cells, as many as fit, but one at least. */
  async #keys({ holdings }: Begun, { buckets = [], fold = 0 }: SyncFrame): Promise<Content> {
    const lists: string[] = []
    let length = 0
    let step = Math.max(1, BUCKETS_AT_ONCE / bucketsOfCell(fold))
    while (lists.length < buckets.length) {
      const next = await listsOf(holdings, buckets.slice(lists.length, lists.length + step), fold)
      const more = next.reduce((sum, list) => sum + list.length, 0)
      if (length + more <= MAX_SIGHTINGS_LENGTH || (step === 1 && lists.length === 0)) {
        lists.push(...next)
        length += more
      } else if (step === 1 || lists.length > 0) break
      else step = 1
    }
    return { lists }
  }

  async #want({ holdings }: Begun, { buckets = [], fold = 0, names = '', from = 0 }: SyncFrame): Promise<Content> {
    const wanted = new Set(readNames(names))
    const pieces: string[] = []
    let place = 0
    let length = 0
    for await (const entry of holdings.in(inRange(bucketsIn(buckets, fold)))) {
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

  async #give({ holdings, shared }: Begun, link: Link, { entries = '' }: SyncFrame): Promise<Content> {
    const given: readonly StateEntry[] = unpack(entries)
    const { applied, ahead } = await holdings.join(
      given,
      shared ? MEMBER : this.#membership.standingOf(link.peer as string),
    )
    this.#received({ link, entries: given.length, applied, shared })
    return ahead > 0 ? { ahead } : {}
  }

  /** What has been exchanged is known to both from now on. */
  async #end({ shared, claims, standing }: Begun, link: Link, question: SyncFrame): Promise<Content> {
    const { below = 0, complete = false, turn = false } = question
    const peer = link.peer as string
    if (shared || !claims) return {}
    const { registry } = this.#membership
    const hasDropped = below >= standing.bound
    if (standing.bound > 0 && hasDropped) registry.clear(peer, standing.bound)
    const { floor } = registry
    if (complete && hasDropped) {
      await this.#membership.completed(peer, claims.ours, claims.theirs, question.floor ?? claims.theirs.floor)
    }
    if (turn) this.#toAsk(link)
    return { floor }
  }
}

async function listsOf(holdings: Holdings, cells: readonly number[], fold: number): Promise<readonly string[]> {
  const lists = new Map(cells.map((cell) => [cell, '']))
  for await (const entry of holdings.in(inRange(bucketsIn(cells, fold)))) {
    const cell = cellOf(entry, fold)
    lists.set(cell, lists.get(cell) + write(sightingOf(entry)))
  }
  return cells.map((cell) => lists.get(cell) ?? '')
}

function inRange(buckets: readonly number[]): readonly number[] {
  return buckets.filter((bucket) => bucket < BUCKETS)
}
