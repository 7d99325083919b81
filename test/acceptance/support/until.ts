import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 50

/** Waits until the condition holds, and fails with `what` when it does not within the time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await pause(POLL_MS)
  }
}
