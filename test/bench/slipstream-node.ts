/**
 * One slipstream as it is installed, with its standard plugins; message logs are off, as anybody would have them under load.
 *
 * Arguments: its name, the path of its file, `applying` or `forwarding` (which keeps no state), the best level that it speaks,
 * and the URL of the next hop if there is one.
 */
import { createBus, type Plugin } from 'slipstream'
import { standard } from 'slipstream/config'
import { reportTo } from './child.ts'

type Arguments = [string, string, string, string, string | undefined]
const [instanceId, storagePath, does, best, nextHop] = process.argv.slice(2) as Arguments
const websocket = best === 'plain' ? { protocols: ['slipstream.v1'] } : {}

const bus = createBus({
  plugins: standard({ ...(does === 'forwarding' && { sqliteState: false }), websocket }) as readonly Plugin[],
  settings: {
    instanceId,
    storagePath,
    port: 0,
    adminPort: 0,
    logs: { message: false, debug: false },
    peers: nextHop ? [{ url: nextHop, tags: ['bench'] }] : [],
  },
})
await bus.start()
reportTo(bus.addresses[0] as string)
