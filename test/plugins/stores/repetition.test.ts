import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Store } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { ManualRuntime } from '../../../core/testing/manual-runtime.ts'
import { messageMaker } from '../../../core/testing/messages.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'

const HOUR_MS = 60 * 60 * 1_000
const nothing = { settlements: [], retries: [], deaths: [] }

describe('the window in which ids are remembered', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-ids-'))
  after(() => rm(folder, { recursive: true }))

  const stores: Readonly<Record<string, () => Store>> = {
    memory: () => new MemoryStore({ rememberIdsHours: 2 }),
    sqlite: () =>
      new SqliteStore({
        path: join(folder, 'test.db'),
        maxBytes: 1024 ** 3,
        log: new FanOutLog(),
        rememberIdsHours: 2,
      }),
  }
  for (const [name, make] of Object.entries(stores)) {
    it(`can be set: ${name} knows an id for as long, never forgets its message before, and stores it anew after`, async () => {
      const [store, runtime, message] = [make(), new ManualRuntime(), messageMaker()]
      await store.open({ runtime, instanceId: undefined })
      const write = async () => {
        const entries = [{ message: message({ messageId: 'used', key: 'k', value: '1' }), recipients: [] }]
        return (await store.write({ ...nothing, entries }))[0]?.status
      }
      const purge = () => store.purge({ settledBefore: runtime.now(), deadBefore: 0, limit: 100 })
      expect(await write()).to.equal('stored')
      runtime.advance(2 * HOUR_MS - 1)
      expect(await purge()).to.include({ messages: 0 })
      expect(await write()).to.equal('duplicate')
      runtime.advance(2)
      expect(await purge()).to.include({ messages: 1 })
      expect(await write()).to.equal('stored')
      await store.close()
    })
  }
})
