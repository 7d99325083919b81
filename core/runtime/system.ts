import { performance } from 'node:perf_hooks'
import { uuidv7 } from 'uuidv7'
import type { Runtime } from './runtime.ts'

/** The machine's own clock, chance and event loop. */
export const systemRuntime: Runtime = Object.freeze({
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  id: uuidv7,
  after(milliseconds: number, task: () => void) {
    const timer = setTimeout(task, milliseconds)
    return { cancel: () => clearTimeout(timer) }
  },
  defer(task: () => void) {
    setImmediate(task)
  },
})
