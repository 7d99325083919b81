import type { Registry } from 'prom-client'
import type { DeadReason, DueCause, Kernel, LedgerRow, StoreStatistics } from '../../../core/index.ts'
import { counter, gauge, single } from './series.ts'
import { Tally } from './tally.ts'

/** The compiler holds these tables to the contracts. What the store itself gives up, it counts itself. */
const REASONS = Object.keys({
  REJECTED: 0,
  ATTEMPTS_EXHAUSTED: 0,
  EXPIRED: 0,
  POISON: 0,
} satisfies Record<Exclude<DeadReason, keyof StoreStatistics['givenUp']>, 0>)

const CAUSES = Object.keys({
  nack: 0,
  rejection: 0,
  timeout: 0,
  silence: 0,
  disconnect: 0,
  expiry: 0,
} satisfies Record<DueCause, 0>)

type State = Exclude<keyof LedgerRow, 'recipient' | 'oldestPendingAt'>

const STATES = Object.keys({
  targeted: 0,
  acked: 0,
  pending: 0,
  dead: 0,
  collapsed: 0,
  forgotten: 0,
} satisfies Record<State, 0>) as readonly State[]

/** What fails, what is given up, and what became of everything that was for anybody. */
export function measureDeliveries(kernel: Kernel, registry: Registry): void {
  measureFailures(kernel, registry)
  measureDeadLetters(kernel, registry)
  measureLedger(kernel, registry)
  measureCircuits(kernel, registry)
}

function measureFailures({ hooks }: Kernel, registry: Registry): void {
  const failures = new Tally(() => CAUSES)
  hooks.republish.tap((due) => {
    for (const { cause } of due) failures.add(cause)
  })
  const help = 'Attempts that did not succeed, by cause. "silence" and "disconnect" are the link\'s matter.'
  counter(registry, { name: 'delivery_failures_total', help, labels: ['cause'] }, () => failures.samples('cause'))
}

function measureDeadLetters({ hooks, storeStatistics }: Kernel, registry: Registry): void {
  const reasons = new Tally(() => REASONS)
  hooks.deadLetter.tap(({ reason }) => reasons.add(reason))
  const help = 'Deliveries that were given up, by reason; of a forgotten recipient, each that waited for it.'
  counter(registry, { name: 'dead_letters_total', help, labels: ['reason'] }, () => [
    ...reasons.samples('reason'),
    ...Object.entries(storeStatistics().givenUp).map(([reason, value]) => ({ labels: { reason }, value })),
  ])
  const kept = 'Dead letters that are kept, to be replayed or discarded.'
  gauge(registry, { name: 'dead_letters', help: kept }, () => single(storeStatistics().dead))
}

function measureLedger({ ledger }: Kernel, registry: Registry): void {
  const help = 'Deliveries to all recipients: targeted = acked + pending + dead + collapsed + forgotten.'
  gauge(registry, { name: 'deliveries', help, labels: ['state'] }, () => {
    const rows = ledger()
    return STATES.map((state) => ({ labels: { state }, value: rows.reduce((sum, row) => sum + row[state], 0) }))
  })
}

/** At zero where nothing breaks circuits. */
function measureCircuits({ find, messageTypes }: Kernel, registry: Registry): void {
  const help = 'Recipients to which a type is not sent for now, because whatever handles it there fails.'
  gauge(registry, { name: 'delivery_circuits_open', help, labels: ['type'] }, () => {
    const open = new Tally(messageTypes)
    for (const { type } of find('circuits')?.open ?? []) open.add(type)
    return open.samples('type')
  })
  const openings = 'Times that a type was found to fail at a recipient, so that it was sent no more for a while.'
  counter(registry, { name: 'delivery_circuit_openings_total', help: openings }, () =>
    single(find('circuits')?.openings ?? 0),
  )
}
