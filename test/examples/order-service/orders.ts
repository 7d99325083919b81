import type { Plugin } from 'slipstream'

declare module 'slipstream' {
  interface MessageTypes {
    'order.placed': { orderId: string; item: string; quantity: number }
    'order.shipped': { orderId: string; parcel: string }
  }
}

const id = { type: 'string', pattern: '^[A-Za-z0-9-]{1,64}$' } as const

/** The messages of the order service. All of one order keep their order; what does not fit is refused with a NACK. */
export function orders(): Plugin {
  return {
    name: 'slipstream-plugin-orders',
    version: '1.0.0',
    slipstream: '^1.0.0',
    apply(kernel) {
      kernel.messageType('order.placed', {
        schema: {
          type: 'object',
          required: ['orderId', 'item', 'quantity'],
          properties: {
            orderId: id,
            item: { type: 'string', minLength: 1, maxLength: 64 },
            quantity: { type: 'integer', minimum: 1, maximum: 1_000 },
          },
        },
        orderingKey: ({ orderId }) => orderId,
      })
      kernel.messageType('order.shipped', {
        schema: { type: 'object', required: ['orderId', 'parcel'], properties: { orderId: id, parcel: id } },
        orderingKey: ({ orderId }) => orderId,
      })
    },
  }
}
