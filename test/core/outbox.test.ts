import { expect } from 'chai'
import { createHooks } from '../../core/hooks.ts'
import type { DueDelivery, Forwarding, LanePlaces, RecipientRecord, Store } from '../../core/index.ts'
import { DEFAULT_PRIORITY } from '../../core/protocol/fields.ts'
import type { Window } from '../../core/protocol/limits.ts'
import { DurableRecipient } from '../../core/recipient.ts'
import { ManualRuntime, settle } from './manual-runtime.ts'
import { delivery, instance, linkTo, RecordingLog, sendingIds } from './support.ts'

const RETRY_DELAY_MS = 5_000

const peer: RecipientRecord = {
  ...{ name: 'b', role: 'instance', tags: [], clusterGroupId: undefined, url: undefined },
  lastSeenAt: 0,
}

/** The outbox of one recipient, with time that the test moves. */
function outboxTo({ stored = [] as number[], mayDeliver = (): boolean => true } = {}) {
  const runtime = new ManualRuntime()
  const hooks = createHooks()
  const decided = new WeakSet<DueDelivery>()
  const store = {
    pending: async (_key: number, after: LanePlaces, { messages }: { messages: number }) =>
      stored
        .filter((seq) => seq > (after[DEFAULT_PRIORITY] ?? 0))
        .slice(0, messages)
        .map((seq) => delivery(seq)),
  } as unknown as Store
  const recipient = new DurableRecipient(
    { ...peer, key: 1, pending: stored.length },
    {
      store,
      runtime,
      hooks,
      log: new RecordingLog(),
      retryDelayMs: RETRY_DELAY_MS,
      isStrict: () => false,
      circuit: () => undefined,
      spaces: () => new Map(),
      decided,
      mayDeliver,
    },
  )
  const due: string[][] = []
  hooks.republish.tap('test', (deliveries) => {
    due.push(deliveries.map(({ delivery: { message }, cause }) => `${message.messageId} ${cause}`))
    for (const one of deliveries) decided.add(one)
    if (deliveries[0]?.cause === 'silence') recipient.outbox.sendAgain(deliveries)
  })
  const forwardings: Forwarding[] = []
  hooks.forwarded.tap('test', (some) => void forwardings.push(...some))
  return { outbox: recipient.outbox, runtime, hooks, due, forwardings }
}

type Subject = ReturnType<typeof outboxTo>

function offer({ outbox }: Subject, ...seqs: number[]): void {
  for (const seq of seqs) outbox.offer(delivery(seq))
  outbox.pump()
}

/** Links it, and resolves to the list of what is sent on that link: the ids of messages, each padded to that size. */
async function link({ outbox }: Subject, bytes = 0, window?: Window): Promise<string[]> {
  const { link, near } = linkTo({ instanceId: 'b', role: 'instance' }, (near) => ({
    ...sendingIds(bytes)(near),
    ...(window && { window }),
  }))
  outbox.attach(link)
  await settle()
  return near.sent
}

const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `m-${from + at}`)

