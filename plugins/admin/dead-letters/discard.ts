import type { DeadLetterFilter, DeadLetterId, Kernel } from '../../../core/index.ts'

/** Dead letters that one request discards at most. */
const MAX_SELECTED = 10_000
/** So many are discarded at once, and then the traffic has its turn, for that many milliseconds. */
const CHUNK = 250
const PAUSE_MS = 10

/** What a request discards, decided before it does. */
export interface Selection {
  /** Oldest first. */
  readonly ids: readonly DeadLetterId[]
  /** How many match beyond these. */
  readonly more: number
}

/** Those that match now: what dies while they are discarded, even of the same message, is not among them. */
export async function select({ deadLetters }: Kernel, filter: DeadLetterFilter): Promise<Selection> {
  const { total, items } = await deadLetters.list(filter, { limit: MAX_SELECTED })
  return { ids: items.map(({ id }) => id), more: total - items.length }
}

/**
 * Forgets them for good, a chunk at a time, until the bus goes down. Resolves to how many there were, and logs that, also
 * when it could not be brought to its end.
 */
export async function discardInChunks(kernel: Kernel, { ids }: Selection): Promise<number> {
  let count = 0
  try {
    for (let place = 0; place < ids.length && !kernel.draining; place += CHUNK) {
      if (place > 0) await pause(kernel)
      count += await kernel.deadLetters.discard(ids.slice(place, place + CHUNK))
    }
    return count
  } finally {
    kernel.log.message('dead letters discarded', { count })
  }
}

function pause({ runtime }: Kernel): Promise<void> {
  return new Promise((resolve) => runtime.after(PAUSE_MS, resolve))
}
