import type { Random } from './random.ts'

const HOUR_MS = 3_600_000
const MINUTES_MS = 300_000

/** What a run with state draws beside everything else. */
export interface StatePlan {
  /** Instances that keep state; the others only store and send on. */
  readonly keepers: ReadonlySet<string>
  /** Instances lose what they had on disk, in moments in which others have all of it. */
  readonly wipes: boolean
  /** Some writes have a version that their publisher gave. */
  readonly versions: boolean
  /** Some writes are published at a second instance as well, which stamps them anew. */
  readonly twins: boolean
  /** Applications ask for keys. */
  readonly asks: boolean
  /** State cannot be written or read now and then. */
  readonly fails: boolean
  /** By how much a clock may be astray, and a publisher's version off, in milliseconds. */
  readonly farMs: number
  /** Whether what was deleted is forgotten after a while; then the run goes on until that has happened. */
  readonly forgets: boolean
}

export function drawState(names: readonly string[], random: Random, forgets: boolean): StatePlan {
  const mostly = () => random.chance(0.6)
  const all = random.chance(0.5)
  const keepers = names.filter(() => all || random.chance(0.75))
  const plan = {
    keepers: new Set(keepers.length > 0 ? keepers : names),
    wipes: random.chance(0.4),
    versions: mostly(),
    twins: mostly(),
    asks: mostly(),
    fails: random.chance(0.3),
    farMs: random.chance(0.2) ? HOUR_MS : MINUTES_MS,
    forgets,
  }
  // What is older than what is forgotten is too late, wherever it comes: that is of another run.
  return forgets ? { ...plan, keepers: new Set(names), farMs: MINUTES_MS } : plan
}

/** Any shape in which all are linked: some way to each, and as many links beside these as there may be. */
export function tangle(names: readonly string[], random: Random): readonly (readonly [string, string])[] {
  const edges = names.slice(1).map((name, place) => [names[random.integer(0, place)] as string, name] as const)
  const drawn = new Set(edges.map(String))
  const density = random.pick([0, 0.2, 0.5, 1])
  for (const [place, one] of names.entries()) {
    for (const other of names.slice(place + 1)) {
      if (!drawn.has(String([one, other])) && random.chance(density)) edges.push([one, other] as const)
    }
  }
  return edges
}
