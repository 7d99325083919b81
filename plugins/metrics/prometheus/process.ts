import { collectDefaultMetrics, Registry } from 'prom-client'

/**
 * The process has these once, however many buses live in it, and prom-client cannot stop what it starts for them (a
 * monitor of the event loop, an observer of garbage collection). So they are shared, from the first request on.
 */
let shared: Registry | undefined

/** Figures of the process and its event loop, as text. */
export async function processMetrics(): Promise<string> {
  if (!shared) {
    shared = new Registry()
    collectDefaultMetrics({ register: shared })
  }
  return shared.metrics()
}
