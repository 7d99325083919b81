import type { DueCause } from './events.ts'
import type { Attempts } from './store.ts'

/** The attempts of a delivery with what has just happened. */
export function counted(attempts: Attempts, sends: number, cause: DueCause): Attempts {
  return {
    sends: attempts.sends + sends,
    nacks: attempts.nacks + (cause === 'nack' || cause === 'rejection' ? 1 : 0),
    timeouts: attempts.timeouts + (cause === 'timeout' ? 1 : 0),
    disconnects: attempts.disconnects + (cause === 'disconnect' ? 1 : 0),
  }
}
