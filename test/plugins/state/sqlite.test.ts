import { existsSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { type Plugin, SHARED_SPACE, SlipstreamError, type StateEntry } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'
import {
  beside,
  OwnFile,
  SqliteState,
  type SqliteStateOptions,
  sqliteState,
} from '../../../plugins/state/sqlite/index.ts'
import { memory } from '../../../plugins/stores/memory.ts'
import { openDatabase } from '../../../plugins/stores/sqlite/database.ts'
import { SqliteStore, sqlite } from '../../../plugins/stores/sqlite/index.ts'
import { failureOf } from '../../core/support.ts'
import { startBus } from '../../support/bus.ts'
import { connect, eventually } from '../../support/client.ts'

const MAX_BYTES = 1024 ** 3
const runtime = new ManualRuntime()
const context = { runtime, joinedBy: () => undefined }

const value = (key: string, n: number, text = `${n}`): StateEntry => ({
  ...{ space: SHARED_SPACE, key, shape: 'value', version: `${n}`, value: text },
})

describe('state sqlite', () => {
  let folder: string
  let path: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-state-'))
    path = join(folder, 'test.db')
  })

  afterEach(() => rm(folder, { recursive: true }))

  /** The store, and the state beside it. */
  async function opened(open = openDatabase, maxBytes = MAX_BYTES) {
    const store = new SqliteStore({ path, maxBytes, log: new FanOutLog(), open })
    await store.open({ runtime, instanceId: undefined })
    const state = new SqliteState(beside(store.shared))
    await state.open(context)
    const close = async () => {
      await state.close()
      await store.close()
    }
    return { store, state, close }
  }

  const lastEntry = (state: SqliteState) => state.read([value('key', 0)]).then(([entry]) => entry)

  describe('beside the store', () => {
    it('comes into a file that the store has had for long, and stays there', async () => {
      const store = new SqliteStore({ path, maxBytes: MAX_BYTES, log: new FanOutLog() })
      await store.open({ runtime, instanceId: 'a' })
      await store.close()
      const first = await opened()
      await first.state.join([value('key', 1)])
      await first.close()
      const second = await opened()
      expect(await lastEntry(second.state)).to.deep.equal(value('key', 1))
      await second.close()
    })

    it('waits for no disk sync of its own, and the store waits for one as ever', async () => {
      const seen: unknown[] = []
      const { store, state, close } = await opened()
      const synchronous = () => store.shared.read((database) => database.pragma('synchronous', { simple: true }))
      store.shared.write((database) => seen.push(database.pragma('synchronous', { simple: true })))
      await state.join([value('key', 1)])
      seen.push(synchronous())
      await failureOf(Error, () =>
        store.shared.write(() => {
          throw new Error('within')
        }),
      )
      seen.push(synchronous())
      const [NORMAL, FULL] = [1, 2]
      expect(seen).to.deep.equal([NORMAL, FULL, FULL])
      await close()
    })

    it('keeps all of a batch or nothing: entries, digests and figures', async () => {
      const { store, state, close } = await opened(openDatabase, 1024 ** 2)
      await state.join([value('kept', 1)])
      const before = [state.statistics(), await state.digests()]
      const large = `"${'x'.repeat(2 * 1024 ** 2)}"`
      const { code } = await failureOf(SlipstreamError, () => state.join([value('key', 1), value('large', 1, large)]))
      expect(code).to.equal('SLP_STORE_FAILED')
      expect([state.statistics(), await state.digests()]).to.deep.equal(before)
      expect(await lastEntry(state)).to.equal(undefined)
      await state.join([value('key', 2)])
      expect(store.shared.read((database) => database.inTransaction)).to.equal(false)
      await close()
      const again = await opened()
      expect(again.state.statistics().keys).to.equal(2)
      await again.close()
    })

    it('writes nothing any more after a failed sync, as the store', async () => {
      const { store, state, close } = await opened()
      const broken = () =>
        store.shared.write(() => {
          throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_FSYNC' })
        })
      expect((await failureOf(SlipstreamError, broken)).code).to.equal('SLP_STORE_LOST')
      expect((await failureOf(SlipstreamError, () => state.join([value('key', 1)]))).code).to.equal('SLP_STORE_LOST')
      await close()
    })

    it('keeps what is in tables that were made before there were notes', async () => {
      const first = await opened()
      await first.state.join([value('key', 1)])
      await first.close()
      const database = new BetterSqlite3(path)
      database.exec("DROP TABLE state_note; UPDATE state_figure SET value = 1 WHERE name = 'schema'")
      database.close()
      const second = await opened()
      expect(await lastEntry(second.state)).to.deep.equal(value('key', 1))
      await second.state.keepNote('name', 'text')
      await second.close()
      const third = await opened()
      expect(await third.state.note('name')).to.equal('text')
      await third.close()
    })

    it('refuses tables of a newer slipstream', async () => {
      await (await opened()).close()
      const database = new BetterSqlite3(path)
      database.exec("UPDATE state_figure SET value = 99 WHERE name = 'schema'")
      database.close()
      const failure = await failureOf(SlipstreamError, () => opened().then(({ close }) => close()))
      expect(failure.code).to.equal('SLP_STORE_NEWER')
    })
  })

  describe('in a file of its own', () => {
    it('is as durable as a store, alone, and gives the file back', async () => {
      const state = new SqliteState(new OwnFile(path, MAX_BYTES))
      await state.open(context)
      await state.join([value('key', 1)])
      const second = new SqliteState(new OwnFile(path, MAX_BYTES))
      expect((await failureOf(SlipstreamError, () => second.open(context))).code).to.equal('SLP_STORE_IN_USE')
      await state.close()
      await second.open(context)
      expect(await lastEntry(second)).to.deep.equal(value('key', 1))
      await second.close()
    })

    it('takes nothing while it is full, and goes on', async () => {
      const state = new SqliteState(new OwnFile(path, 1024 ** 2))
      await state.open(context)
      const large = value('key', 1, `"${'x'.repeat(2 * 1024 ** 2)}"`)
      expect((await failureOf(SlipstreamError, () => state.join([large]))).code).to.equal('SLP_STORE_FAILED')
      expect(await state.join([value('key', 2)])).to.deep.equal(['applied'])
      await state.close()
      await state.close()
    })
  })

  describe('as a plugin', () => {
    const stores: readonly (readonly [what: string, store: () => Plugin, own: boolean, options: SqliteStateOptions])[] =
      [
        ['beside the store when that is SQLite', () => sqlite({ path }), false, {}],
        ['in its own file when it is told so', () => sqlite({ path }), true, { path: 'state.db' }],
        ['in its own file when the store is another one', memory, true, { path: 'state.db' }],
      ]
    for (const [what, store, own, options] of stores) {
      it(`keeps the state ${what}`, async () => {
        const given = options.path === undefined ? {} : { path: join(folder, options.path) }
        const plugins = [store(), sqliteState(given)]
        const bus = await startBus({ without: ['store'], plugins })
        const publisher = await connect(bus)
        const self = () => bus.bus.recipients().find(({ role }) => role === 'self')?.pending
        expect(await publisher.publish({ type: 'SK', messageId: 'm', key: 'k', value: 1 })).to.include({
          recipients: 1,
        })
        await eventually(() => self() === 0)
        await bus.stop()
        expect(existsSync(join(folder, 'state.db'))).to.equal(own)
        const database = new BetterSqlite3(own ? join(folder, 'state.db') : path)
        expect(database.prepare('SELECT key, value FROM state').all()).to.deep.equal([{ key: 'k', value: '1' }])
        database.close()
      })
    }
  })

  it('applies once more what a restart found pending, and the state is as if it had been applied once', async () => {
    const { store, state, close } = await opened()
    await state.join([value('key', 2)])
    const before = await state.digests()
    await close()
    const again = await opened()
    expect(await again.state.join([value('key', 1), value('key', 2)])).to.deep.equal(['superseded', 'applied'])
    expect(await again.state.digests()).to.deep.equal(before)
    expect(again.store).not.to.equal(store)
    await again.close()
  })
})
