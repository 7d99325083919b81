import { type Plugin, SHARED_SPACE } from '../../core/index.ts'
import { keyOf } from './key.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    DEL: { key: string }
  }
}

/**
 * `DEL`: deletes the key on every instance the message is for. What stays is a tombstone, so that an older write that comes
 * late does not bring the key back; any newer one does.
 */
export function deleteKey(): Plugin {
  return {
    name: 'delete-key',
    apply(kernel) {
      kernel.messageType('DEL', {
        schema: {
          type: 'object',
          required: ['key'],
          properties: { key: { type: 'string', minLength: 1, maxLength: 512 } },
        },
        orderingKey: ({ key }) => key,
        merge: 'newest',
        space: SHARED_SPACE,
        change: (message) => ({ message, key: keyOf(message), shape: 'tombstone' }),
      })
    },
  }
}
