import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  type Entry,
  type Message,
  SHARED_SPACE,
  SlipstreamError,
  type StateEntry,
  type StoreVerdict,
} from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { ManualRuntime, messageMaker } from '../../../core/testing/index.ts'
import { beside, SqliteState } from '../../../plugins/state/sqlite/index.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { failureOf } from '../../core/support.ts'

const runtime = new ManualRuntime()
const joinTexts = (one: string, other: string) => {
  if (one === 'poison' || other === 'poison') throw new Error('cannot be joined')
  return [one, other].sort().join('')
}
const place = (key: string) => ({ space: SHARED_SPACE, key })
const value = (key: string, n: number): StateEntry => ({
  ...place(key),
  shape: 'value',
  version: `${n}`,
  value: `${n}`,
})
const own = (text: string): StateEntry => ({
  ...{ space: 'own', key: 'k' },
  shape: 'own',
  version: '1',
  value: text,
})

describe('state sqlite, joined as messages are stored', () => {
  let folder: string
  let make: (wish?: { readonly priority?: number; readonly key?: string }) => Message

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-at-once-'))
    make = messageMaker()
  })

  afterEach(() => rm(folder, { recursive: true }))

  async function opened(maxBytes = 1024 ** 3) {
    const store = new SqliteStore({ path: join(folder, 'test.db'), maxBytes, log: new FanOutLog() })
    const state = new SqliteState(beside(store.shared))
    store.shared.joinBy((deltas) => state.joinWithin(deltas))
    await store.open({ runtime, instanceId: undefined })
    await state.open({ runtime, joinedBy: (space) => (space === 'own' ? joinTexts : undefined) })
    const record = { role: 'instance', tags: [], clusterGroupId: undefined, url: undefined, lastSeenAt: 0 } as const
    const self = await store.saveRecipient({ name: '@self', ...record })
    const peer = await store.saveRecipient({ name: 'peer', ...record })
    const entry = (delta: StateEntry, message = make()): Entry => {
      return { message, recipients: [self, peer], joins: { recipient: self, delta } }
    }
    const write = (...entries: readonly Entry[]): Promise<readonly StoreVerdict[]> =>
      store.write({ entries, settlements: [], retries: [], deaths: [] })
    const waiting = async (recipient: number) =>
      (await store.pending(recipient, [], { messages: 100, bytes: 1_000_000 })).map(({ message }) => message.messageId)
    const sums = () => {
      const { acked, pending, targeted } = store.ledger().find(({ recipient }) => recipient === '@self') ?? {}
      return { acked, pending, targeted }
    }
    const close = async () => {
      await state.close()
      await store.close()
    }
    return { store, state, self, peer, entry, write, waiting, sums, close }
  }

  it('is there with the message, whose delivery to the instance itself is done; it waits for all others', async () => {
    const { store, state, self, peer, entry, write, waiting, sums, close } = await opened()
    expect(store.joinsState).to.equal(true)
    const verdicts = await write(entry(value('k', 2)), entry(value('k', 1)), entry(value('other', 1)))
    expect(verdicts.map((verdict) => verdict.status === 'stored' && verdict.joined)).to.deep.equal([
      'applied',
      'superseded',
      'applied',
    ])
    expect(await waiting(self)).to.deep.equal([])
    expect(await waiting(peer)).to.have.length(3)
    expect(sums()).to.deep.equal({ targeted: 3, acked: 3, pending: 0 })
    expect(store.statistics().pending).to.equal(3)
    const before = [await state.digests(), state.statistics()]
    await close()
    const again = await opened()
    expect(await again.state.read([place('k')])).to.deep.equal([value('k', 2)])
    expect([await again.state.digests(), again.state.statistics()]).to.deep.equal(before)
    expect(again.sums()).to.deep.equal({ targeted: 3, acked: 3, pending: 0 })
    await again.close()
  })

  it('is nothing of what cannot be joined: all of the batch are deliveries that wait, in their lanes', async () => {
    const { state, self, entry, write, waiting, sums, close } = await opened()
    await write(entry(own('a')))
    const before = [await state.digests(), state.statistics()]
    const urgent = make({ priority: 9 })
    const [first, second] = await write(entry(value('k', 1)), entry(own('poison'), urgent))
    expect(first).to.include({ status: 'stored' }).and.not.to.have.property('joined')
    expect(second?.status === 'stored' && second.lanes?.get(self)).to.equal(9)
    expect(await waiting(self)).to.have.length(2)
    expect(sums()).to.deep.equal({ targeted: 3, acked: 1, pending: 2 })
    expect([await state.digests(), state.statistics()]).to.deep.equal(before)
    expect(await state.read([place('k')])).to.deep.equal([undefined])
    await write(entry(value('k', 2)))
    expect(await state.read([place('k')])).to.deep.equal([value('k', 2)])
    await close()
  })

  it('is nothing of what is stored nowhere: a duplicate, and what is rejected', async () => {
    const { state, entry, write, sums, close } = await opened()
    const known = make()
    await write(entry(value('k', 1), known))
    const unknown = { ...entry(value('rejected', 1)), recipients: [99] }
    const verdicts = await write(entry(value('k', 9), known), unknown, entry(value('stored', 1)))
    expect(verdicts.map(({ status }) => status)).to.deep.equal(['duplicate', 'rejected', 'stored'])
    expect(await state.read(['k', 'rejected', 'stored'].map(place))).to.deep.equal([
      value('k', 1),
      undefined,
      value('stored', 1),
    ])
    expect(sums()).to.deep.equal({ targeted: 2, acked: 2, pending: 0 })
    await close()
  })

  it('is nothing of a batch that the disk did not take, in memory neither', async () => {
    const { state, entry, write, sums, close } = await opened(1024 ** 2)
    await write(entry(value('k', 1)))
    const before = [await state.digests(), state.statistics()]
    const large = { ...value('large', 1), value: `"${'x'.repeat(2 * 1024 ** 2)}"` } as StateEntry
    const failure = await failureOf(SlipstreamError, () => write(entry(value('k', 2)), entry(large)))
    expect(failure.code).to.equal('SLP_STORE_FAILED')
    expect([await state.digests(), state.statistics()]).to.deep.equal(before)
    expect(await state.read([place('k')])).to.deep.equal([value('k', 1)])
    expect(sums()).to.deep.equal({ targeted: 1, acked: 1, pending: 0 })
    await write(entry(value('k', 3)))
    expect(await state.read([place('k')])).to.deep.equal([value('k', 3)])
    await close()
  })
})
