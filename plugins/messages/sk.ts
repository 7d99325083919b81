import { type Plugin, SHARED_SPACE } from '../../core/index.ts'
import { keyOf } from './key.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    SK: { key: string; value: unknown }
  }
}

/** `SK`, set key: sets the key to a value on every instance the message is for. The newest write of a key counts. */
export function setKey(): Plugin {
  return {
    name: 'set-key',
    apply(kernel) {
      kernel.messageType('SK', {
        schema: {
          type: 'object',
          required: ['key', 'value'],
          properties: {
            key: { type: 'string', minLength: 1, maxLength: 512 },
            value: true,
          },
        },
        orderingKey: ({ key }) => key,
        merge: 'newest',
        space: SHARED_SPACE,
        change: (message) => ({ message, key: keyOf(message), shape: 'value', value: message.raw('value') as string }),
      })
    },
  }
}
