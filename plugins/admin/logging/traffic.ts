import type { Acknowledgement, Kernel, Link } from '../../../core/index.ts'

/**
 * Tells in the log what becomes of each message, one line a step: `stored` or `duplicate`, `refused`, `forwarded`,
 * `settled`; and who comes and goes. Ids, types, names and sizes; never a key or a value.
 */
export function logTraffic({ hooks, log }: Kernel): void {
  const silent = () => !log.enabled('message')
  hooks.ack.tap((acknowledgements) => {
    if (silent()) return
    for (const one of acknowledgements) log.message(one.status, acknowledged(one))
  })
  hooks.refused.tap(({ sender, messageId, type, code, reason }) => {
    if (silent()) return
    log.message('refused', {
      ...(messageId && { messageId }),
      ...(type && { type }),
      peer: nameOf(sender),
      code,
      reason,
    })
  })
  hooks.forwarded.tap((forwardings) => {
    if (silent()) return
    for (const { recipient, message, sends } of forwardings) {
      const { messageId, type } = message
      log.message('forwarded', { messageId, type, recipient: recipient.name, attempt: sends })
    }
  })
  hooks.settled.tap(({ recipient, message: { messageId, type } }) => {
    if (!silent()) log.message('settled', { messageId, type, recipient: recipient.name })
  })
  hooks.linkUp.tap((link) =>
    log.message('linked', { peer: nameOf(link), address: link.address, status: link.direction }),
  )
  hooks.linkDown.tap((link) => log.message('unlinked', { peer: nameOf(link), address: link.address }))
  hooks.ready.tap(() => log.message('ready'))
}

function acknowledged({ sender, messageId, type, recipients, message }: Acknowledgement) {
  const bytes = message && Buffer.byteLength(message.text)
  return { messageId, type, peer: nameOf(sender), count: recipients, ...(bytes !== undefined && { bytes }) }
}

function nameOf(link: Link): string {
  return link.peer ?? link.id
}
