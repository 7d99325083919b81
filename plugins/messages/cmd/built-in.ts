import { type Kernel, VERSION } from '../../../core/index.ts'
// For the service that the status API offers.
import type {} from '../../admin/status/index.ts'
import type { CommandRegistry } from './registry.ts'

/** Commands that every instance has: whether it is there, and how it is. */
export function registerBuiltIns(registry: CommandRegistry, kernel: Kernel): void {
  const { runtime } = kernel
  registry.register('slipstream.ping', {
    run: (_, { instanceId }) => ({ instanceId, time: runtime.now() }),
  })
  registry.register('slipstream.status', {
    run: (_, { instanceId }) => kernel.find('status')?.read() ?? { instanceId, version: VERSION },
  })
}
