import type { Plugin, Refusal } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    NACK: { messageId?: string; code: string; reason?: string; retryable?: boolean; retryAfterMs?: number }
  }
}

/** What a retry is advised to wait for when nothing better is known, in milliseconds. */
const RETRY_AFTER_MS = 1_000

/** `NACK`: "it is not kept here", with a code and the remedy. Received, it is noted; its delivery stays open. */
export function nack(): Plugin {
  return {
    name: 'nack',
    apply(kernel) {
      kernel.messageType('NACK', {
        schema: {
          type: 'object',
          required: ['code'],
          properties: {
            messageId: { type: 'string' },
            code: { type: 'string', maxLength: 64 },
            reason: { type: 'string', maxLength: 4_096 },
            retryable: { type: 'boolean' },
            retryAfterMs: { type: 'number', minimum: 0 },
          },
        },
        receive({ body, sender }) {
          const { messageId = 'unknown', code } = body
          kernel.log.error('refused by recipient', { messageId, peer: sender.peer ?? sender.id, code })
        },
      })
      kernel.hooks.refused.tap((refusal) => {
        const { sender, code, reason, detail = reason, type = 'unknown' } = refusal
        kernel.log.debug('refused', { peer: sender.peer ?? sender.id, code, reason: detail, type })
        // Two instances that disagree about NACKs must not answer each other for ever.
        if (type !== 'NACK') sender.send(frame(refusal))
      })
    },
  }
}

function frame({ messageId, code, reason, retryable }: Refusal): string {
  const retryAfterMs = retryable ? RETRY_AFTER_MS : undefined
  return JSON.stringify({ type: 'NACK', messageId, code, reason, retryable, retryAfterMs })
}
