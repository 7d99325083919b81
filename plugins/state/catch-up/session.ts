import type { Asking } from './asking.ts'
import { type Difference, differences } from './differences.ts'
import { fetch } from './fetching.ts'
import type { Holdings } from './holdings.ts'
import { MEMBER } from './membership/standing.ts'
import { pack, piecesOf } from './packing.ts'
import { sightingOf } from './sightings.ts'
import type { Visit } from './visit.ts'

/** Entries that are read together before they are given. */
const GIVEN_AT_ONCE = 64

/** What two instances held when they compared it, by the words of both. */
export interface Meeting {
  readonly epoch: string
  readonly ours: string
  readonly theirs: string
  /** What the other one bears; undefined when it compares only what is for everybody. */
  readonly tags: readonly string[] | undefined
  /** Whether something was left out that was ahead of a clock. It differs still, and once it is in time it is to be exchanged. */
  readonly isEarly: boolean
}

/** What one session has done so far. */
export interface SessionFigures {
  /** Entries that the other side gave, and how many of these hold here now. */
  received: number
  applied: number
  /** Entries that were given to the other side. */
  sent: number
  /** Keys of which something was dropped here, because others may have deleted it while this instance was away. */
  dropped: number
  /** Entries that were too large for a frame, of either side. */
  tooLarge: number
  /** Of questions and answers, both ways. */
  bytes: number
}

export interface SessionOptions {
  readonly epoch: string
  /** What this instance bears. */
  readonly tags: readonly string[]
  /** Whether what is for some only is compared, both sides among them; else what is for everybody. */
  readonly shared: boolean
  /** Which half of the digests of buckets is compared: another one in the next session. */
  readonly half: number
  /** What both held at the end of the last session that was completed: if they still do, there is nothing to do. */
  readonly last: Meeting | undefined
  readonly figures: SessionFigures
  /** Who the two are to each other; undefined where nothing is ever forgotten: of what is for some only. */
  readonly visit: Visit | undefined
}

/**
 * Exchanges with the other end of a link all that one of the two lacks or has otherwise. Resolves to what both held when it
 * began. Joining is idempotent: a session that breaks off has done no harm, and the next one does what was left.
 */
export async function runSession(asking: Asking, holdings: Holdings, options: SessionOptions): Promise<Meeting> {
  const { half, figures, last, visit } = options
  const { ours, answer } = await begin(asking, holdings, options)
  const { epoch = '', root = '', tags, digests } = answer
  const meeting = { epoch, ours: ours.root, theirs: root, tags, isEarly: false }
  const missed = figures.tooLarge
  const hasToDrop = (visit?.standing.bound ?? 0) > 0
  const isExchanged = digests === undefined || (!visit?.isTheirTurn && (hasToDrop || !isSame(meeting, last)))
  let ahead = 0
  if (digests !== undefined && isExchanged) {
    for await (const some of differences(asking, holdings, { ours, groups: digests, half })) {
      ahead += await take(asking, holdings, some, options)
      ahead += await give(asking, holdings, some, figures)
    }
  }
  if (visit) await visit.end({ isWhole: isExchanged && ahead === 0 && figures.tooLarge === missed })
  else await asking.ask('end')
  return { ...meeting, isEarly: ahead > 0 }
}

async function begin(asking: Asking, holdings: Holdings, { epoch, tags, shared, visit }: SessionOptions) {
  const about = { epoch, tags, ...(shared && { shared }) }
  if (visit) return visit.begin(about)
  const ours = await holdings.snapshot()
  return { ours, answer: await asking.ask('begin', { ...about, root: ours.root }) }
}

/** Resolves to how many entries were ahead of time here. */
async function take(
  asking: Asking,
  holdings: Holdings,
  some: readonly Difference[],
  { figures, visit }: SessionOptions,
): Promise<number> {
  const standing = visit?.standing ?? MEMBER
  const isBound = standing.bound > 0
  let early = 0
  if (isBound) {
    const alone = some.flatMap(({ ours, theirs }) => (ours && !theirs ? [ours.key] : []))
    figures.dropped += await holdings.drop(alone, standing)
  }
  const wanted = some.filter(({ ours, theirs }) => theirs && (isBound || !isBehind(theirs, ours)))
  const missed = (count: number) => {
    figures.tooLarge += count
  }
  for await (const entries of fetch(asking, wanted, missed)) {
    figures.received += entries.length
    if (isBound) figures.dropped += await holdings.drop(entries, standing)
    const { applied, ahead } = await holdings.join(entries, visit?.theirStanding ?? MEMBER)
    figures.applied += applied
    early += ahead
  }
  return early
}

/** Resolves to how many entries were ahead of time there. */
async function give(
  asking: Asking,
  holdings: Holdings,
  some: readonly Difference[],
  figures: SessionFigures,
): Promise<number> {
  let early = 0
  const offered = some.filter(({ ours, theirs }) => ours && !isBehind(ours, theirs))
  for (let at = 0; at < offered.length; at += GIVEN_AT_ONCE) {
    const part = offered.slice(at, at + GIVEN_AT_ONCE)
    const theirs = new Map(part.map((one) => [one.name, one.theirs?.digest]))
    const entries = await holdings.read(part.flatMap(({ ours }) => (ours ? [ours.key] : [])))
    // What was taken from the other side may have made them the same.
    const lacking = entries.filter((entry) => {
      const { name, digest } = sightingOf(entry)
      return theirs.get(name) !== digest
    })
    let pieces = lacking.flatMap(piecesOf)
    while (pieces.length > 0) {
      const { text, count } = pack(pieces)
      if (text === undefined) figures.tooLarge += count
      else early += (await asking.ask('give', { entries: text })).ahead ?? 0
      pieces = pieces.slice(count)
    }
    figures.sent += lacking.length
  }
  return early
}

/** Whether one of two was written as a whole before the other was, so that nothing of it counts. */
function isBehind(
  { isWhole, time }: NonNullable<Difference['theirs']>,
  other: NonNullable<Difference['theirs']> | undefined,
): boolean {
  return other !== undefined && isWhole && other.isWhole && time < other.time
}

function isSame(one: Meeting, other: Meeting | undefined): boolean {
  if (!other || other.isEarly) return false
  return one.epoch === other.epoch && one.ours === other.ours && one.theirs === other.theirs
}