describe('an outbox', () => {
  it('sends what is committed, in order', async () => {
    const subject = outboxTo()
    const sent = await link(subject)
    offer(subject, 1, 2, 3)
    expect(sent).to.deep.equal(ids(1, 3))
    expect(subject.forwardings.map(({ sends }) => sends)).to.deep.equal([1, 1, 1])
  })

  it('has 64 messages in flight at most, and sends the next for each that is acknowledged', async () => {
    const subject = outboxTo()
    const sent = await link(subject)
    offer(subject, ...Array.from({ length: 100 }, (_, at) => at + 1))
    expect(sent).to.deep.equal(ids(1, 64))
    subject.outbox.settle('m-5')
    subject.outbox.pump()
    expect(sent).to.deep.equal(ids(1, 65))
    expect(subject.outbox.inFlight).to.equal(64)
    expect(subject.outbox.pending).to.equal(99)
  })

  it('has a megabyte in flight at most, but always one message', async () => {
    const subject = outboxTo()
    const sent = await link(subject, 600 * 1024)
    offer(subject, 1, 2, 3)
    expect(sent).to.have.length(2)
    subject.outbox.settle('m-1')
    subject.outbox.settle('m-2')
    subject.outbox.pump()
    expect(sent).to.have.length(3)

    const large = outboxTo()
    const each = await link(large, 2 * 1024 * 1024)
    offer(large, 1, 2)
    expect(each).to.have.length(1)
  })

  it('has as much in flight as the recipient grants, and nothing when it grants nothing', async () => {
    for (const [messages, bytes, expected] of [
      [100, 1024, 100],
      [200, 18, 6],
      [1, 1, 1],
      [3, 0, 1],
      [0, 1024, 0],
      [9_000, 9_000_000, 2_048],
    ] as const) {
      const subject = outboxTo()
      const sent = await link(subject, 3, { messages, bytes })
      offer(subject, ...Array.from({ length: expected + 1 }, (_, at) => at + 1))
      expect(sent).to.have.length(expected)
    }
  })

  it('sends nothing, and lets nothing become due, while there is no link', async () => {
    const subject = outboxTo()
    offer(subject, 1, 2)
    await subject.runtime.advance(3_600_000)
    expect(subject.due).to.deep.equal([])
    expect(subject.runtime.timers).to.deep.equal([])
    expect(await link(subject)).to.deep.equal(ids(1, 2))
  })

  it('sends again on the next link what was in flight, first and in its old order', async () => {
    const subject = outboxTo()
    await link(subject)
    offer(subject, 1, 2, 3)
    subject.outbox.settle('m-2')
    subject.outbox.detach()
    offer(subject, 4)
    expect(await link(subject)).to.deep.equal(['m-1', 'm-3', 'm-4'])
  })

  it('acknowledges only what is in flight', async () => {
    const subject = outboxTo()
    offer(subject, 1)
    expect(subject.outbox.settle('m-1')).to.equal(undefined)
    await link(subject)
    expect(subject.outbox.settle('m-2')).to.equal(undefined)
    expect(subject.outbox.settle('m-1')?.seq).to.equal(1)
    expect(subject.outbox.settle('m-1')).to.equal(undefined)
    expect(subject.outbox.pending).to.equal(0)
  })

  it('declares due what was not acknowledged within the retry delay, once; after another delay it closes the link', async () => {
    const subject = outboxTo()
    const { link, near } = linkTo({ instanceId: 'b', role: 'instance' }, sendingIds())
    subject.outbox.attach(link)
    offer(subject, 1, 2)
    await subject.runtime.advance(RETRY_DELAY_MS - 1)
    expect(subject.due).to.deep.equal([])
    await subject.runtime.advance(1)
    expect(subject.due).to.deep.equal([['m-1 silence', 'm-2 silence']])
    await subject.runtime.advance(RETRY_DELAY_MS)
    expect(subject.due).to.have.length(1)
    expect(near.ending).to.include({ code: 1013 })
    expect(near.sent).to.deep.equal([...ids(1, 2), ...ids(1, 2)])
    expect(subject.forwardings.map(({ sends }) => sends)).to.deep.equal([1, 1, 2, 2])
  })

  it('blames nobody whom this side does not read from: the time to answer begins anew when it listens again', async () => {
    const subject = outboxTo()
    const { link, near } = linkTo({ instanceId: 'b', role: 'instance' }, sendingIds())
    subject.outbox.attach(link)
    offer(subject, 1, 2, 3)
    subject.outbox.settle('m-2')
    await subject.runtime.advance(RETRY_DELAY_MS - 1)
    link.pause()
    await subject.runtime.advance(3_600_000)
    expect(subject.due).to.deep.equal([])
    link.resume(subject.runtime.monotonic())
    await subject.runtime.advance(RETRY_DELAY_MS - 1)
    expect(subject.due).to.deep.equal([])
    await subject.runtime.advance(1)
    expect(subject.due).to.deep.equal([['m-1 timeout'], ['m-3 silence']])
    expect(near.ending).to.equal(undefined)
  })

  it('sends nothing new while what becomes of it cannot be written down', async () => {
    let mayDeliver = false
    const subject = outboxTo({ mayDeliver: () => mayDeliver })
    const sent = await link(subject)
    offer(subject, 1, 2)
    expect(sent).to.deep.equal([])
    mayDeliver = true
    subject.outbox.pump()
    expect(sent).to.deep.equal(ids(1, 2))
  })

  it('sends nothing more on a link that it has given up', async () => {
    const subject = outboxTo()
    await link(subject)
    offer(subject, 1)
    await subject.runtime.advance(2 * RETRY_DELAY_MS)
    offer(subject, 2)
    expect(subject.forwardings.map(({ message }) => message.messageId)).to.deep.equal(['m-1', 'm-1'])
    expect(subject.runtime.timers).to.deep.equal([])
    subject.outbox.detach()
    expect(await link(subject)).to.deep.equal(ids(1, 2))
  })

  it('gives the rest another full delay with each acknowledgement', async () => {
    const subject = outboxTo()
    await link(subject)
    offer(subject, 1, 2, 3)
    await subject.runtime.advance(RETRY_DELAY_MS - 1)
    subject.outbox.settle('m-1')
    await subject.runtime.advance(RETRY_DELAY_MS - 1)
    expect(subject.due).to.deep.equal([])
    await subject.runtime.advance(1)
    expect(subject.due).to.deep.equal([['m-2 silence', 'm-3 silence']])
  })

  it('lets nothing become due when all is acknowledged, and then sets no alarm any more', async () => {
    const subject = outboxTo()
    await link(subject)
    offer(subject, 1)
    subject.outbox.settle('m-1')
    await subject.runtime.advance(3_600_000)
    expect(subject.due).to.deep.equal([])
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('brings after a restart what waited in the store, before anything newer', async () => {
    const stored = Array.from({ length: 300 }, (_, at) => at + 1)
    const subject = outboxTo({ stored })
    const sent = await link(subject)
    stored.push(301)
    offer(subject, 301)
    for (let seq = 1; seq <= 301; seq++) {
      subject.outbox.settle(`m-${seq}`)
      subject.outbox.pump()
      await settle()
    }
    expect(sent).to.deep.equal(ids(1, 301))
    expect(subject.outbox.pending).to.equal(0)
  })

  it('holds a message back while another of the same id is in flight, for an ACK names no more than that', async () => {
    const subject = outboxTo()
    const sent = await link(subject)
    subject.outbox.offer(delivery(1, { messageId: 'same', clusterGroupId: 'one' }))
    subject.outbox.offer(delivery(2, { messageId: 'same', clusterGroupId: 'other' }))
    subject.outbox.offer(delivery(3))
    subject.outbox.pump()
    expect(sent).to.deep.equal(['same'])
    expect(subject.outbox.settle('same')?.seq).to.equal(1)
    subject.outbox.pump()
    expect(sent).to.deep.equal(['same', 'same', 'm-3'])
    expect(subject.outbox.settle('same')?.seq).to.equal(2)
  })

  it('tries again later when the store cannot be read', async () => {
    const subject = outboxTo({ stored: [1] })
    const runtime = new ManualRuntime()
    const log = new RecordingLog()
    let reads = 0
    const store = {
      pending: async () => {
        if (++reads === 1) throw new Error('disk')
        return reads === 2 ? [delivery(1)] : []
      },
    } as unknown as Store
    const frame = () => 'frame'
    const decided = new WeakSet<DueDelivery>()
    const shared = { store, runtime, hooks: subject.hooks, log, retryDelayMs: RETRY_DELAY_MS }
    const may = { isStrict: () => false, mayDeliver: () => true, circuit: () => undefined, spaces: () => new Map() }
    const context = { ...shared, ...may, frame, decided }
    const { outbox } = new DurableRecipient({ ...peer, key: 1, pending: 1 }, context)
    outbox.attach(instance('b'))
    await settle()
    expect(log.records).to.have.length(1)
    expect(log.records[0]).to.deep.include({ level: 'error', event: 'backlog unreadable' })
    await runtime.advance(RETRY_DELAY_MS)
    expect(outbox.inFlight).to.equal(1)
    outbox.close()
  })

  it('leaves no timer behind when it is closed', async () => {
    const subject = outboxTo()
    await link(subject)
    offer(subject, 1)
    subject.outbox.close()
    expect(subject.runtime.timers).to.deep.equal([])
  })
})
