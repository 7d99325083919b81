import { comparingCases } from './state-cases/comparing.ts'
import { convergingCases } from './state-cases/converging.ts'
import { joiningCases } from './state-cases/joining.ts'
import { swappingCases } from './state-cases/swapping.ts'
import { type StateCase, type StateUnderTest, stateCases } from './state-trial.ts'

export type { StateCase, StateUnderTest } from './state-trial.ts'

/**
 * What every state backend must hold: a case for each sentence of the contract in `core/state.ts`. It brings no test
 * runner:
 *
 *     for (const { name, run } of stateSuite(makeState)) it(name, run)
 *
 * `makeState` is called once a case, for data of its own.
 */
export function stateSuite(makeState: () => StateUnderTest): readonly StateCase[] {
  return stateCases(makeState, { ...joiningCases, ...convergingCases, ...swappingCases, ...comparingCases })
}
