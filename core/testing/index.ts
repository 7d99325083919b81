/** What authors of plugins test with. It brings no test runner: use it in any. */
export { type ConvergingTypes, convergenceSuite } from './convergence-suite.ts'
export { type DedupCase, type DedupUnderTest, dedupSuite } from './dedup-suite.ts'
export { ManualRuntime, type ManualRuntimeOptions } from './manual-runtime.ts'
export { messageMaker, type TestMessage } from './messages.ts'
export { Replica, type Written, written } from './replica.ts'
export { type StateCase, type StateUnderTest, stateSuite } from './state-suite.ts'
export { type StoreCase, type StoreUnderTest, storeSuite } from './store-suite.ts'
