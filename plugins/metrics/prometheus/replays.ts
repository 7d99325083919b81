import type { Registry } from 'prom-client'
import type { Kernel } from '../../../core/index.ts'
import type { Replays } from '../../delivery/replay.ts'
import { counter, gauge, single } from './series.ts'

const NONE: Replays['figures'] = Object.freeze({ waiting: 0, running: 0, replayed: 0 })

/** Jobs that deliver dead letters again. What of that dies anew is among `dead_letters_total`. */
export function measureReplays({ find }: Kernel, registry: Registry): void {
  // Whether its plugin is loaded is known once all have been applied.
  const figures = () => find('replays')?.figures ?? NONE
  const jobs = 'Replay jobs that have not ended: one runs at a time.'
  gauge(registry, { name: 'replay_jobs', help: jobs, labels: ['state'] }, () => {
    const { waiting, running } = figures()
    return Object.entries({ waiting, running }).map(([state, value]) => ({ labels: { state }, value }))
  })
  const replayed = 'Dead letters that were delivered again.'
  counter(registry, { name: 'dead_letters_replayed_total', help: replayed }, () => single(figures().replayed))
}
