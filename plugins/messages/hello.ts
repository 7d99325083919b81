import type { Kernel, Link, Plugin, Timer } from '../../core/index.ts'
import { reachable } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    HELLO: { tags: readonly string[]; time?: number; agrees?: number }
  }
}

/** How often each peer is told the time, in milliseconds: as often as it is asked for a sign of life. */
const TELL_TIME_MS = 15_000
/** The last millisecond that a version stamp can tell. */
const MAX_TIME = 9_999_999_999_999

/**
 * `HELLO`: what is reachable behind a link, told again when it changes after the handshake; and what time it is here, and
 * with how many other instances this one agrees about that. A client is told who this is and what time it is, for it stamps
 * what it publishes. Sent only to those that said they understand it; a plain connection of a deployed system is never sent one.
 */
export function hello(): Plugin {
  return {
    name: 'hello',
    apply(kernel) {
      const told = new WeakMap<Link, string>()
      let timer: Timer | undefined
      const tellTime = () => {
        for (const link of listeners(kernel, 'instance')) send(kernel, link, tagsFor(kernel, link))
        for (const link of listeners(kernel, 'client')) greet(kernel, link)
        timer = kernel.runtime.after(TELL_TIME_MS, tellTime)
      }
      kernel.messageType('HELLO', {
        schema: {
          type: 'object',
          required: ['tags'],
          properties: {
            tags: { type: 'array', maxItems: 1_024, items: { type: 'string', minLength: 1, maxLength: 64 } },
            time: { type: 'integer', minimum: 0, maximum: MAX_TIME },
            agrees: { type: 'integer', minimum: 0 },
          },
        },
        receive({ body, sender }) {
          if (sender.role !== 'instance') return
          if (body.time !== undefined) kernel.clocks.told(sender, body.time, body.agrees ?? 0)
          kernel.announced(sender, body.tags).then(
            () => tellTags(kernel, told),
            (error: unknown) => kernel.log.error('announcement not kept', { peer: sender.peer ?? sender.id, error }),
          )
        },
      })
      // What the handshake said may have been overtaken while the link opened: each link is told once more at its start.
      kernel.hooks.linkUp.tap((link) => {
        if (link.role === 'client' && link.connection.remote.announces) greet(kernel, link)
        tellTags(kernel, told)
      })
      kernel.hooks.linkDown.tap(() => tellTags(kernel, told))
      kernel.hooks.ready.tap(() => {
        timer = kernel.runtime.after(TELL_TIME_MS, tellTime)
      })
      kernel.hooks.stop.tap(() => timer?.cancel())
    },
  }
}

/** Tells each peer what has changed for it. Peers that know already are left in peace, so that it ends in a ring as well. */
function tellTags(kernel: Kernel, told: WeakMap<Link, string>): void {
  for (const link of listeners(kernel, 'instance')) {
    const tags = tagsFor(kernel, link)
    if (told.get(link) === tags) continue
    told.set(link, tags)
    send(kernel, link, tags)
  }
}

function listeners(kernel: Kernel, role: Link['role']): readonly Link[] {
  return kernel.links().filter((link) => link.role === role && link.connection.remote.announces)
}

/** As JSON. */
function tagsFor(kernel: Kernel, { peer }: Link): string {
  return JSON.stringify(reachable(kernel.settings.tags, kernel.recipients(), peer))
}

function send({ runtime, clocks }: Kernel, link: Link, tags: string): void {
  const agrees = clocks.agreeingBeside(link)
  link.send(`{"type":"HELLO","tags":${tags},"time":${runtime.now()},"agrees":${agrees}}`, 'control')
}

function greet({ instanceId, runtime }: Kernel, link: Link): void {
  link.send(`{"type":"HELLO","instanceId":"${instanceId}","time":${runtime.now()}}`, 'control')
}
