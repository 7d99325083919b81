import { type Kernel, type Message, type Plugin, slipstreamError } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    'test.merged': { key: string; value?: unknown }
    'test.ordered': { key: string; value?: unknown }
  }
}

export const AWAY = () => slipstreamError('SLP_STATE_UNAVAILABLE', ['connection refused'])

/** A plugin with two types that are applied: `test.merged` merges, `test.ordered` is strict. The test says what fails. */
export function applying(types: readonly ('test.merged' | 'test.ordered')[] = ['test.merged', 'test.ordered']) {
  const seen = {
    /** Ids that were applied, in order. */
    applied: [] as string[],
    /** Ids of each call, one that failed included. */
    calls: [] as string[][],
    /** What applying one message does before it counts as applied. */
    act: (_message: Message): unknown => undefined,
    /** What a call does before anything else. */
    before: (): unknown => undefined,
    kernel: undefined as unknown as Kernel,
    plugin: undefined as unknown as Plugin,
  }
  const apply = async (messages: readonly Message[]) => {
    seen.calls.push(messages.map(({ messageId }) => messageId))
    await seen.before()
    for (const message of messages) await seen.act(message)
    seen.applied.push(...messages.map(({ messageId }) => messageId))
  }
  seen.plugin = {
    name: 'applying',
    version: '3.2.1',
    apply(kernel) {
      seen.kernel = kernel
      const schema = {
        type: 'object',
        required: ['key'],
        properties: { key: { type: 'string' }, value: true },
      } as const
      for (const name of types) {
        const order = name === 'test.ordered' ? ({ order: 'strict' } as const) : {}
        kernel.messageType(name, { schema, orderingKey: ({ key }) => key, ...order, apply })
      }
    },
  }
  return seen
}

/** Makes these ids fail as long as they are in the set. */
export function failing(...ids: readonly string[]) {
  const broken = new Set(ids)
  const act = ({ messageId }: Message) => {
    if (broken.has(messageId)) throw new Error(`cannot take ${messageId}`)
  }
  return { broken, act }
}
