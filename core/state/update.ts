import { slipstreamError } from '../errors.ts'
import type { StateBackend, StateEntry, StateKey } from '../state.ts'
import { isSameEntry } from './join.ts'

/** How often a change is tried anew when somebody else has changed the entry meanwhile. */
const MAX_TRIES = 16

/**
 * Changes the entry of a key by what it is: compare and set, tried again when somebody was quicker. Resolves to whether the
 * entry is another one now; `change` may be called several times. Rejects with `SLP_STATE_CONTENDED` after 16 tries.
 */
export async function update(
  backend: StateBackend,
  key: StateKey,
  change: (current: StateEntry | undefined) => StateEntry | undefined,
): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const [current] = await backend.read([key])
    const next = change(current)
    if (!next || isSameEntry(current, next)) return false
    if (await backend.swap(current, next)) return true
  }
  throw slipstreamError('SLP_STATE_CONTENDED', [MAX_TRIES])
}
