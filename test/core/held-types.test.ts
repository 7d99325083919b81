import { expect } from 'chai'
import type { HeldTypes } from '../../core/held-types.ts'
import { createHooks } from '../../core/hooks.ts'
import {
  DEFAULT_PRIORITY,
  type DueDelivery,
  type LanePlaces,
  type PendingDelivery,
  type Store,
} from '../../core/index.ts'
import { DurableRecipient } from '../../core/recipient.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { delivery, linkTo, RecordingLog, sendingIds } from './support.ts'

const BOUND = 100_000

/** The outbox of one linked recipient, over a store that answers at once, or when the test lets it. */
function outboxTo({ strict = false } = {}) {
  const runtime = new ManualRuntime()
  const stored = new Map<number, PendingDelivery>()
  const gate = { closed: false, open: () => {} }
  const answer = async <Found>(found: () => Found): Promise<Found> => {
    if (gate.closed) await new Promise<void>((resolve) => (gate.open = resolve))
    return found()
  }
  const inOrder = () => [...stored.values()].sort((one, other) => one.seq - other.seq)
  const store = {
    pending: (_: number, after: LanePlaces, { messages }: { messages: number }) =>
      answer(() => inOrder().filter(({ seq, lane }) => seq > (after[lane] ?? 0))).then((found) =>
        found.slice(0, messages),
      ),
    recall: (_: number, seqs: readonly number[]) =>
      answer(() => seqs.flatMap((seq) => stored.get(seq) ?? []).sort((one, other) => one.seq - other.seq)),
  } as unknown as Store
  const hooks = createHooks()
  const decided = new WeakSet<DueDelivery>()
  const recipient = new DurableRecipient(
    { name: 'b', role: 'instance', tags: [], clusterGroupId: undefined, url: undefined, key: 1, ...unseen },
    {
      ...{ store, runtime, hooks, log: new RecordingLog(), retryDelayMs: 5_000 },
      isStrict: () => strict,
      mayDeliver: () => true,
      circuit: () => undefined,
      spaces: () => new Map(),
      decided,
    },
  )
  const { outbox } = recipient
  // Whatever fails waits again, as behind a circuit that is open.
  hooks.republish.tap('test', (due) => {
    for (const one of due) {
      decided.add(one)
      outbox.wait(one.delivery)
    }
  })
  const fail = (messageId: string) => outbox.refuse(messageId, { retryable: true, error: '' })
  const { link, near } = linkTo({ instanceId: 'b', role: 'instance' }, sendingIds())
  outbox.attach(link)
  /** Lets everything come to rest that needs no time. */
  const rest = async () => {
    for (let turn = 0; turn < 4; turn++) await runtime.turn()
  }
  const offer = (type: string, ...seqs: number[]) => offerIn(DEFAULT_PRIORITY, type, ...seqs)
  const offerIn = (lane: number, type: string, ...seqs: number[]) => {
    for (const seq of seqs) {
      const one = delivery(seq, { type, messageId: `${seq}`, ...(strict && { orderingKey: 'key' }) }, { lane })
      stored.set(seq, one)
      outbox.offer(one)
    }
    outbox.pump()
  }
  const ack = async (...seqs: number[]) => {
    for (const seq of seqs) {
      const settled = outbox.settle(`${seq}`)
      if (settled) stored.delete(seq)
      outbox.pump()
    }
    await rest()
  }
  return { outbox, held: outbox.held as HeldTypes, sent: near.sent, stored, gate, rest, offer, offerIn, ack, fail }
}

const unseen = { pending: 0, lastSeenAt: 0 }
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const names = (...seqs: number[]) => seqs.map(String)

