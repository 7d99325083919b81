import type { Plugin } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    ACK: { messageId: string; status?: string; recipients?: number }
  }
}

/**
 * `ACK`: "it is durable here, you may forget it". Sent to whoever a message came from once its group is on disk; received,
 * it closes the delivery of its sender, and of nobody else.
 */
export function ack(): Plugin {
  return {
    name: 'ack',
    apply(kernel) {
      kernel.messageType('ACK', {
        schema: {
          type: 'object',
          required: ['messageId'],
          properties: {
            messageId: { type: 'string' },
            status: { type: 'string', maxLength: 32 },
            recipients: { type: 'integer', minimum: 0 },
          },
        },
        receive({ body, sender }) {
          const settled = kernel.deliveries.acknowledged(sender, body.messageId)
          if (!settled) kernel.log.debug('stray ack', { messageId: body.messageId, peer: sender.peer ?? sender.id })
        },
      })
      kernel.hooks.ack.tap((acknowledgements) => {
        for (const one of acknowledgements) one.sender.codec.acknowledge(one)
      })
    },
  }
}
