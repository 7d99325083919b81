import { expect } from 'chai'
import { Backlog } from '../../core/backlog.ts'
import type { PendingDelivery, Store } from '../../core/store.ts'
import { settle } from './manual-runtime.ts'
import { delivery } from './support.ts'

/** A store that holds these deliveries, and answers when the test says so. */
function shelf(...seqs: number[]) {
  const stored = seqs.map((seq) => delivery(seq))
  const reads: { readonly after: number; answer(): void }[] = []
  const store = {
    pending: (_key: number, after: number, { messages }: { messages: number }) =>
      new Promise<readonly PendingDelivery[]>((resolve) => {
        const found = stored.filter(({ seq }) => seq > after).slice(0, messages)
        reads.push({ after, answer: () => resolve(found) })
      }),
    recall: async (_key: number, places: readonly number[]) =>
      stored.filter(({ seq }) => places.includes(seq)).sort((one, other) => one.seq - other.seq),
  }
  const backlog = (pending = stored.length) => new Backlog(store as unknown as Store, () => 1, pending)
  return { stored, reads, backlog }
}

async function refilled(backlog: Backlog, reads: { answer(): void }[]): Promise<boolean> {
  const reading = backlog.refill()
  reads.at(-1)?.answer()
  return reading
}

function takeAll(backlog: Backlog): number[] {
  const seqs: number[] = []
  for (let next = backlog.take(); next; next = backlog.take()) seqs.push(next.seq)
  return seqs
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

describe('a backlog', () => {
  it('hands out what is committed in its order, without asking the store', () => {
    const { backlog, reads } = shelf()
    const waiting = backlog()
    for (const seq of [1, 2, 3]) waiting.offer(delivery(seq))
    expect(waiting.wantsRefill).to.equal(false)
    expect(takeAll(waiting)).to.deep.equal([1, 2, 3])
    expect(reads).to.have.length(0)
  })

  it('reads what waited before it was made', async () => {
    const { backlog, reads } = shelf(1, 2, 3)
    const waiting = backlog()
    expect(waiting.wantsRefill).to.equal(true)
    expect(await refilled(waiting, reads)).to.equal(true)
    expect(takeAll(waiting)).to.deep.equal([1, 2, 3])
  })

  it('reads on behind what it has read, until there is nothing left', async () => {
    const { backlog, reads } = shelf(...range(1, 600))
    const waiting = backlog()
    const seqs: number[] = []
    while (waiting.wantsRefill) {
      await refilled(waiting, reads)
      seqs.push(...takeAll(waiting))
    }
    expect(seqs).to.deep.equal(range(1, 600))
    expect(reads.map(({ after }) => after)).to.deep.equal([0, 256, 512, 600])
  })

  it('holds a bounded number; the rest waits in the store and comes in its turn', async () => {
    const { backlog, reads, stored } = shelf()
    const waiting = backlog()
    for (const seq of range(1, 3_000)) {
      stored.push(delivery(seq))
      waiting.offer(delivery(seq))
    }
    const held = takeAll(waiting)
    expect(held).to.deep.equal(range(1, 2_048))
    const rest: number[] = []
    while (waiting.wantsRefill) {
      await refilled(waiting, reads)
      rest.push(...takeAll(waiting))
    }
    expect(rest).to.deep.equal(range(2_049, 3_000))
    expect(waiting.pending).to.equal(3_000)
  })

  it('holds a bounded length of text, taken and given back as often as may be', () => {
    const { backlog } = shelf()
    const waiting = backlog()
    const text = 'x'.repeat(128 * 1024)
    for (const seq of range(1, 7)) waiting.offer(delivery(seq, { text }))
    for (let turn = 0; turn < 20; turn++) waiting.giveBack([waiting.take() as PendingDelivery])
    for (const seq of range(8, 20)) waiting.offer(delivery(seq, { text }))
    expect(takeAll(waiting)).to.deep.equal(range(1, 8))
    expect(waiting.wantsRefill).to.equal(true)
  })

  it('keeps the order when something is committed while it reads', async () => {
    const { backlog, reads, stored } = shelf(1, 2)
    const waiting = backlog()
    const reading = waiting.refill()
    stored.push(delivery(3))
    waiting.offer(delivery(3))
    reads[0]?.answer()
    await reading
    expect(takeAll(waiting)).to.deep.equal([1, 2])
    await refilled(waiting, reads)
    expect(takeAll(waiting)).to.deep.equal([3])
  })

  it('does not hand out twice what it read from the store before it was offered', async () => {
    const { backlog, reads } = shelf(1, 2)
    const waiting = backlog(1)
    await refilled(waiting, reads)
    expect(takeAll(waiting)).to.deep.equal([1, 2])
    await refilled(waiting, reads)
    waiting.offer(delivery(2))
    expect(takeAll(waiting)).to.deep.equal([])
    expect(waiting.pending).to.equal(2)
  })

  it('takes back what could not be brought, in its old place', () => {
    const { backlog } = shelf()
    const waiting = backlog()
    for (const seq of [1, 2, 3, 4]) waiting.offer(delivery(seq))
    const taken = [waiting.take(), waiting.take(), waiting.take()] as PendingDelivery[]
    waiting.giveBack([taken[2] as PendingDelivery, taken[0] as PendingDelivery])
    expect(takeAll(waiting)).to.deep.equal([1, 3, 4])
  })

  it('counts what is neither brought nor settled', () => {
    const { backlog } = shelf()
    const waiting = backlog(5)
    waiting.offer(delivery(6))
    waiting.settled()
    expect(waiting.pending).to.equal(5)
  })

  it('forgets what it held when it is to read anew, and throws away what was being read', async () => {
    const { backlog, reads, stored } = shelf(1, 2)
    const waiting = backlog()
    const early = waiting.refill()
    stored.splice(0, 2, delivery(2), delivery(5))
    waiting.reload(2)
    const again = waiting.refill()
    reads[1]?.answer()
    await again
    reads[0]?.answer()
    await early
    await settle()
    expect(takeAll(waiting)).to.deep.equal([2, 5])
  })

  it('can read again after the store failed', async () => {
    const { stored } = shelf(1)
    let fails = true
    const store = {
      pending: async () => {
        if (fails) throw new Error('disk')
        return stored
      },
    }
    const waiting = new Backlog(store as unknown as Store, () => 1, 1)
    const failure = await waiting.refill().catch((error: Error) => error.message)
    expect(failure).to.equal('disk')
    fails = false
    expect(waiting.wantsRefill).to.equal(true)
    await waiting.refill()
    expect(takeAll(waiting)).to.deep.equal([1])
  })

  it('brings what is revived: first what it has read past, the rest in its turn', async () => {
    const { backlog, reads, stored } = shelf(2, 3)
    const waiting = backlog()
    await refilled(waiting, reads)
    expect(takeAll(waiting)).to.deep.equal([2, 3])
    waiting.settled()
    waiting.settled()
    stored.push(delivery(1), delivery(9))
    waiting.awaitRevival()
    waiting.revive([1, 9])
    expect(waiting.pending).to.equal(2)
    expect(waiting.wantsRefill).to.equal(true)
    await waiting.refill()
    expect(takeAll(waiting)).to.deep.equal([1])
    expect(waiting.pending).to.equal(2)
    await refilled(waiting, reads)
    expect(takeAll(waiting)).to.deep.equal([9])
  })

  it('puts what is revived in front of what is younger', async () => {
    const { backlog, stored } = shelf()
    const waiting = backlog()
    for (const seq of range(1, 5)) waiting.offer(delivery(seq))
    expect(takeAll(waiting)).to.deep.equal(range(1, 5))
    waiting.offer(delivery(6))
    stored.push(delivery(2), delivery(4))
    waiting.revive([2, 4])
    await waiting.refill()
    expect(takeAll(waiting)).to.deep.equal([2, 4, 6])
  })

  it('holds a bounded number of what is revived, and brings all of it in its order', async () => {
    const { backlog, stored } = shelf()
    const waiting = backlog()
    for (const seq of range(1, 2_048)) waiting.offer(delivery(seq))
    takeAll(waiting)
    for (const _ of range(1, 2_048)) waiting.settled()
    const characters = 8 * 1024
    for (const seq of range(1, 500)) stored.push(delivery(seq, { text: 'x'.repeat(characters) }))
    // Asked for in any order; those at which nothing waits by then are passed.
    for (const places of [[7, 900], range(1, 400), range(200, 500)]) waiting.revive(places)
    expect(waiting.pending).to.equal(501)
    const seqs: number[] = []
    while (waiting.pending > seqs.length || waiting.wantsRefill) {
      while (waiting.wantsRefill) await waiting.refill()
      const batch = takeAll(waiting)
      expect(batch.length * characters).to.be.lessThan(2 * 1024 * 1024)
      seqs.push(...batch)
    }
    expect(seqs).to.deep.equal(range(1, 500))
  })

  it('reads nothing while it is open what is revived, and throws away what it was reading', async () => {
    const { backlog, reads, stored } = shelf(1)
    const waiting = backlog()
    const early = waiting.refill()
    waiting.awaitRevival()
    expect(waiting.wantsRefill).to.equal(false)
    stored.push(delivery(5))
    reads[0]?.answer()
    await early
    waiting.revive([5])
    const seqs: number[] = []
    while (waiting.wantsRefill) {
      await refilled(waiting, reads)
      seqs.push(...takeAll(waiting))
    }
    expect(seqs).to.deep.equal([1, 5])
  })

  it('reads those anew that were taken, and leaves out what is gone', async () => {
    const { backlog } = shelf(1, 3)
    expect((await backlog().recall([1, 2, 3])).map(({ seq }) => seq)).to.deep.equal([1, 3])
  })
})
