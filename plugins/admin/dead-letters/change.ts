import type { DeadLetterFilter, DeadLetterId, Kernel } from '../../../core/index.ts'

/** Dead letters that one request changes at most. */
const MAX_SELECTED = 10_000
/** So many are changed at once, and then the traffic has its turn, for that many milliseconds. */
const CHUNK = 250
const PAUSE_MS = 10

/** What a request changes, decided before it changes anything. */
export interface Selection {
  /** Oldest first. */
  readonly ids: readonly DeadLetterId[]
  /** How many match beyond these. */
  readonly more: number
}

/** Those that match now: what dies while they are changed, even of the same message, is not among them. */
export async function select({ deadLetters }: Kernel, filter: DeadLetterFilter): Promise<Selection> {
  const { total, items } = await deadLetters.list(filter, { limit: MAX_SELECTED })
  return { ids: items.map(({ id }) => id), more: total - items.length }
}

export interface Change {
  /** As the log calls it when it is done. */
  readonly event: string
  /** Resolves to how many of them it changed. */
  apply(ids: readonly DeadLetterId[]): Promise<number>
}

/**
 * Changes them a chunk at a time, until the bus goes down. Resolves to how many were changed, and logs that, also when it
 * could not be brought to its end.
 */
export async function applyInChunks(kernel: Kernel, { ids }: Selection, change: Change): Promise<number> {
  let count = 0
  try {
    for (let place = 0; place < ids.length && !kernel.draining; place += CHUNK) {
      if (place > 0) await pause(kernel)
      count += await change.apply(ids.slice(place, place + CHUNK))
    }
    return count
  } finally {
    kernel.log.message(change.event, { count })
  }
}

function pause({ runtime }: Kernel): Promise<void> {
  return new Promise((resolve) => runtime.after(PAUSE_MS, resolve))
}
