import { type Runtime, systemRuntime } from '../../core/index.ts'
import { ManualRuntime } from '../core/manual-runtime.ts'

/** A runtime whose time passes when the test says so; its turns are those of the real event loop, so that sockets work. */
export function steppedTime() {
  const manual = new ManualRuntime()
  const { now, monotonic, after } = manual
  const runtime: Runtime = { ...systemRuntime, now, monotonic, after }
  return {
    runtime,
    pass: (milliseconds: number) => manual.advance(milliseconds),
    /** How long each timer that is set has still to wait, in milliseconds. */
    timers: () => manual.timers,
  }
}
