import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { FanOutLog } from '../../core/log.ts'
import { EVERYTHING, StoreTrial } from '../../core/testing/store-trial.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { SqliteStore } from '../../plugins/stores/sqlite/index.ts'
import { LaneModel, type Waiting, type Wish, wish } from '../support/lane-model.ts'

type Step =
  | { readonly act: 'store'; readonly wishes: readonly Wish[] }
  | { readonly act: 'settle' | 'die'; readonly which: number }
  | { readonly act: 'revive' }
  | { readonly act: 'reopen' }

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ act: fc.constant('store'), wishes: fc.array(wish, { maxLength: 4 }) }) },
    { weight: 5, arbitrary: fc.record({ act: fc.constantFrom('settle', 'die'), which: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constantFrom('revive', 'reopen') }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 25 },
)

const stores = {
  memory: () => {
    const store = new MemoryStore()
    return { instance: () => store, destroy: async () => {} }
  },
  sqlite: () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipstream-priorities-'))
    return {
      instance: () => new SqliteStore({ path: join(folder, 'test.db'), maxBytes: 1024 ** 3, log: new FanOutLog() }),
      destroy: () => rm(folder, { recursive: true }),
    }
  },
}

for (const [name, makeStore] of Object.entries(stores)) {
  describe(`priorities in store ${name}`, function () {
    this.timeout(60_000)

    it('are kept as far as no key is reordered, whatever is stored and settled', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (script) => {
          const trial = new StoreTrial(makeStore())
          try {
            await follows(trial, script)
          } finally {
            await trial.end()
          }
        }),
        { numRuns: name === 'memory' ? 300 : 60 },
      )
    })
  })
}

async function follows(trial: StoreTrial, script: readonly Step[]): Promise<void> {
  await trial.open()
  const aws = await trial.recipient('aws')
  const model = new LaneModel()
  const dead: Waiting[] = []
  for (const step of script) {
    if (step.act === 'store') await stored(trial, aws, model, step.wishes)
    else if (step.act === 'reopen') await trial.reopen()
    else if (step.act === 'revive') await revived(trial, model, dead)
    else await gone(trial, aws, model, step, dead)
    const waiting = await trial.store.pending(aws, [], EVERYTHING)
    expect(waiting.map(({ seq, lane }) => [seq, lane])).to.deep.equal(model.order.map(({ seq, lane }) => [seq, lane]))
  }
}

async function stored(trial: StoreTrial, aws: number, model: LaneModel, wishes: readonly Wish[]): Promise<void> {
  const messages = wishes.map(({ priority, key }) =>
    trial.message({ priority, ...(key !== undefined && { orderingKey: key }) }),
  )
  const verdicts = await trial.write(messages, [aws])
  verdicts.forEach((verdict, index) => {
    const one = verdict as Extract<typeof verdict, { readonly status: 'stored' }>
    const lane = model.add(one.seq, wishes[index] as Wish)
    expect(one.lanes?.get(aws) ?? 4).to.equal(lane)
  })
}

async function gone(
  trial: StoreTrial,
  recipient: number,
  model: LaneModel,
  { act, which }: { readonly act: 'settle' | 'die'; readonly which: number },
  dead: Waiting[],
): Promise<void> {
  const { order } = model
  const one = order[which % Math.max(1, order.length)]
  if (!one) return
  model.remove(one.seq)
  if (act === 'settle') return trial.settle({ recipient, seq: one.seq })
  dead.push(one)
  await trial.die([{ recipient, seq: one.seq }])
}

async function revived(trial: StoreTrial, model: LaneModel, dead: Waiting[]): Promise<void> {
  await trial.revive((await trial.dead()).map(({ id }) => id))
  for (const one of dead.splice(0).sort((one, other) => one.seq - other.seq)) model.restore(one)
}
