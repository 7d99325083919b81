import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import type { LogFields, Message, ScheduledMessage } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { EVERYTHING, HOUR_MS, StoreTrial } from '../../../core/testing/store-trial.ts'
import { checksumOf } from '../../../plugins/stores/sqlite/checksum.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { STEPS } from '../../../plugins/stores/sqlite/migrations.ts'

/** Steps of a schema that knew no scheduled messages. */
const STEPS_BEFORE = 2

describe('plugins/stores/sqlite: scheduled messages', () => {
  let folder: string
  let path: string
  let trial: StoreTrial
  let log: FanOutLog

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-scheduled-'))
    path = join(folder, 'test.db')
    log = new FanOutLog()
    const instance = () => new SqliteStore({ path, maxBytes: 1024 ** 3, log })
    trial = new StoreTrial({ instance, destroy: async () => {} })
  })

  afterEach(async () => {
    await trial.end()
    rmSync(folder, { recursive: true })
  })

  /** Works on the file behind the store's back, and opens the store again. */
  async function tamper(sql: string): Promise<void> {
    await trial.store.close()
    const database = new BetterSqlite3(path)
    database.exec(sql)
    database.close()
    await trial.open()
  }

  const later = (messageId: string): Message =>
    trial.message({ messageId, key: 'k', value: '"100 EUR"', scheduledFor: trial.runtime.now() + HOUR_MS })

  async function due(): Promise<readonly ScheduledMessage[]> {
    return (await trial.store.scheduled(trial.runtime.now() + 2 * HOUR_MS, EVERYTHING)).due
  }

  const ids = async () => (await due()).map(({ messageId }) => messageId)

  describe('one that was altered on disk', () => {
    const alterations = {
      due_at: 'due_at - 1',
      message_id: "message_id || ' '",
      cluster_group_id: "cluster_group_id || ' '",
      type: "type || ' '",
      path: "'no JSON'",
      text: "replace(text, '100 EUR', '900 EUR')",
    }
    for (const [column, altered] of Object.entries(alterations)) {
      it(`is noticed by its ${column}`, async () => {
        await trial.open()
        await trial.write([later('a'), later('b')])
        await tamper(`UPDATE scheduled SET ${column} = ${altered} WHERE message_id = 'a'`)
        expect(await ids()).to.deep.equal(['b'])
      })
    }

    it('is set aside: reported once, counted apart, kept, and replaced when its publisher sends it again', async () => {
      const records: [string, LogFields][] = []
      log.attach((level, _event, fields) => records.push([level, fields]))
      await trial.open()
      await trial.write([later('a'), later('b')])
      await tamper(`UPDATE scheduled SET text = replace(text, '100 EUR', '900 EUR') WHERE message_id = 'a'`)
      expect(trial.store.statistics().scheduled).to.equal(2)
      expect([await ids(), await ids()]).to.deep.equal([['b'], ['b']])
      expect(trial.store.statistics()).to.deep.include({ scheduled: 1, dead: 0 })
      expect(trial.store.statistics().extra).to.include({ corrupt_rows: 1 })
      expect(records).to.deep.equal([['critical', { messageId: 'a' }]])

      expect(await trial.writeOne(later('a'))).to.deep.equal({ status: 'scheduled' })
      await trial.reopen()
      expect(await ids()).to.deep.equal(['b', 'a'])
      expect(trial.store.statistics().scheduled).to.equal(2)
    })

    it('is not released, though it was read before it was noticed', async () => {
      await trial.open()
      await trial.write([later('a')])
      const [scheduled] = await due()
      await tamper('UPDATE scheduled SET due_at = due_at - 1')
      expect(await ids()).to.deep.equal([])
      const entry = { message: trial.message({ messageId: 'a' }), recipients: [], releases: scheduled?.key }
      const verdicts = await trial.batch({ entries: [entry] })
      expect(verdicts).to.deep.equal([{ status: 'duplicate', recipients: 0 }])
    })

    it('is forgotten with the dead letters of its time', async () => {
      await trial.open()
      await trial.write([later('a')])
      await tamper('UPDATE scheduled SET due_at = due_at - 1')
      expect(await ids()).to.deep.equal([])
      const asideAt = trial.runtime.now()
      const rows = async (deadBefore: number) => {
        await trial.store.purge({ settledBefore: 0, deadBefore, limit: 10 })
        await trial.store.close()
        const database = new BetterSqlite3(path)
        const count = database.prepare('SELECT count(*) FROM scheduled').pluck().get()
        database.close()
        await trial.open()
        return count
      }
      expect([await rows(asideAt), await rows(asideAt + 1)]).to.deep.equal([1, 0])
    })
  })

  it('are found by an index, whatever is asked', async () => {
    await trial.open()
    await trial.store.close()
    const database = new BetterSqlite3(path)
    const plan = (sql: string) =>
      database
        .prepare<[], { detail: string }>(
          `EXPLAIN QUERY PLAN SELECT text FROM scheduled WHERE altered_at IS NULL AND ${sql}`,
        )
        .all()
        .map(({ detail }) => detail)
        .join()
    expect(plan('due_at <= 9 AND (due_at, key) > (3, 4) ORDER BY due_at, key')).to.match(/scheduled_due_at \(/)
    expect(plan('due_at <= 9 AND (due_at, key) > (3, 4) ORDER BY due_at, key')).not.to.contain('TEMP B-TREE')
    expect(plan("message_id = 'm' AND cluster_group_id = 'g'")).to.contain('scheduled_id')
    database.close()
  })

  it('come to a file of an older schema, which keeps what it has', async () => {
    const database = new BetterSqlite3(path)
    database.pragma('auto_vacuum = INCREMENTAL')
    for (const step of STEPS.slice(0, STEPS_BEFORE)) database.exec(step)
    database.pragma(`user_version = ${STEPS_BEFORE}`)
    const old = { type: 'SK', messageId: 'old', clusterGroupId: 'eu', path: '[]', text: '{}', expiresAt: null }
    database.exec(`
      INSERT INTO recipient (key, name, role, tags) VALUES (4, 'aws', 'instance', '[]');
      INSERT INTO ledger (recipient, name, targeted, pending) VALUES (4, 'aws', 1, 1);
      INSERT INTO message VALUES (3, 'old', 'eu', 0, 'SK', 'gcp', 'epoch', 1, NULL, NULL, NULL, '[]', '{}', 'digest',
        1767225600000, 1, ${checksumOf(old)}, NULL);
      INSERT INTO delivery (recipient, seq) VALUES (4, 3);
      UPDATE meta SET value = 1 WHERE key = 'messages';
      INSERT INTO meta VALUES ('last_seq', 3)`)
    database.close()
    await trial.open()
    expect(trial.store.statistics()).to.include({ messages: 1, pending: 1, scheduled: 0 })
    expect(await ids()).to.deep.equal([])
    await trial.write([later('later')])
    await trial.reopen()
    expect([await ids(), await trial.waiting(4)]).to.deep.equal([['later'], ['old']])
  })

  it('are counted in step with their rows', async () => {
    await trial.open()
    const messages = Array.from({ length: 10 }, (_, at) => later(`m-${at}`))
    await trial.write([...messages, ...messages])
    const entries = (await due()).slice(0, 4).map(({ key, messageId }) => {
      return { message: trial.message({ messageId }), recipients: [], releases: key }
    })
    await trial.batch({ entries })
    await trial.batch({ entries })
    for (const when of ['before', 'after']) {
      expect(trial.store.statistics(), when).to.include({ scheduled: 6, messages: 4 })
      expect(await ids()).to.have.length(6)
      await trial.reopen()
    }
  })
})
