import type { Plugin } from '../../core/index.ts'

/**
 * What a linked recipient has not acknowledged within the retry delay goes again, in its old order. What is due for
 * somebody who is not linked waits for the next link, however long that takes.
 */
export function republish(): Plugin {
  return {
    name: 'republish',
    apply(kernel) {
      kernel.hooks.republish.tap((due) => {
        for (const { recipient, message, sends } of due) {
          const { messageId, type } = message
          kernel.log.message('republish', { messageId, type, recipient: recipient.name, attempt: sends + 1 })
        }
        kernel.deliveries.sendAgain(due)
      })
    },
  }
}
