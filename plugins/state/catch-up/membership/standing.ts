import type { Claim } from './claim.ts'

/**
 * What an instance has to drop before it is one of the others (again).
 *
 * `member`: nothing. `newcomer`, who was never one of them or begins anew: what it remembers of things gone from before `bound`,
 * for they count on nothing like it; its values are as good as theirs. `returning`, who was away while others may have forgotten
 * what was deleted: whatever it has from before `bound` and they have not.
 */
export interface Standing {
  readonly kind: 'member' | 'newcomer' | 'returning'
  /** In milliseconds since the epoch. */
  readonly bound: number
}

export const MEMBER: Standing = Object.freeze({ kind: 'member', bound: 0 })

/** Another instance, by what it says. */
export interface Word {
  readonly claim: Claim
  /** Whether it has given this instance up. */
  readonly away: boolean
}
