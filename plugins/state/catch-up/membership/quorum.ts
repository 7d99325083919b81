/** How somebody became a member. */
export interface Admission {
  /** What was forgotten here then: it brings no deletion from before that. */
  readonly floor: number
  /** When that was, by the clock here. */
  readonly at: number
  /** Whether it had been one before, and had lost that. */
  readonly isAnew: boolean
  /** Whether it is only known by the words of others. */
  readonly isUnheard: boolean
}

/**
 * Whether somebody who is silent may be given up: by the greater part of all, or the half with the smallest name, so that of two
 * parts that cannot see each other one goes on, and the other one returns.
 *
 * Whoever came later knows nothing of whether the silent one has given up others before: it does not count. Whoever has lost what
 * it knew counts against it, for it may have been on the other side. Nobody is given up who was never heard.
 */
export function mayGiveUp({
  id,
  lastSeen,
  members,
  absent,
}: {
  readonly id: string
  readonly lastSeen: number
  /** How each became a member; undefined for whoever asks. */
  readonly members: ReadonlyMap<string, Admission | undefined>
  readonly absent: ReadonlySet<string>
}): boolean {
  if (members.get(id)?.isUnheard) return false
  const wasThere = (admission: Admission | undefined) => (admission?.at ?? 0) <= lastSeen
  const all = [...members].filter(([, admission]) => wasThere(admission) || admission?.isAnew).sort(byName)
  const present = all.filter(([name, admission]) => wasThere(admission) && !absent.has(name))
  const rest = all.length - present.length
  return present.length > rest || (present.length === rest && present[0] === all[0])
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}
