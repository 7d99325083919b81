import {
  type Kernel,
  type Link,
  type Plugin,
  type Recipient,
  SlipstreamError,
  type Subscription,
  VERSION,
} from '../../../core/index.ts'
import type { Circuit } from '../../delivery/circuits.ts'
// For the service that catch-up offers.
import type {} from '../../state/catch-up/index.ts'

declare module '../../../core/index.ts' {
  interface Services {
    /** What `/api/v1/status` shows. */
    readonly status: { read(): object }
  }
}

/** What an instance is and does, for pages and the command line: `/api/v1/status`, `…/connections`, `…/plugins`. */
export function statusApi(): Plugin {
  return {
    name: 'status-api',
    requires: ['http'],
    apply(kernel) {
      const http = kernel.use('http')
      let startedAt = kernel.runtime.monotonic()
      kernel.hooks.start.tap(() => {
        startedAt = kernel.runtime.monotonic()
      })
      const uptime = () => Math.floor((kernel.runtime.monotonic() - startedAt) / 1000)
      const read = { access: 'read' } as const
      const whole = () => ({ ...status(kernel), uptimeSeconds: uptime() })
      kernel.provide('status', { read: whole })
      http.route('GET', '/api/v1/status', read, () => ({ body: whole() }))
      http.route('GET', '/api/v1/connections', read, () => ({ body: list(connections(kernel)) }))
      http.route('DELETE', '/api/v1/connections/:id', { access: 'write' }, ({ params }) => forget(kernel, params.id))
      http.route('GET', '/api/v1/plugins', read, () => ({ body: list(kernel.plugins()) }))
    },
  }
}

function status(kernel: Kernel) {
  const { instanceId, settings, draining } = kernel
  const links = kernel.links()
  const instances = links.filter(({ role }) => role === 'instance').length
  return {
    instanceId,
    version: VERSION,
    node: process.version,
    tags: settings.tags,
    clusterGroupId: settings.clusterGroupId,
    draining,
    links: { instances, clients: links.length - instances },
    backlog: kernel.recipients().reduce((sum, { pending }) => sum + pending, 0),
    store: kernel.storeStatistics(),
    state: kernel.state && { backend: kernel.state.name, ...kernel.state.statistics(), deletions: deletions(kernel) },
  }
}

/** What may be forgotten of what was deleted, and whom that waits for. */
function deletions(kernel: Kernel) {
  const { floor, ...figures } = kernel.find('catchUp')?.tombstones ?? {}
  return { ...figures, forgottenBefore: isoTime(floor) }
}

function connections(kernel: Kernel) {
  const links = new Map(kernel.links().map((link) => [link.recipient as Recipient, link]))
  const ledger = new Map(kernel.ledger().map((row) => [row.recipient, row]))
  const circuits = kernel.find('circuits')?.open ?? []
  return kernel.recipients().map((recipient) => {
    const { name, role, tags, durable, connected, inFlight, deferred, pending, clockAheadMs, subscription } = recipient
    const { recipient: _, oldestPendingAt, ...sums } = ledger.get(name) ?? {}
    const about = { id: name, name, role, tags: [...tags], durable, subscription: narrowed(subscription) }
    const caughtUpAt = isoTime(kernel.find('catchUp')?.completedAt(name))
    const link = links.get(recipient)
    const seen = {
      address: link?.address,
      level: link?.level,
      differingTypes: differingTypes(kernel, link),
      lastSeenAt: isoTime(recipient.lastSeenAt),
      caughtUpAt,
    }
    const clock = { clockSkewSeconds: clockAheadMs === undefined ? undefined : clockAheadMs / 1000 }
    const state = { state: connected ? 'linked' : 'away', connected, ...seen }
    const figures = { inFlight, deferred, backlog: pending, oldestPendingAt: isoTime(oldestPendingAt), sums }
    const openTypes = circuits.filter((circuit) => circuit.recipient === recipient).map((one) => openType(kernel, one))
    return { ...about, ...state, ...clock, ...figures, ...dialling(recipient), openTypes }
  })
}

/** Types that the other end of a linked connection knows by another schema: what fits here may be refused there. */
function differingTypes(kernel: Kernel, link: Link | undefined): readonly string[] | undefined {
  const there = link?.hello.types
  if (!there) return undefined
  const schemaOf = (digest: string) => digest.split(' ').at(-1)
  return Object.entries(kernel.typeDigests())
    .filter(([type, digest]) => there[type] !== undefined && schemaOf(there[type]) !== schemaOf(digest))
    .map(([type]) => type)
}

/** Names of types, and how much else: keys and tags may be somebody's data. */
function narrowed(subscription: Subscription | undefined) {
  return subscription && { types: subscription.types, keys: subscription.keys.length, tags: subscription.tags.length }
}

/** Nothing keeps this instance from reaching those whom it does not dial: they come by themselves. */
function dialling({ circuit }: Recipient) {
  const { state = 'closed', attempts, nextAttemptAt } = circuit ?? {}
  return { circuit: state, dialAttempts: attempts, nextDialAt: isoTime(nextAttemptAt) }
}

/** A type that waits because whatever handles it there fails. */
function openType({ deliveries }: Kernel, { recipient, type, state, openedAt, nextProbeAt }: Circuit) {
  const waiting = deliveries.waiting(recipient, type)
  return { type, state, openedAt: isoTime(openedAt), nextProbeAt: isoTime(nextProbeAt), waiting }
}

function isoTime(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}

function list<Item>(items: readonly Item[]) {
  return { total: items.length, items }
}

/** Forgets a recipient and what waits for it, and waits for it no longer to have what was deleted. A configured peer cannot be forgotten. */
async function forget(kernel: Kernel, name = '') {
  try {
    const wasRecipient = await kernel.forget(name)
    const wasMember = await kernel.find('catchUp')?.forgetMember(name)
    if (wasRecipient || wasMember) return { body: { forgotten: name } }
    return { status: 404, body: { code: 'UNKNOWN', message: 'no recipient has this name' } }
  } catch (error) {
    if (!(error instanceof SlipstreamError) || error.code !== 'SLP_PEER_CONFIGURED') throw error
    return { status: 409, body: { code: error.code, message: error.message } }
  }
}
