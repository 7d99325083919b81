import type { Kernel, Link, Plugin } from '../../core/index.ts'
import { reachable } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    HELLO: { tags: readonly string[] }
  }
}

/**
 * `HELLO`: what is reachable behind a link, told again when it changes after the handshake. Sent only to instances that
 * said they understand it; a plain connection of a deployed system is never sent one.
 */
export function hello(): Plugin {
  return {
    name: 'hello',
    apply(kernel) {
      const told = new WeakMap<Link, string>()
      kernel.messageType('HELLO', {
        schema: {
          type: 'object',
          required: ['tags'],
          properties: {
            tags: { type: 'array', maxItems: 1_024, items: { type: 'string', minLength: 1, maxLength: 64 } },
          },
        },
        receive({ body, sender }) {
          if (sender.role !== 'instance') return
          kernel.announced(sender, body.tags).then(
            () => tellAll(kernel, told),
            (error: unknown) => kernel.log.error('announcement not kept', { peer: sender.peer ?? sender.id, error }),
          )
        },
      })
      // What the handshake said may have been overtaken while the link opened: each link is told once more at its start.
      kernel.hooks.linkUp.tap(() => tellAll(kernel, told))
      kernel.hooks.linkDown.tap(() => tellAll(kernel, told))
    },
  }
}

/** Tells each peer what has changed for it. Peers that know already are left in peace, so that it ends in a ring as well. */
function tellAll(kernel: Kernel, told: WeakMap<Link, string>): void {
  for (const link of kernel.links()) {
    if (link.role !== 'instance' || !link.connection.remote.announces) continue
    const tags = JSON.stringify(reachable(kernel.settings.tags, kernel.recipients(), link.peer))
    if (told.get(link) === tags) continue
    told.set(link, tags)
    link.send(`{"type":"HELLO","tags":${tags}}`, 'control')
  }
}
