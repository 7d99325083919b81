import { type StateUnderTest, stateSuite } from '../../core/testing/state-suite.ts'
import { MemoryState } from '../../plugins/state/memory.ts'

describe('state memory', () => {
  for (const { name, run } of stateSuite(memoryUnderTest)) it(name, run)
})

function memoryUnderTest(): StateUnderTest {
  const backend = new MemoryState()
  return { instance: () => backend, destroy: async () => {} }
}