describe('held types', () => {
  it('wait, and everything else goes', () => {
    const { held, sent, offer, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2)
    offer('SA', 3)
    expect(sent).to.deep.equal(names(3))
    expect([outbox.pending, held.waiting('SK'), held.waiting('SA')]).to.deep.equal([3, 2, 0])
  })

  it('leave in flight what is in flight, and wait for nothing once it is acknowledged', async () => {
    const { held, sent, offer, ack, outbox } = outboxTo()
    offer('SK', 1)
    held.hold('SK')
    await ack(1)
    held.release('SK')
    offer('SK', 2)
    expect(sent).to.deep.equal(names(1, 2))
    expect(outbox.pending).to.equal(1)
  })

  it('go in their old order once they are released, before what came later', async () => {
    const { held, sent, offer, ack, rest, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 300))
    held.release('SK')
    offer('SK', ...range(301, 310))
    await rest()
    // No more than the window, and as many again, are in memory.
    expect(held.waiting('SK')).to.equal(310 - 2 * 64)
    for (const seq of range(1, 310)) await ack(seq)
    expect(sent).to.deep.equal(names(...range(1, 310)))
    expect(outbox.pending).to.equal(0)
  })

  it('are probed and released by their lanes first, and in each in their old order', async () => {
    const { held, sent, offer, offerIn, ack, rest } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 200))
    offerIn(9, 'SK', 201, 202)
    offerIn(0, 'SK', 203)
    held.probe('SK')
    await rest()
    expect(sent).to.deep.equal(names(201))
    offerIn(9, 'SK', 204)
    held.release('SK')
    await rest()
    for (const seq of [201, 202, 204, ...range(1, 200)]) await ack(seq)
    expect(sent).to.deep.equal(names(201, 202, 204, ...range(1, 200), 203))
  })

  it('let nothing new pass those that are being read, however long the store takes', async () => {
    const { held, sent, offer, rest, gate } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2)
    gate.closed = true
    held.release('SK')
    offer('SK', 3)
    offer('SA', 4)
    await rest()
    expect(sent).to.deep.equal(names(4))
    gate.closed = false
    gate.open()
    await rest()
    expect(sent).to.deep.equal(names(4, 1, 2, 3))
  })

  it('are held again in the middle of their release', async () => {
    const { held, sent, offer, ack, rest } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 200))
    held.release('SK')
    await rest()
    held.hold('SK')
    await ack(...range(1, 64))
    const before = sent.length
    expect(before).to.equal(64)
    held.release('SK')
    await rest()
    for (const seq of range(65, 200)) await ack(seq)
    expect(sent).to.deep.equal(names(...range(1, 200)))
  })

  it('let exactly one go as a probe, another one each time, and each again when all were tried', async () => {
    const { held, sent, offer, rest, fail } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2, 3)
    const probes: (string | undefined)[] = []
    for (let turn = 0; turn < 4; turn++) {
      held.probe('SK')
      held.probe('SK')
      await rest()
      probes.push(sent.at(-1))
      expect(sent).to.have.length(turn + 1)
      fail(sent.at(-1) as string)
      await rest()
    }
    expect(probes).to.deep.equal(names(1, 2, 3, 1))
  })

  it('end a probe when they are held again, though it was to go once more', async () => {
    const { held, sent, offer, rest, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2)
    held.probe('SK')
    await rest()
    outbox.refuse('1', { retryable: true, error: 'BUSY', busyMs: 1 })
    held.hold('SK')
    await rest()
    outbox.detach()
    outbox.attach(linkTo({ instanceId: 'b', role: 'instance' }, sendingIds()).link)
    await rest()
    expect(sent).to.deep.equal(names(1))
    expect(held.waiting('SK')).to.equal(2)
  })

  it('send as a probe one that comes back, when none waited before', async () => {
    const { held, sent, offer, rest, fail } = outboxTo()
    offer('SK', 1, 2)
    held.hold('SK')
    held.probe('SK')
    fail('2')
    await rest()
    expect(sent).to.deep.equal(names(1, 2, 2))
    fail('1')
    await rest()
    expect(sent).to.have.length(3)
  })

  it('are probed no more once the probe is acknowledged', async () => {
    const { held, sent, offer, ack, rest } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2, 3)
    held.probe('SK')
    await rest()
    await ack(1)
    expect(sent).to.deep.equal(names(1))
    held.probe('SK')
    await rest()
    expect(sent).to.deep.equal(names(1, 2))
  })

  it('are released while the probe is being read, and nothing is lost or sent twice', async () => {
    const { held, sent, offer, rest, gate, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', 1, 2)
    gate.closed = true
    held.probe('SK')
    held.release('SK')
    offer('SK', 3)
    gate.closed = false
    gate.open()
    await rest()
    expect(sent).to.deep.equal(names(1, 2, 3))
    expect(outbox.pending).to.equal(3)
  })

  it('let nothing new pass the probe that is being read, though it was the only one that waited', async () => {
    const { held, sent, offer, rest, gate } = outboxTo()
    held.hold('SK')
    offer('SK', 1)
    gate.closed = true
    held.probe('SK')
    held.release('SK')
    offer('SK', 2)
    expect(sent).to.deep.equal([])
    gate.open()
    await rest()
    gate.closed = false
    gate.open()
    await rest()
    expect(sent).to.deep.equal(names(1, 2))
  })

  it('stay held when all is read anew, and the probe that was out goes anew', async () => {
    const { held, sent, offer, rest, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 10))
    held.probe('SK')
    await rest()
    outbox.reload(10)
    await rest()
    expect(sent).to.deep.equal(names(1, 1))
    expect([held.waiting('SK'), outbox.pending]).to.deep.equal([9, 10])
  })

  it('send another probe when all is read anew and the one that was out is gone', async () => {
    const { held, sent, offer, rest, stored, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 10))
    held.probe('SK')
    await rest()
    stored.delete(1)
    outbox.reload(9)
    await rest()
    expect(sent).to.deep.equal(names(1, 2))
  })

  it('are released for good when all is read anew in the middle of it', async () => {
    const { held, sent, offer, rest, gate, outbox } = outboxTo()
    held.hold('SK')
    offer('SK', ...range(1, 10))
    gate.closed = true
    held.release('SK')
    const openRelease = gate.open
    gate.closed = false
    outbox.reload(10)
    openRelease()
    await rest()
    expect(sent).to.deep.equal(names(...range(1, 10)))
    expect(outbox.pending).to.equal(10)
  })

  it('keep the key of a strict delivery that waits busy, for all types', async () => {
    const { held, sent, offer, ack, rest } = outboxTo({ strict: true })
    held.hold('SK')
    offer('SK', 1)
    offer('SA', 2)
    expect(sent).to.deep.equal([])
    held.release('SK')
    await rest()
    await ack(1)
    expect(sent).to.deep.equal(names(1, 2))
  })

  it('free the key of a strict delivery that turns out to be gone', async () => {
    const { held, sent, offer, rest, stored, outbox } = outboxTo({ strict: true })
    held.hold('SK')
    offer('SK', 1)
    offer('SA', 2)
    stored.delete(1)
    held.probe('SK')
    await rest()
    expect(sent).to.deep.equal(names(2))
    expect(outbox.pending).to.equal(1)
  })

  it('wait in their hundred thousand; beyond that the recipient is sent nothing more until they go', async () => {
    const { held, sent, offer, ack, rest, outbox } = outboxTo()
    held.hold('SK')
    for (let first = 1; first <= BOUND; first += 1_000) offer('SK', ...range(first, first + 999))
    offer('SA', BOUND + 1)
    expect(sent).to.deep.equal(names(BOUND + 1))
    offer('SK', BOUND + 2)
    offer('SA', BOUND + 3)
    await rest()
    expect(sent).to.have.length(1)
    expect(outbox.pending).to.equal(BOUND + 3)
    held.probe('SK')
    await rest()
    expect(sent).to.deep.equal(names(BOUND + 1, 1, BOUND + 3))
    held.release('SK')
    await ack(BOUND + 1, BOUND + 3)
    for (let next = 1; next <= BOUND; next += 60) await ack(...range(next, Math.min(next + 59, BOUND)))
    await ack(BOUND + 2)
    expect(sent.slice(3)).to.deep.equal(names(...range(2, BOUND), BOUND + 2))
    expect(outbox.pending).to.equal(0)
  }).timeout(60_000)
})
