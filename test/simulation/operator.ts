import type { Plugin } from '../../core/index.ts'
import type { Faults } from './plan.ts'
import type { World } from './world.ts'

const MOST_OFTEN_MS = 500
const LEAST_OFTEN_MS = 15_000

/** Somebody who replays dead letters at an instance, more often than is good, and now and then changes their mind. */
export function operator(
  world: World,
  host: string,
  { replays }: Pick<Faults, 'replays'>,
  active: () => boolean,
): Plugin {
  const random = world.random.fork()
  return {
    name: 'operator',
    requires: ['replay'],
    apply(kernel) {
      const service = kernel.use('replays')

      async function act(): Promise<void> {
        const perSecond = random.pick([1, 10, 1_000])
        const maxFailures = random.pick([undefined, 0, 100])
        const { job } = await service.start({ by: host, filter: {}, perSecond, maxFailures })
        world.note(`${host} replays ${job.total}`)
        if (random.chance(0.2)) await service.cancel(job.id, host)
      }

      function actLater(): void {
        kernel.runtime.after(random.between(MOST_OFTEN_MS, LEAST_OFTEN_MS), () => {
          if (!active()) return
          act().catch((error: Error) => world.note(`${host} cannot replay: ${error.message}`))
          actLater()
        })
      }

      kernel.hooks.ready.tap(() => {
        if (replays) actLater()
      })
    },
  }
}
