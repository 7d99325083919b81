import type { Registry } from 'prom-client'
import { type Kernel, type Level, type Link, type Recipient, SELF } from '../../../core/index.ts'
import { gauge, type Sample, single } from './series.ts'

const ROLES = ['instance', 'client'] as const
const LEVELS: readonly Level[] = ['plain', 'linked']
/** Recipients with a series of their own in each family; the backlog of all others is one sum. */
const MAX_NAMED = 100
const OTHERS = 'Clients, types that are not known here, and instances beyond the hundredth are "other".'

/** Who is linked, who is known, and what waits for whom. */
export function measureMesh(kernel: Kernel, registry: Registry): void {
  const connections = { name: 'active_connections', help: 'Connections that are open and identified.' }
  gauge(registry, connections, () => single(kernel.links().length))

  const help = 'Connections by the role of the other end and the level of the protocol.'
  gauge(registry, { name: 'links', help, labels: ['role', 'level'] }, () =>
    ROLES.flatMap((role) =>
      byLevel(
        kernel.links().filter((link) => link.role === role),
        role,
      ),
    ),
  )

  const recipients = {
    name: 'recipients',
    help: 'Others whom messages may be for: remembered, configured or connected.',
    labels: ['role', 'connected'],
  }
  gauge(registry, recipients, () => ROLES.flatMap((role) => byConnection(kernel.recipients(), role)))

  const subscribers = { name: 'subscribers', help: 'Clients that want some of what is for them only, linked or away.' }
  gauge(registry, subscribers, () => single(kernel.subscribers().length))

  const backlog = {
    name: 'backlog_messages',
    help: `Deliveries that are stored and not acknowledged. ${OTHERS}`,
    labels: ['recipient'],
  }
  gauge(registry, backlog, () => byName(kernel.recipients(), ({ pending }) => pending, sum))

  const oldest = {
    name: 'oldest_pending_seconds',
    help: `Age of the first delivery that waits; 0 when none does. ${OTHERS}`,
    labels: ['recipient'],
  }
  gauge(registry, oldest, () => byName(kernel.recipients(), ageOfOldest(kernel), greatest))

  const circuits = {
    name: 'link_circuit_open',
    help: 'Whether only a probe a minute goes out to a peer, for the first hundred peers.',
    labels: ['recipient'],
  }
  gauge(registry, circuits, () => openCircuits(kernel.recipients()))

  const skew = {
    name: 'peer_clock_skew_seconds',
    help: 'How far the clock of a linked instance is ahead of this one, negative when it is behind, for the first hundred.',
    labels: ['peer'],
  }
  gauge(registry, skew, () => skews(kernel.recipients()))
}

/** One that is half-open has not proved itself yet. */
function openCircuits(recipients: readonly Recipient[]): readonly Sample[] {
  const dialled = recipients.filter(({ circuit }) => circuit !== undefined).slice(0, MAX_NAMED)
  return dialled.map(({ name, circuit }) => ({
    labels: { recipient: name },
    value: circuit?.state === 'closed' ? 0 : 1,
  }))
}

function skews(recipients: readonly Recipient[]): readonly Sample[] {
  const known = recipients.filter(({ clockAheadMs }) => clockAheadMs !== undefined).slice(0, MAX_NAMED)
  return known.map(({ name, clockAheadMs = 0 }) => ({ labels: { peer: name }, value: clockAheadMs / 1000 }))
}

function byLevel(links: readonly Link[], role: Link['role']): readonly Sample[] {
  return LEVELS.map((level) => {
    return { labels: { role, level }, value: links.filter((link) => link.level === level).length }
  })
}

function byConnection(recipients: readonly Recipient[], role: Recipient['role']): readonly Sample[] {
  const those = recipients.filter((recipient) => recipient.role === role)
  const connected = those.filter((recipient) => recipient.connected).length
  return [
    { labels: { role, connected: 'true' }, value: connected },
    { labels: { role, connected: 'false' }, value: those.length - connected },
  ]
}

/** Whoever connects chooses the name of a client, or of a type: as a label it would be theirs to multiply. */
function byName(
  recipients: readonly Recipient[],
  figure: (recipient: Recipient) => number,
  together: (one: number, other: number) => number,
): readonly Sample[] {
  const named = recipients.filter(({ name, role }) => role === 'instance' || name === SELF).slice(0, MAX_NAMED)
  const others = recipients.filter((recipient) => !named.includes(recipient))
  return [
    ...named.map((recipient) => ({ labels: { recipient: recipient.name }, value: figure(recipient) })),
    { labels: { recipient: 'other' }, value: others.map(figure).reduce(together, 0) },
  ]
}

const sum = (one: number, other: number) => one + other
const greatest = (one: number, other: number) => Math.max(one, other)

/** Asks the ledger once for all recipients. */
function ageOfOldest({ ledger, runtime }: Kernel): (recipient: Recipient) => number {
  const now = runtime.now()
  const since = new Map(ledger().map(({ recipient, oldestPendingAt }) => [recipient, oldestPendingAt]))
  return ({ name }) => Math.max(0, now - (since.get(name) ?? now)) / 1000
}
