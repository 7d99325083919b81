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
  instanceId?: string
  error?: { code: string; message: string }
}

/** `REPLY`: what a neighbour, and everybody behind it, answers to a request that it was asked, or what came of a message. */
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
            instanceId: { type: 'string', pattern: ID_PATTERN },
            error: {
              type: 'object',
              required: ['code', 'message'],
              properties: {
                code: { type: 'string', maxLength: 64 },
                message: { type: 'string', maxLength: 4_096 },
              },
            },
          },
        },
        receive(received) {
          if (kernel.requests.replied(received) || kernel.replies.heard(received)) return
          const { sender, body } = received
          kernel.log.debug('stray reply', { messageId: body.correlationId, peer: sender.peer ?? sender.id })
        },
      })
    },
  }
}
