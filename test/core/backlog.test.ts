import { expect } from 'chai'
import { Backlog } from '../../core/backlog.ts'
import { DEFAULT_PRIORITY } from '../../core/protocol/fields.ts'
import type { LanePlaces, PendingDelivery, Store } from '../../core/store.ts'
import { settle } from './manual-runtime.ts'
import { delivery } from './support.ts'

/** A store that holds these deliveries, and answers when the test says so. */
function shelf(...seqs: number[]) {
  const stored = seqs.map((seq) => delivery(seq))
  const reads: { readonly after: LanePlaces; answer(): void }[] = []
  const store = {
    pending: (_key: number, after: LanePlaces, { messages }: { messages: number }) =>
      new Promise<readonly PendingDelivery[]>((resolve) => {
        const found = stored.filter(({ seq, lane }) => seq > (after[lane] ?? 0))
        found.sort((one, other) => other.lane - one.lane || one.seq - other.seq)
        reads.push({ after, answer: () => resolve(found.slice(0, messages)) })
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
    expect(reads.map(({ after }) => after[DEFAULT_PRIORITY])).to.deep.equal([0, 256, 512, 600])
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
    expect(waiting.pending).to.equal(2)
    // In whose lane the other one waits is not known before it is read.
    expect(takeAll(waiting)).to.deep.equal([])
    await refilled(waiting, reads)
    expect(takeAll(waiting)).to.deep.equal([1, 9])
    expect(waiting.pending).to.equal(2)
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

  describe('of several lanes', () => {
    const text = 'x'.repeat(1024)
    const urgent = (seq: number) => delivery(seq, {}, { lane: 9 })
    const low = (seq: number) => delivery(seq, {}, { lane: 0 })

    async function drain(waiting: Backlog, reads: { answer(): void }[]): Promise<number[]> {
      const seqs = takeAll(waiting)
      while (waiting.wantsRefill) {
        await refilled(waiting, reads)
        seqs.push(...takeAll(waiting))
      }
      return seqs
    }

    it('hands out the higher lane first, within one in order, without asking the store', () => {
      const { backlog, reads } = shelf()
      const waiting = backlog()
      for (const one of [low(1), delivery(2), urgent(3), delivery(4), urgent(5)]) waiting.offer(one)
      expect(takeAll(waiting)).to.deep.equal([3, 5, 2, 4, 1])
      expect(reads).to.have.length(0)
      expect(waiting.pending).to.equal(5)
    })

    it('takes back what could not be brought into its lane', () => {
      const { backlog } = shelf()
      const waiting = backlog()
      for (const one of [delivery(1), urgent(2), delivery(3), urgent(4)]) waiting.offer(one)
      const taken = [waiting.take(), waiting.take(), waiting.take()] as PendingDelivery[]
      waiting.giveBack(taken.reverse())
      expect(takeAll(waiting)).to.deep.equal([2, 4, 1, 3])
    })

    it('reads what waited before it was made, lane by lane, until there is nothing left', async () => {
      const { backlog, reads, stored } = shelf()
      for (const seq of range(1, 900)) stored.push([low, delivery, urgent][seq % 3]?.(seq) as PendingDelivery)
      const waiting = backlog()
      const seqs = await drain(waiting, reads)
      const of = (rest: number) => range(1, 900).filter((seq) => seq % 3 === rest)
      expect(seqs).to.deep.equal([...of(2), ...of(1), ...of(0)])
      expect(waiting.pending).to.equal(900)
    })

    it('takes nothing from a lane while the store may hold something for a higher one', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      waiting.doubt()
      stored.push(urgent(1))
      waiting.offer(low(2))
      stored.push(low(2))
      expect(waiting.take()).to.equal(undefined)
      expect(waiting.wantsRefill).to.equal(true)
      expect(await drain(waiting, reads)).to.deep.equal([1, 2])
    })

    it('reads what is committed in a higher lane before it is offered, and does not hand it out twice', async () => {
      const { backlog, reads, stored } = shelf(1)
      const waiting = backlog()
      stored.push(urgent(2), delivery(3))
      await refilled(waiting, reads)
      expect(takeAll(waiting)).to.deep.equal([2, 1, 3])
      await refilled(waiting, reads)
      for (const one of [urgent(2), delivery(3)]) waiting.offer(one)
      expect(takeAll(waiting)).to.deep.equal([])
    })

    it('does not miss what is offered in a higher lane while it reads', async () => {
      const { backlog, reads, stored } = shelf(1, 2)
      const waiting = backlog()
      const reading = waiting.refill()
      stored.push(urgent(3))
      waiting.offer(urgent(3))
      reads[0]?.answer()
      await reading
      expect(await drain(waiting, reads)).to.deep.equal([3, 1, 2])
    })

    it('does not hand out twice what is offered in a higher lane while it is being read', async () => {
      const { backlog, reads, stored } = shelf(...range(1, 600))
      const waiting = backlog()
      await refilled(waiting, reads)
      expect(takeAll(waiting)).to.deep.equal(range(1, 256))
      stored.push(urgent(601))
      const reading = waiting.refill()
      waiting.offer(urgent(601))
      reads.at(-1)?.answer()
      await reading
      expect(await drain(waiting, reads)).to.deep.equal([601, ...range(257, 600)])
    })

    it('hands out what comes in a higher lane before what waits in the store', async () => {
      const { backlog, reads, stored } = shelf(...range(1, 600))
      const waiting = backlog()
      await refilled(waiting, reads)
      expect(waiting.take()?.seq).to.equal(1)
      stored.push(urgent(601))
      waiting.offer(urgent(601))
      expect([waiting.take()?.seq, waiting.take()?.seq]).to.deep.equal([601, 2])
      expect(reads).to.have.length(1)
    })

    it('holds a bounded number of all lanes together: the lower one makes room and is read anew', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      const offer = (one: PendingDelivery) => {
        stored.push(one)
        waiting.offer(one)
      }
      for (const seq of range(1, 2_048)) offer(delivery(seq))
      const first = [waiting.take(), waiting.take()] as PendingDelivery[]
      waiting.giveBack(first)
      for (const seq of range(2_049, 2_060)) offer(urgent(seq))
      expect(takeAll(waiting)).to.deep.equal(range(2_049, 2_060).concat(1, 2))
      expect(await drain(waiting, reads)).to.deep.equal(range(3, 2_048))
      expect(reads[0]?.after[DEFAULT_PRIORITY]).to.equal(2)
      expect(waiting.pending).to.equal(2_060)
    })

    it('holds a bounded length of text of all lanes together', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      for (const seq of range(1, 1_024)) stored.push(delivery(seq, { text }))
      for (const one of stored) waiting.offer(one)
      const large = delivery(2_000, { text: text.repeat(1_000) }, { lane: 9 })
      stored.push(large)
      waiting.offer(large)
      expect(takeAll(waiting)).to.deep.equal([2_000])
      expect(await drain(waiting, reads)).to.deep.equal(range(1, 1_024))
    })

    it('lets a refill of a higher lane take the room of the lower ones', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      for (const seq of range(1, 2_000)) {
        stored.push(delivery(seq))
        waiting.offer(delivery(seq))
      }
      for (const seq of range(2_001, 2_256)) stored.push(urgent(seq))
      waiting.doubt()
      await refilled(waiting, reads)
      expect(takeAll(waiting)).to.deep.equal(range(2_001, 2_256))
      expect(await drain(waiting, reads)).to.deep.equal(range(1, 2_000))
      expect(reads.map(({ after }) => after[DEFAULT_PRIORITY]).slice(0, 3)).to.deep.equal([2_000, 0, 256])
    })

    it('brings what is revived into its lane', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      for (const one of [delivery(2), delivery(3)]) waiting.offer(one)
      expect(waiting.take()?.seq).to.equal(2)
      const revived = [delivery(1), urgent(4)]
      stored.push(...revived)
      waiting.revive(revived.map(({ seq }) => seq))
      expect(waiting.pending).to.equal(4)
      expect(await drain(waiting, reads)).to.deep.equal([4, 1, 3])
    })

    it('reads on in a higher lane though there is no room for what is revived', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      waiting.offer(delivery(1))
      expect(waiting.take()?.seq).to.equal(1)
      waiting.settled()
      for (const seq of range(2, 2_050)) {
        stored.push(delivery(seq))
        waiting.offer(delivery(seq))
      }
      stored.push(delivery(1), urgent(3_000))
      waiting.revive([1])
      waiting.doubt()
      const seqs = await drain(waiting, reads)
      expect(seqs[0]).to.equal(3_000)
      expect(seqs.slice(1).sort((one, other) => one - other)).to.deep.equal(range(1, 2_050))
      expect(waiting.pending).to.equal(2_051)
    })

    it('does not hand out twice what is revived and read in its turn', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      for (const seq of range(2, 2_049)) {
        stored.push(delivery(seq))
        waiting.offer(delivery(seq))
      }
      stored.push(urgent(1))
      waiting.revive([1])
      waiting.doubt()
      expect(await drain(waiting, reads)).to.deep.equal(range(1, 2_049))
      expect(waiting.pending).to.equal(2_049)
    })

    it('reads every lane anew when two names were united', async () => {
      const { backlog, reads, stored } = shelf()
      const waiting = backlog()
      for (const one of [urgent(5), low(6)]) waiting.offer(one)
      stored.push(delivery(5), delivery(6))
      waiting.reload(2)
      expect(await drain(waiting, reads)).to.deep.equal([5, 6])
    })
  })
})
