/**
 * What instances tell each other of what they have, so that all of them know what everybody has: a matrix clock (Wuu and
 * Bernstein, 1984), whose columns are promises. An instance promises to apply no message any more whose version is older than
 * a time; whoever has all that it held when it had promised that has all deletions of before that it will ever bring.
 *
 * All times in milliseconds since the epoch; 0 for none.
 */
export interface Claim {
  /** What was deleted before that is forgotten by whoever says this. */
  readonly floor: number
  /** What each member has said last, as far as it is known: whoever says this is among them. */
  readonly rows: Rows
  /** Those who were given up, and when they had spoken last, by their own clocks. */
  readonly gone: ReadonlyMap<string, number>
}

export type Rows = ReadonlyMap<string, Row>

/** The word of one member. */
export interface Row {
  /** When it said so, by its own clock: of two words the later one counts. */
  readonly at: number
  /** Up to which promise of each member, of itself as well, it has everything. */
  readonly has: ReadonlyMap<string, number>
  /** Whether it knows somebody who gives no word, so that nobody may forget anything. */
  readonly waits: boolean
}

/** A claim as it is written in a frame, with each name once. */
export interface WrittenClaim {
  readonly floor: number
  readonly ids: readonly string[]
  /** For each id: when, whether it waits (0, 1), and what it has of each id; -1 where it does not know it. */
  readonly rows: readonly (readonly number[])[]
  /** Ids of those who were given up last, and when each had spoken. */
  readonly gone: readonly string[]
  readonly goneAt: readonly number[]
}

/** More instances than these forget nothing. */
export const MAX_MEMBERS = 64

/** Of more who were given up the last ones are told. */
const MAX_GONE = 4 * MAX_MEMBERS
const UNKNOWN = -1

export const claimSchema = {
  type: 'object',
  required: ['floor', 'ids', 'rows', 'gone', 'goneAt'],
  properties: {
    floor: { type: 'integer', minimum: 0 },
    ids: { type: 'array', maxItems: 4 * MAX_MEMBERS, items: { type: 'string', maxLength: 128 } },
    rows: {
      type: 'array',
      maxItems: MAX_MEMBERS,
      items: { type: 'array', maxItems: 4 * MAX_MEMBERS + 2, items: { type: 'integer', minimum: UNKNOWN } },
    },
    gone: { type: 'array', maxItems: MAX_GONE, items: { type: 'string', maxLength: 128 } },
    goneAt: { type: 'array', maxItems: MAX_GONE, items: { type: 'integer', minimum: 0 } },
  },
} as const

/** Members stand in front; whoever is only known by the words of others stands behind them. */
export function writeClaim({ floor, rows, gone }: Claim): WrittenClaim {
  const last = [...gone].slice(-MAX_GONE)
  const ids = [...new Set([...rows.keys(), ...[...rows.values()].flatMap(({ has }) => [...has.keys()])])]
  return {
    floor,
    ids,
    rows: [...rows.values()].map(({ at, has, waits }) => {
      return [at, waits ? 1 : 0, ...ids.map((id) => has.get(id) ?? UNKNOWN)]
    }),
    gone: last.map(([id]) => id),
    goneAt: last.map(([, at]) => at),
  }
}

export function readClaim({ floor, ids, rows, gone, goneAt }: WrittenClaim): Claim {
  const read = rows.slice(0, ids.length).map(([at = 0, waits = 0, ...has], index): [string, Row] => {
    const known = ids.flatMap((id, place): [string, number][] => {
      const time = has[place] ?? UNKNOWN
      return time === UNKNOWN ? [] : [[id, time]]
    })
    return [ids[index] as string, { at, waits: waits === 1, has: new Map(known) }]
  })
  return { floor, rows: new Map(read), gone: new Map(gone.map((id, place) => [id, goneAt[place] ?? 0])) }
}

/** Up to when a member has everything that any member that it knows will ever bring. */
export function completeUpTo({ has }: Row): number {
  return Math.min(...has.values())
}
