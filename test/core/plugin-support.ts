import type { Kernel, Plugin, Transport } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'

/** A store in memory. */
export const storing: Plugin = { name: 'store', apply: (kernel) => kernel.store(new MemoryStore()) }

/** A plugin of that name which does nothing but this. */
export const plugin = (
  name: string,
  apply: (kernel: Kernel) => unknown = () => {},
  rest: Partial<Plugin> = {},
): Plugin => ({
  name,
  apply: async (kernel) => void (await apply(kernel)),
  ...rest,
})

/** Claims a message type. */
export const type = (name: string) => (kernel: Kernel) =>
  kernel.messageType(name, { schema: { type: 'object', required: [], properties: {} } })

/** A plugin that tells whether anything was opened on the network. */
export function socket() {
  const seen = { opened: 0, closed: 0 }
  const transport: Transport = {
    name: 'socket',
    protocols: ['test:'],
    listen: async () => {
      seen.opened++
      return 'test://here'
    },
    dial: () => Promise.reject(new Error('nobody there')),
    stopListening: async () => {},
    close: async () => {
      seen.closed++
    },
  }
  return { seen, plugin: plugin('socket', (kernel) => kernel.transport(transport)) }
}
