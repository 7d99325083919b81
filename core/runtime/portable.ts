import type { Runtime } from './runtime.ts'
import { timeOrderedId } from './time-ordered-id.ts'

/** Clock, chance and event loop of whatever runs this: Node, Bun or a browser. */
export const portableRuntime: Runtime = Object.freeze({
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  id: () => timeOrderedId(Date.now()),
  after(milliseconds: number, task: () => void) {
    const timer = setTimeout(task, milliseconds)
    return { cancel: () => clearTimeout(timer) }
  },
  defer(task: () => void) {
    // A browser has no end of a turn to wait for, and its timers come late.
    if (typeof setImmediate === 'function') setImmediate(task)
    else void Promise.resolve().then(task)
  },
})
