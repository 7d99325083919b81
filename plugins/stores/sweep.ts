import { crc32 } from 'node:zlib'
import type { Spaces } from '../../core/index.ts'

/** A delivery that waits. */
export interface Shelved {
  readonly seq: number
  readonly type: string
  /** Undefined for one that must be left alone, whatever it seems to be. */
  readonly text: string | undefined
}

/** What waits for one recipient, as a sweep sees and changes it. */
export interface Shelf {
  /** The greatest place; 0 if nothing waits. */
  last(): number
  /** The next deliveries behind that place, in order: as many at most, and one at least if there is any. */
  read(after: number, limit: number): readonly Shelved[]
  /** The delivery at that place, if it still waits. */
  at(seq: number): Shelved | undefined
  remove(seq: number): void
}

/** A write that another one may replace. */
interface Write {
  readonly seq: number
  /** Space, key and audience. */
  readonly group: string
  readonly version: string
  readonly expires: boolean
}

/** Groups of which a place is remembered at a time: about 20 MB. With more, the backlog is gone through several times. */
const MAX_GROUPS = 200_000

/** Those groups whose hash leaves that remainder. */
interface Share {
  readonly divisor: number
  readonly remainder: number
}

/**
 * One way through what waits for a recipient now, in which newer writes take the place of older ones. It remembers one place
 * of each group of writes that it has met, and looks there again before it takes anything away: between two steps, what
 * waits may have been settled. If there are more groups than it can remember, it goes through for each half of them.
 */
export class Sweep {
  readonly #maxGroups: number
  /** Places by the hash of their group. Where two groups have one hash, only one of them is collapsed. */
  readonly #places = new Map<number, number>()
  /** What is still to be gone through; the last one is under way. */
  readonly #shares: Share[] = [{ divisor: 1, remainder: 0 }]
  #after = 0
  /** Where it ends: a backlog that grows meanwhile must not keep it for ever. */
  #end: number | undefined
  #isFull = false

  constructor(maxGroups = MAX_GROUPS) {
    this.#maxGroups = maxGroups
  }

  /** Looks at the next deliveries. Returns how many it has removed, and whether it has come to the end. */
  step(shelf: Shelf, spaces: Spaces, limit: number): { readonly deliveries: number; readonly done: boolean } {
    this.#end ??= shelf.last()
    const waiting = shelf.read(this.#after, limit)
    let deliveries = 0
    for (const one of waiting) if (this.#meet(one, shelf, spaces)) deliveries++
    this.#after = waiting.at(-1)?.seq ?? this.#end
    if (this.#after >= this.#end) this.#turn()
    return { deliveries, done: this.#shares.length === 0 }
  }

  /** Whether a delivery was removed: this one, or an older one of its group. */
  #meet(one: Shelved, shelf: Shelf, spaces: Spaces): boolean {
    const write = writeOf(one, spaces)
    if (!write) return false
    const hash = crc32(write.group)
    const { divisor, remainder } = this.#shares.at(-1) as Share
    if (hash % divisor !== remainder) return false
    const place = this.#places.get(hash)
    const rival = place === undefined ? undefined : shelf.at(place)
    const known = rival && writeOf(rival, spaces)
    if (!known) {
      this.#remember(hash, write)
      return false
    }
    if (replaces(known, write)) {
      shelf.remove(write.seq)
      return true
    }
    if (!replaces(write, known)) return false
    shelf.remove(known.seq)
    this.#places.set(hash, write.seq)
    return true
  }

  #remember(hash: number, { seq, expires }: Write): void {
    if (expires) return
    if (this.#places.has(hash) || this.#places.size < this.#maxGroups) this.#places.set(hash, seq)
    else this.#isFull = true
  }

  /** At the end: goes through for the next share, and for the halves of this one if it was too large. */
  #turn(): void {
    const { divisor, remainder } = this.#shares.pop() as Share
    if (this.#isFull) {
      const twice = divisor * 2
      this.#shares.push({ divisor: twice, remainder }, { divisor: twice, remainder: remainder + divisor })
    }
    this.#isFull = false
    this.#places.clear()
    this.#after = 0
  }
}

/** What the message writes; undefined when it is none of those that may be replaced. Its text alone counts: it is checked. */
function writeOf({ seq, type, text }: Shelved, spaces: Spaces): Write | undefined {
  const space = spaces.get(type)
  if (space === undefined || text === undefined) return undefined
  const { orderingKey, version, targetedTags = [], targetInstanceId = null, expiresAt } = JSON.parse(text)
  if (orderingKey === undefined || version === undefined) return undefined
  const group = JSON.stringify([space, orderingKey, targetedTags, targetInstanceId])
  return { seq, group, version, expires: expiresAt !== undefined }
}

/** One that expires may be gone before it is delivered, and the older one would be missing. */
function replaces(one: Write, other: Write): boolean {
  return one.group === other.group && !one.expires && one.version > other.version
}
