import { ManualRuntime } from '../../core/testing/manual-runtime.ts'

/** A clock that a test moves, and an event loop that goes on by itself. */
export class PromptRuntime extends ManualRuntime {
  override defer(task: () => void): void {
    setImmediate(task)
  }
}
