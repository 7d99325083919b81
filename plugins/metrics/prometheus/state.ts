import type { Registry } from 'prom-client'
import type { Kernel, StateStatistics } from '../../../core/index.ts'
import { counter, gauge, single } from './series.ts'
import { Tally } from './tally.ts'

const NOTHING: StateStatistics = Object.freeze({ keys: 0, tombstones: 0, bytes: 0 })

/** What is applied here, and what has become of it. */
export function measureState(kernel: Kernel, registry: Registry): void {
  const applied = new Tally(kernel.messageTypes)
  const superseded = new Tally(kernel.messageTypes)
  kernel.hooks.applied.tap(({ type, messages, superseded: late }) => {
    applied.add(type, messages.length - late.size)
    superseded.add(type, late.size)
  })
  const help =
    'Messages for this instance that were handled, by type and outcome; "superseded" came late and changed nothing.'
  counter(registry, { name: 'applied_total', help, labels: ['type', 'outcome'] }, () => [
    ...applied.samples('type', { outcome: 'applied' }),
    ...superseded.samples('type', { outcome: 'superseded' }),
  ])
  const figures = () => kernel.state?.statistics() ?? NOTHING
  const keys = 'Keys of the state that have a value, or a member at least.'
  gauge(registry, { name: 'state_keys', help: keys }, () => single(figures().keys))
  const tombstones = 'Deleted keys and removed members that are remembered, so that no older write brings them back.'
  gauge(registry, { name: 'state_tombstones', help: tombstones }, () => single(figures().tombstones))
  const bytes = 'Size of the keys and values of the state, about.'
  gauge(registry, { name: 'state_bytes', help: bytes }, () => single(figures().bytes))
}
