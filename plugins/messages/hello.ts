import {
  CloseCode,
  type Hello,
  type Kernel,
  type Link,
  type Plugin,
  type Reach,
  reachable,
  type Timer,
} from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    HELLO: { tags: readonly string[]; time?: number; agrees?: number }
  }
}

/** On the linked level more is said, and each thing when there is news of it. */
interface News extends Omit<Hello, 'tags'> {
  readonly tags?: readonly string[] | Readonly<Record<string, number>>
  readonly time?: number
  readonly agrees?: number
}

/** How often each peer is told the time, in milliseconds: as often as it is asked for a sign of life. */
const TELL_TIME_MS = 15_000
const CONTRADICTION = 'HELLO contradicts the handshake; say the same in both'
/** The last millisecond that a version stamp can tell. */
const MAX_TIME = 9_999_999_999_999

/**
 * `HELLO`: what is reachable behind a link, told again when it changes after the handshake; and what time it is here, and
 * with how many other instances this one agrees about that. A client is told who this is and what time it is, for it stamps
 * what it publishes. Sent only to who understands it: on the linked level, and on the plain one to those that said so; a plain
 * connection of a deployed system is never sent one.
 */
export function hello(): Plugin {
  return {
    name: 'hello',
    apply(kernel) {
      const told = new WeakMap<Link, string>()
      let timer: Timer | undefined
      const tellTime = () => {
        for (const link of listeners(kernel)) tellTimeTo(link, kernel)
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
          const { time, agrees = 0, tags, ...identity }: News = body
          if (sender.level === 'linked') introduced(sender, identity)
          if (sender.role !== 'instance') return
          if (time !== undefined) kernel.clocks.told(sender, time, agrees)
          if (tags === undefined) return
          kernel.announced(sender, reachOf(tags)).then(
            () => tellTags(kernel, told),
            (error: unknown) => kernel.log.error('announcement not kept', { peer: sender.peer ?? sender.id, error }),
          )
        },
      })
      // What the handshake said may have been overtaken while the link opened: each link is told once more at its start.
      kernel.hooks.linkUp.tap((link) => {
        if (link.level === 'linked') introduce(link, kernel, told)
        else if (link.role === 'client' && link.connection.remote.announces) greet(kernel, link)
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

/** The first thing that is said on a linked connection. */
function introduce(link: Link, kernel: Kernel, told: WeakMap<Link, string>): void {
  const { instanceId, epoch, settings, clocks, runtime, window } = kernel
  const { clusterGroupId } = settings
  const tags = tagsFor(kernel, link)
  told.set(link, JSON.stringify(tags))
  const types = kernel.typeDigests()
  const capabilities = types.SYNC === undefined ? [] : ['sync/1']
  const group = clusterGroupId === undefined ? {} : { clusterGroupId }
  link.codec.introduce({ instanceId, role: 'instance', ...group, tags, epoch, types, capabilities })
  link.codec.pulse(runtime.now(), clocks.agreeingBeside(link), window)
}

/** Takes note of what the other end says of itself. Who it is, it has said at the handshake. */
function introduced(link: Link, { token: _, ...identity }: Omit<Hello, 'tags'>): void {
  const { instanceId = link.peer, role = link.role, clusterGroupId } = identity
  const { remote } = link.connection
  const isSame = instanceId === link.peer && role === link.role
  if (isSame && (clusterGroupId ?? remote.clusterGroupId) === remote.clusterGroupId) {
    link.hello = { ...link.hello, ...identity }
  } else {
    link.codec.refuse({ messageId: undefined }, { code: 'FORBIDDEN', reason: CONTRADICTION, retryable: false })
    link.close(CloseCode.FORBIDDEN, CONTRADICTION)
  }
}

/** Tells each peer what has changed for it. Peers that know already are left in peace, so that it ends in a ring as well. */
function tellTags(kernel: Kernel, told: WeakMap<Link, string>): void {
  for (const link of listeners(kernel)) {
    if (link.role !== 'instance') continue
    const tags = tagsFor(kernel, link)
    const text = link.level === 'linked' ? JSON.stringify(tags) : listed(tags)
    if (told.get(link) === text) continue
    told.set(link, text)
    if (link.level === 'linked') link.codec.introduce({ tags })
    else tellPlainly(link, text, kernel)
  }
}

function tellTimeTo(link: Link, kernel: Kernel): void {
  if (link.level === 'linked') link.codec.pulse(kernel.runtime.now(), kernel.clocks.agreeingBeside(link), kernel.window)
  else if (link.role === 'client') greet(kernel, link)
  else tellPlainly(link, listed(tagsFor(kernel, link)), kernel)
}

function tellPlainly(link: Link, tags: string, { runtime, clocks }: Kernel): void {
  const agrees = clocks.agreeingBeside(link)
  link.send(`{"type":"HELLO","tags":${tags},"time":${runtime.now()},"agrees":${agrees}}`, 'control')
}

function greet({ instanceId, runtime }: Kernel, link: Link): void {
  link.send(`{"type":"HELLO","instanceId":"${instanceId}","time":${runtime.now()}}`, 'control')
}

/** Everybody on the linked level; on the plain one those that understand it. */
function listeners(kernel: Kernel): readonly Link[] {
  return kernel.links().filter(({ level, connection }) => level === 'linked' || connection.remote.announces)
}

function tagsFor(kernel: Kernel, { peer }: Link): Readonly<Record<string, number>> {
  return Object.fromEntries(reachable(kernel.settings.tags, kernel.recipients(), peer))
}

/** The names alone, as JSON. */
function listed(tags: Readonly<Record<string, number>>): string {
  return JSON.stringify(Object.keys(tags))
}

function reachOf(tags: readonly string[] | Readonly<Record<string, number>>): Reach {
  return new Map(Array.isArray(tags) ? tags.map((tag) => [tag, 0]) : Object.entries(tags))
}
