import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StateBackend, StateContext, Store } from '../../core/index.ts'
import { FanOutLog } from '../../core/log.ts'
import { type StateUnderTest, stateSuite } from '../../core/testing/state-suite.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { beside, OwnFile, SqliteState } from '../../plugins/state/sqlite/index.ts'
import { SqliteStore } from '../../plugins/stores/sqlite/index.ts'

describe('state memory', () => {
  for (const { name, run } of stateSuite(memoryUnderTest)) it(name, run)
})

describe('state sqlite, in the file of the store', () => {
  for (const { name, run } of stateSuite(() => sqliteUnderTest(besideStore))) it(name, run)
})

describe('state sqlite, in a file of its own', () => {
  for (const { name, run } of stateSuite(() =>
    sqliteUnderTest((path) => new SqliteState(new OwnFile(path, MAX_BYTES))),
  )) {
    it(name, run)
  }
})

const MAX_BYTES = 1024 ** 3

function memoryUnderTest(): StateUnderTest {
  const backend = new MemoryState()
  return { instance: () => backend, destroy: async () => {} }
}

function sqliteUnderTest(backendIn: (path: string) => StateBackend): StateUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-state-'))
  return { instance: () => backendIn(join(folder, 'test.db')), destroy: () => rm(folder, { recursive: true }) }
}

/** Opens the store first and closes it last, as the bus does. */
function besideStore(path: string): StateBackend {
  const store = new SqliteStore({ path, maxBytes: MAX_BYTES, log: new FanOutLog() })
  return new WithStore(store, beside(store.shared))
}

class WithStore extends SqliteState {
  readonly #store: Store

  constructor(store: Store, workplace: ConstructorParameters<typeof SqliteState>[0]) {
    super(workplace)
    this.#store = store
  }

  override async open(context: StateContext): Promise<void> {
    await this.#store.open({ runtime: context.runtime, instanceId: undefined })
    await super.open(context)
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#store.close()
  }
}
