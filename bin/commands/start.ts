import type { Flags } from '../../config/flags.ts'
import { resolveConfig } from '../../config/resolve.ts'
import { type Bus, createBus, type Plugin, type Services, VERSION } from '../../core/index.ts'
import { Exit } from '../exit.ts'
import { paint, say, sayError } from '../output.ts'
import { untilOrphaned, untilSignal } from '../signals.ts'

/** Runs an instance until a signal asks it to end, or until it can no longer keep its promises. */
export async function start(flags: Flags): Promise<void> {
  const told = Promise.race([untilSignal('SIGINT', 'SIGTERM'), untilOrphaned()])
  const { settings, plugins, file } = await resolveConfig({ flags })
  let http: Services['http'] | undefined
  // A plugin that only looks: the bus does not know what its plugins listen on.
  const onlooker: Plugin = {
    name: 'command-line',
    apply(kernel) {
      http = kernel.find('http')
    },
  }
  const bus = createBus({ settings, plugins: [...plugins, onlooker] })
  await bus.start()
  announce(bus, file, http?.address)
  const failure = await Promise.race([bus.failed, told.then(() => undefined)])
  if (failure) {
    sayError(failure)
    process.exitCode = Exit.INTERNAL
  } else {
    say('Draining. Once more to end at once.')
  }
  await bus.stop()
}

function announce({ instanceId, addresses }: Bus, file: string | undefined, admin: string | undefined): void {
  const { stderr } = process
  say(`${paint('bold', `slipstream ${VERSION}`, stderr)} instance ${paint('cyan', instanceId, stderr)}`)
  say(`  configuration  ${file ?? 'defaults (no file)'}`)
  for (const address of addresses) say(`  listening      ${paint('green', address, stderr)}`)
  if (admin !== undefined) say(`  administration ${paint('green', admin, stderr)}`)
}
