import { absenceCases } from './store-cases/absence.ts'
import { collapsingCases } from './store-cases/collapsing.ts'
import { deadLetterCases } from './store-cases/dead-letters.ts'
import { executionCases } from './store-cases/executions.ts'
import { failureCases } from './store-cases/failures.ts'
import { ledgerCases } from './store-cases/ledger.ts'
import { openingCases } from './store-cases/opening.ts'
import { priorityCases } from './store-cases/priorities.ts'
import { purgingCases } from './store-cases/purging.ts'
import { readingCases } from './store-cases/reading.ts'
import { recipientCases } from './store-cases/recipients.ts'
import { repetitionCases } from './store-cases/repetition.ts'
import { replayCases } from './store-cases/replays.ts'
import { schedulingCases } from './store-cases/scheduling.ts'
import { sheddingCases } from './store-cases/shedding.ts'
import { writingCases } from './store-cases/writing.ts'
import { type StoreCase, type StoreUnderTest, storeCases } from './store-trial.ts'

export type { StoreCase, StoreUnderTest } from './store-trial.ts'

/**
 * What every store must hold: a case for each sentence of the contract in `core/store.ts`. It brings no test runner:
 *
 *     for (const { name, run } of storeSuite(makeStore)) it(name, run)
 *
 * `makeStore` is called once a case, for data of its own.
 */
export function storeSuite(makeStore: () => StoreUnderTest): readonly StoreCase[] {
  return storeCases(makeStore, {
    ...openingCases,
    ...writingCases,
    ...repetitionCases,
    ...schedulingCases,
    ...readingCases,
    ...priorityCases,
    ...recipientCases,
    ...absenceCases,
    ...collapsingCases,
    ...failureCases,
    ...deadLetterCases,
    ...replayCases,
    ...executionCases,
    ...purgingCases,
    ...sheddingCases,
    ...ledgerCases,
  })
}
