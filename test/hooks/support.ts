import type { Kernel, Plugin } from '../../core/index.ts'
import type { LogRecord, RunningBus } from '../support/bus.ts'
import { type Client, connect } from '../support/client.ts'

/** A plugin of that name which does nothing but this. */
export const plugin = (name: string, apply: (kernel: Kernel) => void): Plugin => ({ name, apply })

/** A message that nothing is wrong with. */
export const sk = (messageId: string, members: object = {}) => ({
  type: 'SK',
  messageId,
  key: 'k',
  value: 1,
  ...members,
})

/** A tap that fails on messages of that key, and on no others. */
export function failsOn(key: string): (message: { readonly body: Readonly<Record<string, unknown>> }) => undefined {
  return ({ body }) => {
    if (body.key === key) throw new Error('out of order')
    return undefined
  }
}

/** Records of failing plugins, as `plugin hook`. */
export const failuresIn = ({ log }: RunningBus): readonly string[] =>
  log.filter(isFailure).map(({ fields: { plugin, hook } }) => `${plugin} ${hook}`)

function isFailure({ level, event }: LogRecord): boolean {
  return level === 'error' && event === 'plugin failed'
}

/** Publishes something proper on a connection of its own, as proof that the bus is well. */
export async function publishElsewhere(
  bus: RunningBus,
  messageId = 'elsewhere',
): Promise<Client['frames'][number]['body']> {
  const client = await connect(bus)
  const answer = await client.publish(sk(messageId))
  await client.close()
  return answer
}
