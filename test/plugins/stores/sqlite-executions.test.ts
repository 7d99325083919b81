import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { FanOutLog } from '../../../core/log.ts'
import { StoreTrial } from '../../../core/testing/store-trial.ts'
import { checksumOf } from '../../../plugins/stores/sqlite/checksum.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { STEPS } from '../../../plugins/stores/sqlite/migrations.ts'

const CLAIM = { messageId: 'c-1', fingerprint: 'f', name: 'ping', publisher: undefined, via: undefined }
const OLD = { type: 'SK', messageId: 'old', clusterGroupId: 'eu', path: '["aws"]', text: '{}', expiresAt: null }

describe('plugins/stores/sqlite and effects', () => {
  let folder: string
  let path: string
  let trial: StoreTrial

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-sqlite-'))
    path = join(folder, 'test.db')
    const instance = () => new SqliteStore({ path, maxBytes: 1024 ** 3, log: new FanOutLog() })
    trial = new StoreTrial({ instance, destroy: async () => {} })
  })

  afterEach(async () => {
    await trial.end()
    rmSync(folder, { recursive: true })
  })

  function onDisk(work: (database: BetterSqlite3.Database) => void): void {
    const database = new BetterSqlite3(path)
    work(database)
    database.close()
  }

  it('tells no result that was altered on disk, but that it ended', async () => {
    await trial.open()
    await trial.store.claimExecutions([CLAIM])
    await trial.store.finishExecution('c-1', { outcome: 'done', text: '{"value":100}' })
    await trial.store.close()
    onDisk((database) => database.exec(`UPDATE execution SET text = '{"value":900}'`))
    await trial.open()
    expect(await trial.store.execution('c-1')).to.include({ outcome: 'done', text: undefined })
  })

  it('brings a file of before up to date: what waits stays, and effects are noted from then on', async () => {
    onDisk((database) => {
      database.pragma('auto_vacuum = INCREMENTAL')
      database.function('key_hash', (_key) => null)
      const before = STEPS.findIndex((step) => step.includes('CREATE TABLE execution'))
      for (const step of STEPS.slice(0, before)) database.exec(step)
      database.pragma(`user_version = ${before}`)
      database.exec(`
        INSERT INTO recipient (key, name, role, tags) VALUES (4, 'aws', 'instance', '[]');
        INSERT INTO queue VALUES (14, 4);
        INSERT INTO ledger (recipient, name, targeted, pending) VALUES (4, 'aws', 1, 1);
        INSERT INTO message VALUES (3, 'old', 'eu', 0, 'SK', 'gcp', 'epoch', 1, NULL, 'account 7', NULL, '["aws"]', '{}',
          'digest', 1767225600000, 1, ${checksumOf(OLD)}, NULL);
        INSERT INTO delivery (queue, seq) VALUES (14, 3);
        INSERT OR REPLACE INTO meta VALUES ('last_seq', 3), ('messages', 1);`)
    })
    await trial.open()
    expect(await trial.waiting(4)).to.deep.equal(['old'])
    expect(await trial.store.claimExecutions([CLAIM])).to.deep.equal([undefined])
    await trial.reopen()
    expect(await trial.store.execution('c-1')).to.include({ name: 'ping', finishedAt: undefined })
  })
})
