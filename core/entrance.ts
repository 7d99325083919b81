import type { Clocks } from './clocks.ts'
import type { GroupCommit } from './group-commit.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Received } from './protocol/received.ts'
import type { StoreHealth } from './store-health.ts'

export interface EntranceContext {
  readonly group: GroupCommit
  readonly clocks: Clocks
  readonly storeHealth: StoreHealth
  readonly draining: () => boolean
}

const SHUTTING_DOWN = 'shutting down; publish again later, or at another instance'
const STORE_UNAVAILABLE = 'the store takes nothing at the moment; publish again later with the same id, or elsewhere'

/** Whether there is room for a message now, and, if it has not entered the mesh yet, whether it may do so here. */
export class Entrance {
  readonly #context: EntranceContext

  constructor(context: EntranceContext) {
    this.#context = context
  }

  /** Throws a `ProtocolFault` that tells the sender to come again later. */
  assertOpen({ sender, entersHere }: Received): void {
    const { group, clocks, storeHealth, draining } = this.#context
    group.assertRoom(sender)
    if (!entersHere) return
    if (sender.role === 'client') clocks.assertAgree()
    if (draining()) throw new ProtocolFault('BUSY', SHUTTING_DOWN)
    // Asked last: one that is admitted may be the trial by which it is noticed that there is room again.
    if (!storeHealth.admits()) throw new ProtocolFault('STORE_UNAVAILABLE', STORE_UNAVAILABLE)
  }
}
