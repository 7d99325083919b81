import type { Registry } from 'prom-client'
import type { Kernel } from '../../../core/index.ts'
import { gauge, single } from './series.ts'

/** The figures of the store: those that every store has, and those of this kind alone, under their own names. */
export function measureStore({ hooks, storeStatistics }: Kernel, registry: Registry): void {
  gauge(registry, { name: 'store_messages', help: 'Messages in the store.' }, () => single(storeStatistics().messages))
  const pending = 'Deliveries in the store that are not settled.'
  gauge(registry, { name: 'store_pending', help: pending }, () => single(storeStatistics().pending))
  const waiting = 'Messages that are on disk and wait for their notBefore.'
  gauge(registry, { name: 'scheduled_messages', help: waiting }, () => single(storeStatistics().scheduled))
  gauge(registry, { name: 'store_bytes', help: 'Size of the store.' }, () => single(storeStatistics().bytes))
  const used = 'What is in use of the store: its size without room that is free for new messages.'
  gauge(registry, { name: 'store_used_bytes', help: used }, () => single(storeStatistics().usedBytes))
  const capacity = 'How far store_used_bytes can grow, by the limit of the store and the room on its disk.'
  gauge(registry, { name: 'store_capacity_bytes', help: capacity }, () => {
    const { capacityBytes } = storeStatistics()
    return capacityBytes === undefined ? [] : single(capacityBytes)
  })
  // Which figures a store has beside is known once it is open.
  hooks.start.tap(() => {
    for (const name of Object.keys(storeStatistics().extra ?? {})) {
      const help = `Figure "${name}" of the store.`
      gauge(registry, { name: `store_${name}`, help }, () => single(storeStatistics().extra?.[name] ?? 0))
    }
  })
}
