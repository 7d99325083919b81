import type { Attempts, RecipientKey } from '../../core/index.ts'

/** What one instance durably knows, kept beside its disk by somebody who makes no mistakes. */
export interface HostFacts {
  /** Which of its lives this is: a crash ends one. */
  life: number
  /** Place of each copy that is on its disk. */
  readonly seqs: Map<string, number>
  /** The copies that it has of each message, the first one first. */
  readonly copies: Map<string, readonly string[]>
  /** Messages that are on its disk and wait for their time. */
  readonly scheduled: Set<string>
  readonly paths: Map<string, readonly string[]>
  /** The last stamp that it gave to a message on its disk. */
  lastStamp: string
  readonly names: Map<RecipientKey, string>
  /** Deliveries that are not settled: by recipient, the copy at each place. */
  readonly waiting: Map<RecipientKey, Map<number, string>>
  /** Deliveries of which it is on disk that they are done. */
  readonly settled: Set<string>
  /** Deliveries of which it is on disk that they are dead letters. */
  readonly dead: Set<string>
  /** How often a delivery of it died. */
  deaths: number
  /** Failures of deliveries that are counted on disk. */
  readonly attempts: Map<string, Attempts>
  /** In which of its lives it has applied each copy. */
  readonly applied: Map<string, Set<number>>
}

export function emptyFacts(): HostFacts {
  return {
    life: 0,
    seqs: new Map(),
    copies: new Map(),
    scheduled: new Set(),
    paths: new Map(),
    lastStamp: '',
    names: new Map(),
    waiting: new Map(),
    settled: new Set(),
    dead: new Set(),
    deaths: 0,
    attempts: new Map(),
    applied: new Map(),
  }
}
