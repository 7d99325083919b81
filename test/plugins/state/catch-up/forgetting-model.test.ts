import { expect } from 'chai'
import fc from 'fast-check'
import type { StateEntry } from '../../../../core/index.ts'
import { KEEP_MS, Model, type Step, type What } from './forgetting-model.ts'
import { contents } from './support.ts'

const COUNT = 3
const who = fc.nat({ max: COUNT - 1 })
const key = fc.nat({ max: 2 })
const what = fc.constantFrom<What>('set', 'delete', 'delete', 'member', 'unmember')
/** Some are as old as a client may stamp them. */
const age = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 2 * KEEP_MS }) })

const step = (...others: readonly Step['do'][]): fc.Arbitrary<Step> => {
  const write = fc.record({ do: fc.constant('write' as const), at: who, key, what, age })
  const deliver = fc.record({ do: fc.constant('deliver' as const), write: fc.nat({ max: 12 }), to: who })
  const session = fc.record({
    do: fc.constant('session' as const),
    from: who,
    to: who,
    meanwhile: fc.nat({ max: 4 }),
    lost: fc.boolean(),
  })
  const look = fc.record({ do: fc.constant('look' as const), at: who })
  const pass = fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: KEEP_MS }) })
  const calm = fc.record({ do: fc.constant('calm' as const), ms: fc.nat({ max: 2 * KEEP_MS }) })
  const rest = others.map((name) => fc.record({ do: fc.constant(name), at: who }) as fc.Arbitrary<Step>)
  return fc.oneof(
    { weight: 6, arbitrary: write },
    { weight: 4, arbitrary: deliver },
    { weight: 6, arbitrary: session },
    { weight: 3, arbitrary: look },
    { weight: 5, arbitrary: calm },
    { weight: 4, arbitrary: pass },
    ...rest.map((arbitrary) => ({ weight: 2, arbitrary })),
  )
}

async function held(model: Model): Promise<readonly ReadonlyMap<string, StateEntry>[]> {
  return Promise.all(model.instances.map(({ state }) => contents(state)))
}

function assertNothingIsBack(model: Model, state: ReadonlyMap<string, StateEntry>): void {
  for (const { key, member, version } of model.forgotten) {
    const entry = state.get(key)
    if (!entry) continue
    const parts = entry.shape === 'weights' ? entry.members : [{ member: undefined, version: entry.version }]
    const older = parts.filter((part) => {
      // A whole write is undone by a whole deletion; a member by that as well, or by its own removal.
      return part.version < version && (member === undefined || part.member === member)
    })
    expect(older, `${key} ${member ?? ''} was deleted at ${version}`).to.deep.equal([])
  }
}

/** The same runs each time; as many others as `FORGETTING_RUNS` says. */
const { FORGETTING_RUNS } = process.env
const runs = FORGETTING_RUNS ? { numRuns: Number(FORGETTING_RUNS) } : { numRuns: 60, seed: 1 }

describe('forgetting what was deleted, whatever happens in whatever order', () => {
  it('brings nothing back, and all come to hold the same, though some were away, lost everything or came late', async function () {
    this.timeout(300_000)
    const steps = fc.array(step('restart', 'wipe', 'isolate', 'rejoin'), { minLength: 10, maxLength: 60, size: 'max' })
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const model = new Model(COUNT, 2 * KEEP_MS)
        await model.begin()
        await model.run(steps)
        await model.heal()
        const [first, ...others] = await held(model)
        for (const other of others) expect([...other]).to.deep.equal([...(first as typeof other)])
        assertNothingIsBack(model, first as ReadonlyMap<string, StateEntry>)
      }),
      runs,
    )
  })

  it('loses nothing that was let in, as long as nobody is given up or loses what it has', async function () {
    this.timeout(300_000)
    const steps = fc.array(step('restart', 'isolate', 'rejoin'), { minLength: 10, maxLength: 60, size: 'max' })
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const model = new Model(COUNT, Number.POSITIVE_INFINITY)
        await model.begin()
        await model.run(steps)
        await model.heal()
        for (const state of await held(model)) {
          expect([...state.keys()]).to.deep.equal([...model.expected().keys()].sort())
          for (const [key, entry] of model.expected()) expect(liveParts(state.get(key))).to.deep.equal(liveParts(entry))
        }
      }),
      runs,
    )
  })
})

function liveParts(entry: StateEntry | undefined): unknown {
  return entry?.shape === 'weights' ? entry.members.filter(({ weight }) => weight !== null) : entry
}
