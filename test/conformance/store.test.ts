import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FanOutLog } from '../../core/log.ts'
import { type StoreUnderTest, storeSuite } from '../../core/testing/store-suite.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { SqliteStore } from '../../plugins/stores/sqlite/index.ts'

describe('store sqlite', () => {
  for (const { name, run } of storeSuite(sqliteUnderTest)) it(name, run)
})

describe('store memory', () => {
  for (const { name, run } of storeSuite(memoryUnderTest)) it(name, run)
})

function sqliteUnderTest(): StoreUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-store-'))
  return {
    instance: () => new SqliteStore({ path: join(folder, 'test.db'), maxBytes: 1024 ** 3, log: new FanOutLog() }),
    destroy: () => rm(folder, { recursive: true }),
  }
}

function memoryUnderTest(): StoreUnderTest {
  const store = new MemoryStore()
  return { instance: () => store, destroy: async () => {} }
}
