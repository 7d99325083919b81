import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AtOnce } from '../../core/at-once.ts'
import { createHooks } from '../../core/hooks.ts'
import { type Applied, type Kernel, type Message, SHARED_SPACE, type StoreVerdict } from '../../core/index.ts'
import type { AnyMessageType } from '../../core/message-type.ts'
import { Route } from '../../core/route.ts'
import { Lateness } from '../../core/state/lateness.ts'
import { TypeRegistry } from '../../core/type-registry.ts'
import { sqliteState } from '../../plugins/state/sqlite/index.ts'
import { sqlite } from '../../plugins/stores/sqlite/index.ts'
import { startBus } from '../support/bus.ts'
import { connect, eventually } from '../support/client.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { message } from './support.ts'

const schema = { type: 'object' }
const change: NonNullable<AnyMessageType['change']> = (one) => ({ message: one, key: 'k', shape: 'value', value: '1' })
const LATE = '1'
const VERSION = '2'
const AHEAD = '3'

/** What applies at once messages of that type, of a store that can join them unless the test says otherwise. */
function atOnceOf(type: Partial<AnyMessageType> = { change }, { joinsState = true, applies = true } = {}) {
  const types = new TypeRegistry()
  const hooks = createHooks()
  const lateness = new Lateness()
  const told: Applied[] = []
  types.register({ name: 'test' }, 'note', { schema, merge: 'newest', ...type })
  hooks.applied.tap('test', (applied) => void told.push(applied))
  const clock = { dueAt: (version: string) => (version === AHEAD ? 1 : undefined) }
  const context = { types, hooks, clock, runtime: new ManualRuntime(1_000), lateness }
  const atOnce = new AtOnce({ ...context, store: { joinsState }, applier: { applies: () => applies } })
  return { atOnce, lateness, told }
}

const note = (given: Partial<Message> = {}) => message({ type: 'note', version: VERSION, ...given })

describe('a message that is applied as it is stored', () => {
  it('says of the state what its type says', () => {
    const { atOnce } = atOnceOf()
    const delta = { space: 'note', key: 'k', shape: 'value', version: VERSION, value: '1' }
    expect(atOnce.deltaOf(note())).to.deep.equal(delta)
    expect(atOnce.deltaOf(note({ expiresAt: 1_001 }))).to.deep.equal(delta)
    expect(atOnceOf({ change, space: SHARED_SPACE }).atOnce.deltaOf(note())).to.include({ space: SHARED_SPACE })
  })

  const others: Readonly<Record<string, () => unknown>> = {
    'where the store does not join': () => atOnceOf(undefined, { joinsState: false }).atOnce.deltaOf(note()),
    'where its type is not applied': () => atOnceOf(undefined, { applies: false }).atOnce.deltaOf(note()),
    'whose type does something of its own': () => atOnceOf({ apply: () => {} }).atOnce.deltaOf(note()),
    'whose type is strict': () => atOnceOf({ change, order: 'strict' }).atOnce.deltaOf(note()),
    'whose type is unknown': () => atOnceOf().atOnce.deltaOf(note({ type: 'other' })),
    'without a version': () => atOnceOf().atOnce.deltaOf(note({ version: undefined })),
    'that is ahead of time': () => atOnceOf().atOnce.deltaOf(note({ version: AHEAD })),
    'whose time is over': () => atOnceOf().atOnce.deltaOf(note({ expiresAt: 1_000 })),
    'that its type cannot read': () => {
      const { atOnce } = atOnceOf({
        change: () => {
          throw new Error('no key')
        },
      })
      return atOnce.deltaOf(note())
    },
    'that says nothing': () => {
      const { atOnce } = atOnceOf({ change: (one) => ({ message: one, key: 'k', shape: 'weights', members: [] }) })
      return atOnce.deltaOf(note())
    },
  }
  for (const [which, deltaOf] of Object.entries(others)) {
    it(`is none ${which}`, () => expect(deltaOf()).to.equal(undefined))
  }

  it('is none that comes too late, and what is being stored is waited for before that is promised', async () => {
    const { atOnce, lateness } = atOnceOf()
    let stored = () => {}
    void atOnce.during(new Promise<void>((resolve) => (stored = resolve)))
    let promised = false
    const promising = lateness.promise(VERSION).then(() => {
      promised = true
    })
    expect(atOnce.deltaOf(note({ version: LATE }))).to.equal(undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(promised).to.equal(false)
    stored()
    await promising
  })

  it('is told of by type, with those that came too late', () => {
    const { atOnce, told } = atOnceOf()
    const messages = [note(), note(), message({ type: 'other' }), note(), note()]
    const verdicts: readonly StoreVerdict[] = [
      { status: 'stored', seq: 1, joined: 'applied' },
      { status: 'stored', seq: 2, joined: 'superseded' },
      { status: 'stored', seq: 3, joined: 'applied' },
      { status: 'stored', seq: 4 },
      { status: 'duplicate', recipients: 1 },
    ]
    atOnce.tell(
      messages.map((one) => ({ message: one, route: new Route([]) })),
      verdicts,
    )
    expect(told).to.deep.equal([
      { type: 'note', messages: messages.slice(0, 2), superseded: new Set([messages[1]]) },
      { type: 'other', messages: [messages[2]], superseded: new Set() },
    ])
  })

  it('is read as soon as it is acknowledged, was never delivered, and is there after a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipstream-at-once-'))
    const path = join(folder, 'test.db')
    const applied: Applied[] = []
    let kernel: Kernel | undefined
    const peeking = {
      name: 'peeking',
      apply: (given: Kernel) => {
        kernel = given
        given.hooks.applied.tap((one) => void applied.push(one))
      },
    }
    const start = () => startBus({ without: ['store'], plugins: [sqlite({ path }), sqliteState(), peeking] })
    const bus = await start()
    const publisher = await connect(bus)
    const stamp = (n: number) => `${1_600_000_000_000 + n}-00000-shop`
    const set = (messageId: string, n: number, also: object = {}) =>
      publisher.publish({ type: 'SK', messageId, key: 'k', value: n, version: stamp(n), ...also })
    expect(await set('two', 2)).to.include({ type: 'ACK', recipients: 1 })
    expect(await kernel?.state?.read([{ space: SHARED_SPACE, key: 'k' }])).to.deep.include.members([
      { space: SHARED_SPACE, key: 'k', shape: 'value', version: stamp(2), value: '2' },
    ])
    expect(kernel?.storeStatistics().pending).to.equal(0)
    await set('one', 1)
    expect(kernel?.ledger()).to.have.length(1)
    expect(kernel?.ledger()[0]).to.include({ recipient: '@self', targeted: 2, acked: 2, pending: 0 })
    await eventually(() => applied.length === 2)
    expect(applied.map(({ messages }) => messages.map(({ messageId }) => messageId))).to.deep.equal([['two'], ['one']])
    expect(applied.map(({ superseded }) => superseded.size)).to.deep.equal([0, 1])
    await bus.stop()
    await start()
    expect(await kernel?.state?.read([{ space: SHARED_SPACE, key: 'k' }])).to.have.nested.property('[0].value', '2')
    await rm(folder, { recursive: true })
  })
})
