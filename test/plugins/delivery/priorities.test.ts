import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Plugin, Store } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { LaneModel, type Wish, wish } from '../../support/lane-model.ts'
import { type Answers, bench, RETRY_DELAY_MS } from './support.ts'

declare module '../../../core/index.ts' {
  interface MessageTypes {
    'test.keyless': object
    'test.urgently-applied': { key: string }
  }
}

const acks: Answers = () => 'ACK'
const RETRYABLE = { code: 'STORE_UNAVAILABLE', retryable: true }
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

/** A type whose messages have no ordering key. */
const keyless: Plugin = {
  name: 'keyless',
  apply: (kernel) => kernel.messageType('test.keyless', { schema: { type: 'object', required: [], properties: {} } }),
}

const message = (messageId: string, priority: number, key = messageId) => ({ messageId, key, priority })
const strict = (messageId: string, priority: number, key: string) => ({
  type: 'test.strict',
  ...message(messageId, priority, key),
})

describe('priorities', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-priorities-'))
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  const stores: Readonly<Record<string, () => Store>> = {
    memory: () => new MemoryStore(),
    sqlite: () => new SqliteStore({ path: join(folder, 'test.db'), maxBytes: 1024 ** 3, log: new FanOutLog() }),
  }

  for (const [name, makeStore] of Object.entries(stores)) {
    for (const restarts of [false, true]) {
      const when = restarts ? ' and a restart' : ''
      it(`go between keys and never within one, after an absence${when}, with store ${name}`, async () => {
        const [store, runtime] = [makeStore(), new ManualRuntime()]
        let subject = await bench({ store, runtime })
        const away = await subject.connect('app', acks)
        away.close()
        await subject.publish(...range(1, 1_000).map((n) => message(`m-${n}`, 4, `key-${n}`)))
        await subject.publish(...range(1, 5).map((n) => message(`low-${n}`, 0)))
        await subject.publish(...range(1, 5).map((n) => message(`late-${n}`, 0, `key-${n}`)))
        await subject.publish(...range(1, 20).map((n) => message(`urgent-${n}`, 9)))
        await subject.publish(...range(1, 5).map((n) => message(`held-${n}`, 9, `key-${500 + n}`)))
        await subject.publish(message('last', 9, 'low-3'))
        if (restarts) {
          await subject.end()
          subject = await bench({ store, runtime })
        }
        const app = await subject.connect('app', acks)
        await subject.pass(1_000)
        const named = (name: string, count: number) => range(1, count).map((n) => `${name}-${n}`)
        expect(app.got).to.deep.equal([
          ...named('urgent', 20),
          ...named('m', 1_000),
          ...named('held', 5),
          ...named('low', 5),
          ...named('late', 5),
          'last',
        ])
        expect(subject.sums()).to.include({ targeted: 1_036, acked: 1_036, pending: 0 })
        await subject.end()
      })
    }
  }

  it('let what is urgent go next to a recipient that is behind', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(...range(1, 100).map((n) => `m-${n}`))
    await subject.publish(message('urgent', 9))
    app.ack('m-1')
    await subject.rest()
    expect(app.got).to.deep.equal([...range(1, 64).map((n) => `m-${n}`), 'urgent'])
  })

  it('let a failed delivery that is urgent go first again', async () => {
    const subject = await bench()
    const app = await subject.connect('app', (_, before) => (before === 0 ? RETRYABLE : undefined))
    await subject.publish(message('urgent', 9), ...range(1, 100).map((n) => `m-${n}`))
    await subject.pass(RETRY_DELAY_MS - 1)
    expect(app.got).to.have.length(65)
    app.ack('m-1')
    await subject.rest()
    expect(app.got.at(-1)).to.equal('urgent')
  })

  it('hold for what an instance applies itself', async () => {
    const applied: string[] = []
    let go = () => {}
    const applies: Plugin = {
      name: 'applies',
      apply: (kernel) =>
        kernel.messageType('test.urgently-applied', {
          schema: { type: 'object', required: ['key'], properties: { key: { type: 'string' } } },
          orderingKey: ({ key }) => key,
          apply: async (messages) => {
            applied.push(...messages.map(({ messageId, priority }) => `${messageId} ${priority}`))
            if (applied.length === 1) await new Promise<void>((resolve) => (go = resolve))
          },
        }),
    }
    const subject = await bench({ plugins: [applies] })
    const own = (messageId: string, priority: number, key?: string) => ({
      type: 'test.urgently-applied',
      ...message(messageId, priority, key),
    })
    await subject.publish(own('first', 4))
    await subject.publish(own('a', 4), own('low', 0), own('urgent', 9), own('held', 9, 'low'))
    go()
    await subject.rest()
    expect(applied).to.deep.equal(['first 4', 'urgent 9', 'a 4', 'low 0', 'held 9'])
    await subject.end()
  })

  /** Wishes that are published while the recipient is away, then how many it takes when it comes. */
  const phases = fc.array(
    fc.record({ wishes: fc.array(wish, { maxLength: 12 }), takes: fc.nat({ max: 15 }), restarts: fc.boolean() }),
    { minLength: 1, maxLength: 5 },
  )

  it('order whatever waits: of each key as it was stored, and between keys the more urgent first', async function () {
    this.timeout(60_000)
    await fc.assert(
      fc.asyncProperty(phases, async (script) => {
        const [store, runtime, model] = [new MemoryStore(), new ManualRuntime(), new LaneModel()]
        let subject = await bench({ store, runtime, plugins: [keyless] })
        const first = await subject.connect('app')
        first.close()
        let published = 0
        for (const { wishes, takes, restarts } of script) {
          for (const one of wishes) {
            model.add(++published, one)
            await subject.publish(frameOf(published, one))
          }
          if (restarts) {
            await subject.end()
            subject = await bench({ store, runtime, plugins: [keyless] })
          }
          const expected = model.order.map(({ seq }) => `m-${seq}`)
          const app = await subject.connect('app', (_, before) => (before < takes ? 'ACK' : undefined))
          expect(app.got).to.deep.equal(expected)
          for (const { seq } of model.order.slice(0, takes)) model.remove(seq)
          app.close()
          await subject.pass(10)
        }
        await subject.end()
      }),
      { numRuns: 60 },
    )
  })

  it('leave the strict order of a key alone, while some of it fails', async function () {
    this.timeout(60_000)
    const answers = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 15 }), answers, async (wishes, refusals) => {
        const subject = await bench({ maxRepublishAttempts: 100 })
        const taken: string[] = []
        const app = await subject.connect('app', (id, before) => {
          if (refusals[before]) return RETRYABLE
          taken.push(id)
          return 'ACK'
        })
        for (const [n, { key = 'd', priority }] of wishes.entries()) {
          await subject.publish(strict(`${key}-${n}`, priority, key))
        }
        await subject.pass(60 * RETRY_DELAY_MS)
        for (const key of ['a', 'b', 'c', 'd']) {
          const stored = [...wishes.entries()].filter(([, one]) => (one.key ?? 'd') === key).map(([n]) => `${key}-${n}`)
          expect(taken.filter((id) => id.startsWith(key))).to.deep.equal(stored)
        }
        app.close()
        await subject.end()
      }),
      { numRuns: 40 },
    )
  })
})

function frameOf(n: number, { priority, key }: Wish) {
  const messageId = `m-${n}`
  return key === undefined ? { type: 'test.keyless', messageId, priority } : message(messageId, priority, key)
}
