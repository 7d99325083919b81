import type { Plugin } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    SA: { key: string; value: readonly unknown[] }
  }
}

/** `SA`, set array: sets the whole array of the key on every instance the message is for. */
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
      })
    },
  }
}
