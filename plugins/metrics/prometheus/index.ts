import { Registry } from 'prom-client'
import type { Plugin } from '../../../core/index.ts'
import { measureCatchUp } from './catch-up.ts'
import { measureCommands } from './commands.ts'
import { measureDeliveries } from './deliveries.ts'
import { measureInstance } from './instance.ts'
import { measureMesh } from './mesh.ts'
import { processMetrics } from './process.ts'
import { measureReplays } from './replays.ts'
import { measureState } from './state.ts'
import { measureStore } from './store.ts'
import { measureTraffic } from './traffic.ts'

/**
 * `GET /metrics` for Prometheus. Every series is there from the start, at zero; the values of a label come from closed
 * sets (registered types, codes, roles, names of instances): nobody on the network decides how many series there are.
 */
export function prometheus(): Plugin {
  const registry = new Registry()
  return {
    name: 'prometheus',
    requires: ['http'],
    apply(kernel) {
      measureTraffic(kernel, registry)
      measureDeliveries(kernel, registry)
      measureReplays(kernel, registry)
      measureMesh(kernel, registry)
      measureStore(kernel, registry)
      measureState(kernel, registry)
      measureCommands(kernel, registry)
      measureCatchUp(kernel, registry)
      measureInstance(kernel, registry)
      kernel.use('http').route('GET', '/metrics', { access: 'public' }, async () => ({
        text: (await registry.metrics()) + (await processMetrics()),
        contentType: registry.contentType,
      }))
    },
    close: () => registry.clear(),
  }
}
