import { ID_PATTERN, type Plugin } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    REPLY: ReplyBody
  }
}

type ReplyBody = {
  correlationId: string
  value?: unknown
  values?: readonly { value: unknown; instanceId?: string; version?: string }[]
  complete?: boolean
  version?: string
}

/** `REPLY`: what a neighbour, and everybody behind it, answers to a request that it was asked. */
export function reply(): Plugin {
  return {
    name: 'reply',
    apply(kernel) {
      kernel.messageType('REPLY', {
        schema: {
          type: 'object',
          required: ['correlationId'],
          properties: {
            correlationId: { type: 'string', pattern: ID_PATTERN },
            value: true,
            values: {
              type: 'array',
              maxItems: 1_000,
              items: {
                type: 'object',
                required: ['value'],
                properties: {
                  value: true,
                  instanceId: { type: 'string', pattern: ID_PATTERN },
                  version: { type: 'string', maxLength: 256 },
                },
              },
            },
            complete: { type: 'boolean' },
            version: { type: 'string', maxLength: 256 },
          },
        },
        receive(received) {
          if (kernel.requests.replied(received)) return
          const { sender, body } = received
          kernel.log.debug('stray reply', { messageId: body.correlationId, peer: sender.peer ?? sender.id })
        },
      })
    },
  }
}
