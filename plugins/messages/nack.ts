import type { Plugin, Refusal } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    NACK: { messageId?: string; code: string; reason?: string; retryable?: boolean; retryAfterMs?: number }
  }
}

/** What a retry is advised to wait for when nothing better is known, in milliseconds. */
const RETRY_AFTER_MS = 1_000
/** Refusals that may be overcome, when the recipient does not say itself whether they are. */
const RETRYABLE: ReadonlySet<string> = new Set(['BUSY', 'STORE_UNAVAILABLE', 'CLOCK_SKEW', 'TIMEOUT', 'INTERNAL'])
/** How long a recipient that is busy is left alone, whatever it asks for, in milliseconds: never again at once, never for ever. */
const MIN_BUSY_MS = 100
const MAX_BUSY_MS = 60_000

/**
 * `NACK`: "it is not kept here", with a code and the remedy. Received, it says what became of a delivery: `BUSY` asks for
 * patience and counts nothing, anything else is the recipient's verdict on the message.
 */
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
          const { messageId, code, reason = '', retryAfterMs = RETRY_AFTER_MS } = body
          const { retryable = RETRYABLE.has(code) } = body
          if (messageId === undefined || kernel.requests.refused(sender, messageId, code)) return
          const busyMs = Math.min(Math.max(retryAfterMs, MIN_BUSY_MS), MAX_BUSY_MS)
          const busy = code === 'BUSY' ? { busyMs } : {}
          const error = `${code} ${reason}`.trimEnd()
          const known = kernel.deliveries.refused(sender, messageId, { retryable, error, ...busy })
          const event = known ? 'refused by recipient' : 'stray nack'
          kernel.log.debug(event, { messageId, peer: sender.peer ?? sender.id, code })
        },
      })
      kernel.hooks.refused.tap((refusal) => {
        const { sender, code, reason, detail = reason, type = 'unknown' } = refusal
        kernel.log.debug('refused', { peer: sender.peer ?? sender.id, code, reason: detail, type })
        // Two instances that disagree about NACKs must not answer each other for ever.
        if (type !== 'NACK') sender.codec.refuse(refusal, withAdvice(refusal))
      })
    },
  }
}

function withAdvice({ code, reason, retryable, retryAfterMs = RETRY_AFTER_MS }: Refusal) {
  return { code, reason, retryable, ...(retryable && { retryAfterMs }) }
}
