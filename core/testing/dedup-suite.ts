import { claimingCases } from './dedup-cases/claiming.ts'
import { confirmingCases } from './dedup-cases/confirming.ts'
import { leasingCases } from './dedup-cases/leasing.ts'
import { type DedupCase, type DedupUnderTest, dedupCases } from './dedup-trial.ts'

export type { DedupCase, DedupUnderTest } from './dedup-trial.ts'

/**
 * What every backend of a deduplicator must hold: a case for each sentence of the contract in `core/dedup.ts`. It brings no
 * test runner:
 *
 *     for (const { name, run } of dedupSuite(makeBackend)) it(name, run)
 *
 * `makeBackend` is called once a case, for data of its own.
 */
export function dedupSuite(makeBackend: () => DedupUnderTest): readonly DedupCase[] {
  return dedupCases(makeBackend, { ...claimingCases, ...confirmingCases, ...leasingCases })
}
