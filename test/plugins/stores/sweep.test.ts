import { expect } from 'chai'
import fc from 'fast-check'
import { type Shelf, type Shelved, Sweep } from '../../../plugins/stores/sweep.ts'

const SPACES = new Map([
  ['SK', 'state'],
  ['SA', 'state'],
  ['rate', 'rate'],
])

interface Write {
  readonly type: string
  readonly orderingKey: string
  readonly version: string
  readonly targetedTags: readonly string[] | undefined
  readonly targetInstanceId: string | undefined
  readonly expiresAt: number | undefined
}

const write: fc.Arbitrary<Write> = fc.record({
  type: fc.constantFrom('SK', 'SK', 'SA', 'rate', 'SW'),
  orderingKey: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  version: fc.integer({ min: 100, max: 130 }).map(String),
  targetedTags: fc.constantFrom(undefined, undefined, ['eu'], ['us']),
  targetInstanceId: fc.constantFrom(undefined, undefined, 'aws'),
  expiresAt: fc.constantFrom(undefined, undefined, undefined, 1),
})

/** A backlog in memory, in which the first place is 1. */
class TestShelf implements Shelf {
  readonly written: readonly Write[]
  readonly waiting: Map<number, Shelved>
  readonly removed: number[] = []

  constructor(writes: readonly Write[]) {
    this.written = writes
    this.waiting = new Map(
      writes.map((one, index) => [index + 1, { seq: index + 1, type: one.type, text: JSON.stringify(one) }]),
    )
  }

  last(): number {
    return Math.max(0, ...this.waiting.keys())
  }

  read(after: number, limit: number): readonly Shelved[] {
    return [...this.waiting.values()].filter(({ seq }) => seq > after).slice(0, limit)
  }

  at(seq: number): Shelved | undefined {
    return this.waiting.get(seq)
  }

  remove(seq: number): void {
    expect(this.waiting.delete(seq), 'what is removed waited').to.equal(true)
    this.removed.push(seq)
  }

  writeAt(seq: number): Write {
    return this.written[seq - 1] as Write
  }

  /** Those that wait, by what they may replace. */
  groups(): Map<string, Write[]> {
    const groups = new Map<string, Write[]>()
    for (const seq of this.waiting.keys()) {
      const one = this.writeAt(seq)
      if (SPACES.has(one.type)) groups.set(groupOf(one), [...(groups.get(groupOf(one)) ?? []), one])
    }
    return groups
  }
}

function groupOf({ type, orderingKey, targetedTags, targetInstanceId }: Write): string {
  return `${SPACES.get(type)} ${orderingKey} ${targetedTags ?? ''} ${targetInstanceId ?? ''}`
}

function run(sweep: Sweep, shelf: TestShelf, limit: number, between: () => void = () => {}): number {
  let count = 0
  for (let steps = 0; ; steps++) {
    if (steps > 10_000) throw new Error('does not end')
    const { deliveries, done } = sweep.step(shelf, SPACES, limit)
    count += deliveries
    if (done) return count
    between()
  }
}

describe('a sweep through a backlog', () => {
  it('leaves the greatest version of each group, however few groups it can remember, and nothing else is gone', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom(1, 2, 5, 1_000),
        (writes, limit, maxGroups) => {
          const shelf = new TestShelf(writes)
          expect(run(new Sweep(maxGroups), shelf, limit)).to.equal(writes.length - shelf.waiting.size)
          for (const seq of shelf.removed) {
            const gone = shelf.writeAt(seq)
            const left = shelf.groups().get(groupOf(gone)) ?? []
            expect(left.some(({ version, expiresAt }) => expiresAt === undefined && version > gone.version)).to.equal(
              true,
            )
          }
          for (const group of shelf.groups().values()) {
            const lasting = group.filter(({ expiresAt }) => expiresAt === undefined).map(({ version }) => version)
            expect(new Set(lasting).size).to.be.at.most(1)
          }
          const order = [...shelf.waiting.keys()]
          expect(order).to.deep.equal([...order].sort((one, other) => one - other))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('takes away nothing without a newer one that still waits, or was settled after it had been met', () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 60 }), fc.array(fc.nat(), { maxLength: 60 }), (writes, settlements) => {
        const shelf = new TestShelf(writes)
        const remove = shelf.remove.bind(shelf)
        shelf.remove = (seq) => {
          remove(seq)
          const gone = shelf.writeAt(seq)
          const newer = [...(shelf.groups().get(groupOf(gone)) ?? [])].filter(({ version }) => version > gone.version)
          expect(newer.some(({ expiresAt }) => expiresAt === undefined)).to.equal(true)
        }
        const due = [...settlements]
        run(new Sweep(3), shelf, 4, () => {
          const place = due.pop()
          if (place !== undefined) shelf.waiting.delete((place % 60) + 1)
        })
      }),
      { numRuns: 300 },
    )
  })

  it('comes to an end beside a backlog that grows', () => {
    const one: Write = {
      type: 'SK',
      orderingKey: 'a',
      version: '1',
      ...{ targetedTags: undefined, targetInstanceId: undefined, expiresAt: undefined },
    }
    const shelf = new TestShelf(Array.from({ length: 10 }, (_, index) => ({ ...one, orderingKey: `key ${index}` })))
    let last = 10
    const sweep = new Sweep(2)
    run(sweep, shelf, 5, () => {
      last++
      shelf.waiting.set(last, { seq: last, type: 'SW', text: '{}' })
    })
    expect(shelf.removed).to.deep.equal([])
  })
})
