import type { Link, Runtime } from '../../../core/index.ts'

/** While as much waits on the link, or so many messages are in flight, live traffic goes first. */
const MAX_BUFFERED_BYTES = 256 * 1024
const MAX_IN_FLIGHT = 32
const LOOK_AGAIN_MS = 20
/** So long at most: on a link that is always busy, comparing gets its turn too. */
const MAX_PATIENCE_MS = 1_000

/**
 * Resolves when the link is not busy with live traffic, or when that takes too long, or when nobody waits any more. So a link that
 * is always busy carries one question a second and one answer; one that is not, as many as the two ends can handle, one after
 * the other.
 */
export async function untilThereIsRoom(link: Link, runtime: Runtime, isOver: () => boolean): Promise<void> {
  const since = runtime.monotonic()
  while (isBusy(link) && !isOver() && runtime.monotonic() - since < MAX_PATIENCE_MS) {
    await new Promise<void>((resolve) => runtime.after(LOOK_AGAIN_MS, resolve))
  }
}

function isBusy({ connection, recipient }: Link): boolean {
  return connection.bufferedBytes > MAX_BUFFERED_BYTES || (recipient?.inFlight ?? 0) >= MAX_IN_FLIGHT
}
