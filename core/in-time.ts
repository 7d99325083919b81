import type { Runtime, Timer } from './runtime/runtime.ts'

/** What a promise resolves to; false when it has not within that time, in milliseconds. */
export async function inTime(runtime: Runtime, promise: Promise<boolean>, withinMs: number): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = runtime.after(withinMs, () => resolve(false))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    timer?.cancel()
  }
}
