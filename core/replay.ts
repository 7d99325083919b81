import type { DeadLetterFilter, DeadLetterId, RecipientKey } from './store.ts'

export type ReplayId = number

/**
 * What is asked for, and what came of it: dead letters that are made deliveries again. Of those that it selected, some are
 * replayed, some skipped, and the rest are still to come; or, once it has ended, are dead letters like any other.
 */
export interface ReplayJob {
  readonly id: ReplayId
  /** In milliseconds since the epoch. */
  readonly createdAt: number
  /** Who asked for it: `operator`, or a plugin's name. */
  readonly by: string
  /** What had to hold of a dead letter, when the job was made, for it to be selected. */
  readonly filter: DeadLetterFilter
  readonly perSecond: number
  /** With more failures than that it ends. */
  readonly maxFailures: number
  /** How many dead letters it selected. */
  readonly total: number
  /** How many of them became deliveries again. */
  readonly replayed: number
  /** How many of these have died again by now, also after its end. */
  readonly failed: number
  /** How many of these came too late by now: applied here, they were older than what is there, and changed nothing. */
  readonly superseded: number
  /** How many there was nothing to deliver of: gone, altered on disk, for a recipient that is forgotten or has it waiting. */
  readonly skipped: number
  readonly state: ReplayState
  /** Why it ended before it was done, with the remedy. */
  readonly reason: string | undefined
  /** In milliseconds since the epoch. */
  readonly endedAt: number | undefined
}

/** `waiting` until the first of them is revived, then `running`, and once: `done`, `stopped` by itself, or `cancelled`. */
export type ReplayState = 'waiting' | 'running' | 'done' | ReplayEnding['state']

/** How a job ends before it is done. */
export interface ReplayEnding {
  readonly state: 'stopped' | 'cancelled'
  readonly reason: string
}

export interface ReplayOrder extends Pick<ReplayJob, 'by' | 'filter' | 'perSecond'> {
  /** Dead letters that it selects at most. */
  readonly limit: number
  /** How many failures it bears, told how many it has selected. */
  maxFailures(total: number): number
}

export interface FrozenReplay {
  readonly job: ReplayJob
  /** How many match beyond those that it selected, and belong to no other job. */
  readonly more: number
}

/** A dead letter that a job has selected. */
export interface SelectedLetter {
  readonly id: DeadLetterId
  readonly recipient: RecipientKey
  /** Undefined for the summary of a forgotten recipient. */
  readonly seq: number | undefined
}

export function isUnfinished({ state }: Pick<ReplayJob, 'state'>): boolean {
  return state === 'waiting' || state === 'running'
}
