import type { Runtime } from '../../core/index.ts'
import type { World } from './world.ts'

/** 2026-01-01: stamps look like real ones. */
export const EPOCH_MS = Date.UTC(2026, 0, 1)
/** How long a turn of an event loop may take, in milliseconds. */
export const MAX_TURN_MS = 0.5
/** No timer of Node is shorter; and time must pass, however small the rest that a calculation leaves. */
const MIN_TIMER_MS = 1

/** The runtime of one life of one instance. */
export interface SimulatedRuntime extends Runtime {
  /** The process is gone: nothing that it had planned happens any more. */
  halt(): void
  readonly halted: boolean
}

/** @param clock what the wall clock of this machine shows */
export function simulatedRuntime(world: World, owner: string, clock: () => number): SimulatedRuntime {
  const random = world.random.fork()
  const bornAt = world.now
  let halted = false
  const after = (milliseconds: number, what: string, task: () => void) =>
    world.after(milliseconds, `${owner} ${what}`, () => {
      if (!halted) task()
    })
  return {
    now: clock,
    monotonic: () => world.now - bornAt,
    random: () => random.next(),
    id: () => world.id(),
    after: (milliseconds, task) =>
      after(Math.max(MIN_TIMER_MS, milliseconds), `timer ${milliseconds.toFixed(0)} ms`, task),
    defer: (task) => void after(random.between(0, MAX_TURN_MS), 'turn', task),
    halt() {
      halted = true
    },
    get halted() {
      return halted
    },
  }
}
