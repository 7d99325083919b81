import type { Death } from '../../core/index.ts'

/** The rules of §6 of the protocol, with default settings. */
const MAX_FAILURES = 3
const POISON_DISCONNECTS = 20

/** What is known of a delivery that its host gives up. */
export interface Circumstances {
  /** What the wall clock of the host says. */
  readonly now: number
  readonly expiresAt: number | undefined
  /** How often its recipient has refused it for now, and whether it has for good. */
  readonly refusals: number
  readonly isRejected: boolean
}

/** Whether a delivery may die for the reason that is given. */
export function isLegal({ reason, attempts }: Death, { now, expiresAt, refusals, isRejected }: Circumstances): boolean {
  const { nacks, timeouts, disconnects } = attempts
  if (reason === 'EXPIRED') return expiresAt !== undefined && expiresAt <= now
  if (reason === 'REJECTED') return isRejected
  if (reason === 'POISON') return disconnects >= POISON_DISCONNECTS
  if (reason !== 'ATTEMPTS_EXHAUSTED') return false
  return nacks + timeouts > MAX_FAILURES && nacks <= refusals
}
