import type { Registry } from 'prom-client'
import type { Kernel } from '../../../core/index.ts'
import type { CatchUpFigures } from '../../state/catch-up/index.ts'
import { counter, gauge, single } from './series.ts'

const NONE: CatchUpFigures = Object.freeze({
  received: 0,
  applied: 0,
  sent: 0,
  dropped: 0,
  tooLarge: 0,
  bytes: 0,
  running: 0,
  completed: 0,
  failed: 0,
})

/** What instances give each other of the state beside live traffic. */
export function measureCatchUp({ find, recipients, runtime }: Kernel, registry: Registry): void {
  // Whether its plugin is loaded is known once all have been applied.
  const figures = () => find('catchUp')?.figures ?? NONE
  const running = 'Sessions of catching up that this instance began and that are not over.'
  gauge(registry, { name: 'catch_up_running', help: running }, () => single(figures().running))
  const sessions = 'Sessions of catching up that this instance began and that are over, by how they ended.'
  counter(registry, { name: 'catch_up_sessions_total', help: sessions, labels: ['result'] }, () => {
    const { completed, failed } = figures()
    return Object.entries({ completed, failed }).map(([result, value]) => ({ labels: { result }, value }))
  })
  const entries = 'Keys of the state that were received from others, or sent to them, because one side lacked them.'
  counter(registry, { name: 'catch_up_keys_total', help: entries, labels: ['direction'] }, () => {
    const { received, sent } = figures()
    return Object.entries({ received, sent }).map(([direction, value]) => ({ labels: { direction }, value }))
  })
  const dropped =
    'Keys of which something old was dropped here, for others may have deleted it while this instance was away.'
  counter(registry, { name: 'catch_up_dropped_total', help: dropped }, () => single(figures().dropped))
  const tooLarge = 'Keys that cannot be caught up, because their value does not fit into a frame.'
  counter(registry, { name: 'catch_up_too_large_total', help: tooLarge }, () => single(figures().tooLarge))
  const bytes = 'Bytes of questions and answers of the sessions that this instance began.'
  counter(registry, { name: 'catch_up_bytes_total', help: bytes }, () => single(figures().bytes))
  const tombstones = () => find('catchUp')?.tombstones
  const members = 'Instances that hold the state, as far as is known here, this one among them.'
  gauge(registry, { name: 'state_members', help: members }, () => single(tombstones()?.members ?? 0))
  const purged = 'Keys of which something deleted was forgotten, because all instances have it.'
  counter(registry, { name: 'state_tombstones_purged_total', help: purged }, () => single(tombstones()?.purged ?? 0))
  const floor = 'How old a deletion is at least that may be forgotten; nothing as long as none may.'
  gauge(registry, { name: 'state_tombstone_floor_age_seconds', help: floor }, () => {
    const at = tombstones()?.floor
    return at === undefined ? [] : single((runtime.now() - at) / 1_000)
  })
  const age = 'Seconds since the last completed session with each instance.'
  gauge(registry, { name: 'catch_up_age_seconds', help: age, labels: ['recipient'] }, () =>
    recipients().flatMap(({ name }) => {
      const at = find('catchUp')?.completedAt(name)
      return at === undefined ? [] : [{ labels: { recipient: name }, value: (runtime.now() - at) / 1_000 }]
    }),
  )
}
