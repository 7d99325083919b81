import { type Plugin, SHARED_SPACE } from '../../core/index.ts'
import { keyOf } from './key.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    SA: { key: string; value: readonly unknown[] }
  }
}

/** `SA`, set array: sets the whole array of the key on every instance the message is for. The newest write of a key counts. */
export function setArray(): Plugin {
  return {
    name: 'set-array',
    apply(kernel) {
      kernel.messageType('SA', {
        schema: {
          type: 'object',
          required: ['key', 'value'],
          properties: {
            key: { type: 'string', minLength: 1, maxLength: 512 },
            value: { type: 'array', maxItems: 10_000 },
          },
        },
        orderingKey: ({ key }) => key,
        merge: 'newest',
        space: SHARED_SPACE,
        change: (message) => ({ message, key: keyOf(message), shape: 'array', value: message.raw('value') as string }),
      })
    },
  }
}
