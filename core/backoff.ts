/** The longest delay between two attempts, in milliseconds (§6 of the protocol). */
const MAX_DELAY_MS = 60_000

/**
 * How long to wait before the next attempt: the first delay, doubled with each failure up to a minute, half of it by
 * chance so that what failed together does not come back together (equal jitter).
 *
 * @param random a number in [0, 1)
 */
export function backoff(failures: number, firstDelayMs: number, random: number): number {
  const full = Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** Math.max(0, failures - 1))
  return full / 2 + (full / 2) * random
}
