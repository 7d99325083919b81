import { Histogram, type Registry } from 'prom-client'
import { type Acknowledgement, type Kernel, type NackCode, Stage } from '../../../core/index.ts'
import { counter, single } from './series.ts'
import { Tally } from './tally.ts'

/** Seconds, from a commit on a fast disk to one on a machine in trouble. */
const PERSIST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
/** Seconds, from a neighbour in the same rack to one that was away for a day. */
const DELIVERY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600, 86_400]

/** The compiler holds this table to the codes of the protocol. */
const CODES = Object.keys({
  INVALID_JSON: 0,
  INVALID_MESSAGE: 0,
  UNKNOWN_TYPE: 0,
  TOO_LARGE: 0,
  TOO_DEEP: 0,
  UNAUTHENTICATED: 0,
  FORBIDDEN: 0,
  CONFLICT: 0,
  EXPIRED: 0,
  STALE: 0,
  HOP_LIMIT: 0,
  CLOCK_SKEW: 0,
  BUSY: 0,
  STORE_UNAVAILABLE: 0,
  TIMEOUT: 0,
  NO_RESPONDERS: 0,
  INTERNAL: 0,
} satisfies Record<NackCode, 0>)

/** What becomes of messages, counted and timed. */
export function measureTraffic(kernel: Kernel, registry: Registry): void {
  measureArrivals(kernel, registry)
  measureStored(kernel, registry)
  measureSendings(kernel, registry)
}

function measureArrivals({ hooks, messageTypes }: Kernel, registry: Registry): void {
  const received = new Tally(messageTypes)
  const refused = new Tally(() => CODES)
  let corrected = 0
  hooks.onReceive.tap(
    ({ type }) => {
      received.add(type)
      return undefined
    },
    { stage: Stage.LIMITS },
  )
  hooks.refused.tap(({ code }) => refused.add(code))
  hooks.corrected.tap((_, members) => {
    corrected += members.length
  })
  const name = 'messages_received_total'
  counter(
    registry,
    {
      name,
      help: 'Messages that came in and could be read; on linked connections without ACKs, NACKs and HELLO.',
      labels: ['type'],
    },
    () => received.samples('type'),
  )
  const help = 'Frames and messages that were not kept, by the code of their NACK.'
  counter(registry, { name: 'refused_total', help, labels: ['code'] }, () => refused.samples('code'))
  const madeUp = 'Members by which a publisher made claims about the way of its message; they were replaced.'
  counter(registry, { name: 'corrected_total', help: madeUp }, () => single(corrected))
}

function measureStored(kernel: Kernel, registry: Registry): void {
  const local = new Tally(kernel.messageTypes)
  const remote = new Tally(kernel.messageTypes)
  let duplicates = 0
  const seconds = new Histogram({
    name: 'slipstream_persist_seconds',
    help: 'Time from the arrival of a message to its acknowledgement, when it is on disk.',
    buckets: PERSIST_BUCKETS,
    registers: [registry],
  })
  const stored = ({ message, type, arrivedAt }: Acknowledgement, now: number) => {
    const origin = message?.originInstanceId === kernel.instanceId ? local : remote
    origin.add(type)
    seconds.observe((now - arrivedAt) / 1000)
  }
  kernel.hooks.ack.tap((acknowledgements) => {
    const now = kernel.runtime.monotonic()
    for (const one of acknowledgements) {
      if (one.status === 'stored') stored(one, now)
      else duplicates++
    }
  })
  const help = 'Messages that were stored here, by type and by where they entered: here, or at another instance.'
  counter(registry, { name: 'messages_processed_total', help, labels: ['type', 'origin'] }, () => [
    ...local.samples('type', { origin: 'local' }),
    ...remote.samples('type', { origin: 'remote' }),
  ])
  const again = 'Messages that were here already; they were acknowledged again.'
  counter(registry, { name: 'duplicates_total', help: again }, () => single(duplicates))
}

function measureSendings({ hooks, runtime, messageTypes }: Kernel, registry: Registry): void {
  const forwarded = new Tally(messageTypes)
  let repeated = 0
  let settled = 0
  const seconds = new Histogram({
    name: 'slipstream_delivery_seconds',
    help: 'Time from receiving a message to the acknowledgement of one of its recipients, by the wall clock.',
    buckets: DELIVERY_BUCKETS,
    registers: [registry],
  })
  hooks.forwarded.tap((forwardings) => {
    for (const { message, sends } of forwardings) {
      if (sends === 1) forwarded.add(message.type)
      else repeated++
    }
  })
  hooks.settled.tap(({ message }) => {
    settled++
    seconds.observe(Math.max(0, runtime.now() - message.receivedAt) / 1000)
  })
  const help = 'Deliveries that went out, without those that went out again after an attempt that did not succeed.'
  counter(registry, { name: 'messages_forwarded_total', help, labels: ['type'] }, () => forwarded.samples('type'))
  const again = 'Deliveries that went out again after an attempt that did not succeed.'
  counter(registry, { name: 'republish_total', help: again }, () => single(repeated))
  const done = 'Deliveries that their recipients acknowledged.'
  counter(registry, { name: 'acks_total', help: done }, () => single(settled))
}
