import { Histogram, type Registry } from 'prom-client'
import type { Kernel } from '../../../core/index.ts'
import { ENDINGS, type EndedCommand } from '../../messages/cmd.ts'
import { counter } from './series.ts'
import { Tally } from './tally.ts'

/** Seconds, from a look at a figure to the longest that a handler may take. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 600]
/** Any name that nobody has registered. */
const OTHER = 'other'

/** Commands that have ended here, by what came of them. */
export function measureCommands({ find, hooks }: Kernel, registry: Registry): void {
  const ended = new Map(ENDINGS.map((ending) => [ending, new Tally(() => find('commands')?.names() ?? [])]))
  const seconds = new Histogram({
    name: 'slipstream_command_seconds',
    help: 'How long the handlers of commands took.',
    buckets: BUCKETS,
    registers: [registry],
  })
  // Whether its plugin is loaded is known once all have been applied.
  hooks.start.tap(() =>
    find('commands')?.watch(({ command = OTHER, ending, milliseconds }: EndedCommand) => {
      ended.get(ending)?.add(command)
      if (milliseconds !== undefined) seconds.observe(milliseconds / 1_000)
    }),
  )
  const help = 'Commands that have ended here, run or not, by what came of them.'
  counter(registry, { name: 'commands_total', help, labels: ['command', 'outcome'] }, () =>
    [...ended].flatMap(([outcome, tally]) => tally.samples('command', { outcome })),
  )
}
