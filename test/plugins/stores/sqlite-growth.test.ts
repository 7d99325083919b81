import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import { FanOutLog } from '../../../core/log.ts'
import { DAY_MS, EVERYTHING, StoreTrial } from '../../../core/testing/store-trial.ts'
import { checksumOf } from '../../../plugins/stores/sqlite/checksum.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { STEPS } from '../../../plugins/stores/sqlite/migrations.ts'
import { isIntact, STORED_ROW, type StoredRow } from '../../../plugins/stores/sqlite/stored-row.ts'

const FIRST_STEP = '07cb64b5466a4bd36f88d1890be12e621a4cde468438dff55221b1153e51f181'
const MIB = 1024 ** 2
/** A message of which an older schema is made to hold a row. */
const OLD = { type: 'SK', messageId: 'old', clusterGroupId: 'eu', path: '["aws"]', text: '{}', expiresAt: null }

describe('plugins/stores/sqlite over time', () => {
  let folder: string
  let path: string
  let trial: StoreTrial

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-growth-'))
    path = join(folder, 'test.db')
    const instance = () => new SqliteStore({ path, maxBytes: 1024 * MIB, log: new FanOutLog() })
    trial = new StoreTrial({ instance, destroy: async () => {} })
  })

  afterEach(async () => {
    await trial.end()
    rmSync(folder, { recursive: true })
  })

  /** Asks the file itself. The store is closed for it. */
  async function rows<Row>(sql: string): Promise<Row[]> {
    await trial.store.close()
    const database = new BetterSqlite3(path)
    const found = database.prepare<[], Row>(sql).all()
    database.close()
    return found
  }

  /** Calls `purge` until that many calls in a row had nothing to do. */
  async function purgeAll(idleCalls = 3): Promise<number> {
    let purged = 0
    for (let idle = 0; idle < idleCalls; ) {
      const limits = { settledBefore: trial.runtime.now(), deadBefore: 0, limit: 500 }
      const free = trial.store.statistics().extra?.free_pages
      const { messages } = await trial.store.purge(limits)
      const isIdle = messages === 0 && trial.store.statistics().extra?.free_pages === free
      idle = isIdle ? idle + 1 : 0
      purged += messages
    }
    return purged
  }

  describe('a file of the first schema', () => {
    it('is brought up to date with all that waits in it, and counted', async () => {
      const database = new BetterSqlite3(path)
      database.pragma('auto_vacuum = INCREMENTAL')
      database.exec(STEPS[0] ?? '')
      database.pragma('user_version = 1')
      database.exec(`
        INSERT INTO recipient (key, name, role, tags) VALUES (4, 'aws', 'instance', '[]'), (7, 'azure', 'instance', '[]');
        INSERT INTO message VALUES (3, 'old', 'eu', 0, 'SK', 'gcp', 'epoch', 1, NULL, 'account 7', NULL, '["aws"]', '{}',
          'digest', 1767225600000, 2, ${checksumOf(OLD)});
        INSERT INTO delivery (recipient, seq) VALUES (4, 3);
        INSERT INTO meta VALUES ('last_seq', 3);`)
      database.close()
      const { recipients } = await trial.open()
      expect(recipients.map(({ key, pending }) => [key, pending])).to.deep.equal([
        [4, 1],
        [7, 0],
      ])
      // Nobody took note before: their time away begins now.
      const now = trial.runtime.now()
      expect(recipients.map(({ lastSeenAt }) => lastSeenAt)).to.deep.equal([now, now])
      expect(await trial.waiting(4)).to.deep.equal(['old'])
      expect(trial.store.statistics()).to.include({ messages: 1, pending: 1, dead: 0 })
      expect(
        trial.store.ledger().map(({ recipient, targeted, pending }) => [recipient, targeted, pending]),
      ).to.deep.equal([
        ['aws', 1, 1],
        ['azure', 0, 0],
      ])
      await trial.settle({ recipient: 4, seq: 3 })
      expect(await trial.stored([trial.message()], [7])).to.deep.equal([4])
    })

    it('of a schema in which deliveries bore the key of their recipient keeps what waits, and what has failed', async () => {
      const database = new BetterSqlite3(path)
      database.pragma('auto_vacuum = INCREMENTAL')
      for (const step of STEPS.slice(0, 2)) database.exec(step)
      database.pragma('user_version = 2')
      database.exec(`
        INSERT INTO recipient (key, name, role, tags) VALUES (4, 'aws', 'instance', '[]'), (7, 'azure', 'instance', '[]');
        INSERT INTO ledger (recipient, name, targeted, pending) VALUES (4, 'aws', 1, 1), (7, 'azure', 1, 1);
        INSERT INTO message VALUES (3, 'old', 'eu', 0, 'SK', 'gcp', 'epoch', 1, NULL, 'account 7', NULL, '["aws"]', '{}',
          'digest', 1767225600000, 2, ${checksumOf(OLD)}, NULL);
        INSERT INTO delivery VALUES (4, 3, 1, 2, 3, 4, 5), (7, 3, 0, 0, 0, 0, 0);
        INSERT INTO meta VALUES ('last_seq', 3);`)
      database.close()
      await trial.open()
      const [waiting] = await trial.store.pending(4, [], EVERYTHING)
      expect(waiting?.attempts).to.deep.equal({ sends: 1, nacks: 2, timeouts: 3, disconnects: 4 })
      expect(waiting?.dueAt).to.equal(5)
      await trial.store.forgetRecipient(4)
      expect(await trial.stored([trial.message()], [7, await trial.recipient('aws')])).to.deep.equal([4])
      expect(await trial.waiting(7)).to.have.length(2)
      await trial.reopen()
      expect(await rows('PRAGMA foreign_key_check')).to.deep.equal([])
    })

    it('of a schema without replay jobs keeps its dead letters, which can be replayed, and what waits', async () => {
      const database = new BetterSqlite3(path)
      database.pragma('auto_vacuum = INCREMENTAL')
      const steps = STEPS.slice(
        0,
        STEPS.findIndex((step) => step.includes('CREATE TABLE replay')),
      )
      for (const step of steps) database.exec(step)
      database.pragma(`user_version = ${steps.length}`)
      database.exec(`
        INSERT INTO recipient (key, name, role, tags) VALUES (4, 'aws', 'instance', '[]'), (7, 'azure', 'instance', '[]');
        INSERT INTO queue VALUES (14, 4), (17, 7);
        INSERT INTO ledger (recipient, name, targeted, pending, dead) VALUES (4, 'aws', 1, 0, 1), (7, 'azure', 1, 1, 0);
        INSERT INTO message VALUES (3, 'old', 'eu', 0, 'SK', 'gcp', 'epoch', 1, NULL, 'account 7', NULL, '["aws"]', '{}',
          'digest', 1767225600000, 2, ${checksumOf(OLD)}, NULL);
        INSERT INTO delivery VALUES (17, 3, 1, 2, 3, 4, 5);
        INSERT INTO dead_letter VALUES (9, 4, 3, 'REJECTED', 'no', 1, 1, 0, 0, 'republish', '1.0.0', 1767225600000, 1);
        INSERT OR REPLACE INTO meta VALUES ('last_seq', 3), ('messages', 1), ('dead_letters', 1);`)
      database.close()
      await trial.open()
      expect((await trial.dead()).map(({ id, messageId }) => [id, messageId])).to.deep.equal([[9, 'old']])
      expect(await trial.store.replays()).to.deep.equal([])
      const { job } = await trial.freeze({ recipient: 'aws' })
      await trial.step(job.id)
      for (const name of ['aws', 'azure']) await trial.recipient(name)
      for (const [recipient, name] of [
        [4, 'aws'],
        [7, 'azure'],
      ] as const) {
        expect(await trial.waiting(recipient)).to.deep.equal(['old'])
        await trial.die([{ recipient, seq: 3 }])
        expect(await trial.sums(name)).to.include({ targeted: 1, pending: 0, dead: 1 })
      }
      expect(await trial.replay(job.id)).to.include({ state: 'done', replayed: 1, failed: 1 })
    })

    it('of a schema without subscriptions keeps its recipients, who get everything', async () => {
      const database = new BetterSqlite3(path)
      database.pragma('auto_vacuum = INCREMENTAL')
      database.function('key_hash', (_key) => null)
      const steps = STEPS.slice(
        0,
        STEPS.findIndex((step) => step.includes('ADD COLUMN subscription')),
      )
      for (const step of steps) database.exec(step)
      database.pragma(`user_version = ${steps.length}`)
      database.exec(`
        INSERT INTO recipient VALUES (4, 'pi-1', 'client', '["eu"]', NULL, NULL, 4711);
        INSERT INTO ledger (recipient, name) VALUES (4, 'pi-1');
        INSERT INTO queue VALUES (7, 4);`)
      database.close()
      const same = { clusterGroupId: undefined, url: undefined, lastSeenAt: 4_711, pending: 0 }
      const before = { name: 'pi-1', role: 'client', tags: ['eu'], ...same, key: 4 }
      expect((await trial.open()).recipients).to.deep.equal([before])
      const subscription = { types: ['SK'], keys: [], tags: [] }
      await trial.recipient('pi-1', { role: 'client', subscription })
      expect((await trial.reopen()).recipients[0]).to.deep.include({ key: 4, subscription })
    })

    it('of a schema without priorities keeps the order of each key that waits in it', async () => {
      const database = new BetterSqlite3(path)
      database.pragma('auto_vacuum = INCREMENTAL')
      for (const step of STEPS.slice(0, 6)) database.exec(step)
      database.pragma('user_version = 6')
      const insert = database.prepare(`
        INSERT INTO message VALUES (?, ?, 'eu', 0, 'SK', 'gcp', 'epoch', ?, NULL, ?, NULL, '["aws"]', '{}',
          'digest', 1767225600000, 1, ?, NULL)`)
      database.exec(`
        INSERT INTO recipient VALUES (4, 'aws', 'instance', '[]', NULL, NULL, 0);
        INSERT INTO ledger (recipient, name, targeted, pending, dead) VALUES (4, 'aws', 3, 2, 1);
        INSERT INTO queue VALUES (7, 4);`)
      for (const [seq, key] of [
        [1, 'account 7 \u{1f680}'],
        [2, null],
        [3, 'account 8'],
      ] as const) {
        insert.run(seq, `old-${seq}`, seq, key, checksumOf({ ...OLD, messageId: `old-${seq}` }))
      }
      database.exec(`
        INSERT INTO delivery (queue, seq) VALUES (7, 1), (7, 2);
        INSERT INTO dead_letter VALUES (1, 4, 3, 'REJECTED', 'no', 1, 0, 0, 0, 'republish', '1.0.0', 0, 1, NULL);
        INSERT INTO meta VALUES ('last_seq', 3), ('dead_letters', 1);`)
      database.close()
      await trial.open()
      expect(await trial.recipient('aws')).to.equal(4)
      const urgent = (messageId: string, orderingKey: string) => trial.message({ messageId, orderingKey, priority: 9 })
      await trial.stored([urgent('same', 'account 7 \u{1f680}'), urgent('other', 'account 8')], [4])
      expect(await trial.waiting(4)).to.deep.equal(['other', 'old-1', 'old-2', 'same'])
      await trial.revive([1])
      expect(await trial.waiting(4)).to.deep.equal(['old-3', 'other', 'old-1', 'old-2', 'same'])
      expect(await trial.sums('aws')).to.include({ targeted: 5, pending: 5, dead: 0 })
    })

    it('never changes after its release', () => {
      const digest = createHash('sha256')
        .update(STEPS[0] ?? '')
        .digest('hex')
      expect(digest).to.equal(FIRST_STEP)
    })
  })

  it('counts in step with its rows, whatever happens', async () => {
    await trial.open()
    const act = await randomActions(trial)
    for (let step = 0; step < 400; step++) {
      await act()
      await trial.sums('aws')
    }
    for (const { state, total, replayed, skipped, failed } of await trial.store.replays()) {
      expect(failed).to.be.at.most(replayed)
      if (state === 'done') expect(replayed + skipped).to.equal(total)
      else expect(replayed + skipped).to.be.at.most(total)
    }
    const figures = trial.store.statistics()
    const counted = await rows<{ ledger: number; counted: number }>(`
      SELECT ledger.pending AS ledger, (
        SELECT count(*) FROM queue JOIN delivery ON queue = number WHERE queue.recipient = ledger.recipient) AS counted
      FROM ledger`)
    expect(counted.map(({ ledger }) => ledger)).to.deep.equal(counted.map((row) => row.counted))
    const [found] = await rows<Record<string, number>>(`
      SELECT (SELECT count(*) FROM message) AS messages, (
          SELECT count(*) FROM delivery JOIN queue ON queue = number WHERE recipient IS NOT NULL) AS pending,
        (SELECT count(*) FROM dead_letter) AS dead`)
    expect(figures).to.include(found)
    await trial.open()
    expect(trial.store.statistics()).to.include(found)
  })

  it('shrinks when what is settled has had its time, and keeps what waits', async () => {
    await trial.open()
    const aws = await trial.recipient('aws')
    const value = JSON.stringify('x'.repeat(2_000))
    const batch = (count: number) => Array.from({ length: count }, () => trial.message({ value }))
    await trial.stored(batch(500), [aws])
    for (let round = 0; round < 8; round++) await trial.stored(batch(1_000))
    const grown = trial.store.statistics().bytes
    expect(grown).to.be.greaterThan(16 * MIB)
    trial.runtime.advance(2 * DAY_MS)
    expect(await purgeAll()).to.equal(8_000)
    const { bytes, messages, pending, extra } = trial.store.statistics()
    expect({ messages, pending }).to.deep.equal({ messages: 500, pending: 500 })
    expect(bytes).to.be.lessThan(grown / 4)
    expect(statSync(path).size).to.be.lessThan(5 * MIB)
    expect(extra?.wal_bytes).to.equal(0)
    expect(await rows('PRAGMA integrity_check')).to.deep.equal([{ integrity_check: 'ok' }])
  })

  it('reaches what is settled behind a long backlog, whoever is absent', async () => {
    await trial.open()
    const aws = await trial.recipient('aws')
    const batch = () => Array.from({ length: 1_000 }, () => trial.message())
    for (let round = 0; round < 4; round++) await trial.stored(batch(), [aws])
    await trial.stored(batch())
    trial.runtime.advance(2 * DAY_MS)
    expect(await purgeAll(10)).to.equal(1_000)
    expect(trial.store.statistics()).to.include({ messages: 4_000, pending: 4_000 })
  })

  it('touches nothing of what waits for somebody who is forgotten, and removes it a little at a time', async () => {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    for (let round = 0; round < 5; round++) {
      await trial.stored(
        Array.from({ length: 1_000 }, () => trial.message()),
        [aws, azure],
      )
    }
    await trial.store.forgetBacklog(aws)
    await trial.store.forgetRecipient(azure)
    const [left] = await rows<{ count: number }>('SELECT count(*) AS count FROM delivery')
    expect(left?.count).to.equal(10_000)
    await trial.open()
    expect(trial.store.statistics()).to.include({ messages: 5_000, pending: 0, dead: 2 })
    trial.runtime.advance(2 * DAY_MS)
    expect(await purgeAll(20)).to.equal(5_000)
    expect(await rows('SELECT * FROM delivery')).to.deep.equal([])
    expect(await rows('SELECT recipient FROM queue')).to.deep.equal([{ recipient: aws }])
  })

  it('purges what is old behind messages from a time when the clock was ahead', async () => {
    await trial.open()
    trial.runtime.step(400 * DAY_MS)
    await trial.stored(Array.from({ length: 600 }, () => trial.message()))
    trial.runtime.step(-400 * DAY_MS)
    await trial.stored([trial.message()])
    trial.runtime.advance(2 * DAY_MS)
    expect(await purgeAll()).to.equal(1)
  })

  it('uses little room for messages that gave up their texts, and each row is as it says it is', async () => {
    await trial.open()
    const aws = await trial.recipient('aws')
    const value = JSON.stringify('x'.repeat(700))
    const batch = () => Array.from({ length: 500 }, () => trial.message({ value }))
    const [kept = 0] = await trial.stored([trial.message({ messageId: 'kept', value })], [aws])
    for (let round = 0; round < 6; round++) await trial.stored(batch())
    const { usedBytes, capacityBytes } = trial.store.statistics()
    expect(usedBytes).to.be.greaterThan(3_000 * 1_000)
    expect(capacityBytes).to.equal(1024 * MIB)
    for (let done = false; !done; ) ({ done } = await trial.store.shed(100))
    expect(trial.store.statistics().usedBytes).to.be.lessThan(usedBytes / 2)
    expect(await trial.waiting(aws)).to.deep.equal(['kept'])
    await trial.settle({ recipient: aws, seq: kept })
    for (let done = false; !done; ) ({ done } = await trial.store.shed(100))
    const found = await rows<StoredRow>(`SELECT ${STORED_ROW} FROM message`)
    expect(found).to.have.length(3_001)
    expect(found.every((row) => row.text === '' && isIntact(row))).to.equal(true)
    expect(await rows('PRAGMA integrity_check')).to.deep.equal([{ integrity_check: 'ok' }])
  })

  it('keeps its write-ahead log bounded while it grows and is purged', async () => {
    await trial.open()
    const value = JSON.stringify('x'.repeat(20_000))
    let largest = 0
    for (let round = 0; round < 40; round++) {
      await trial.stored(Array.from({ length: 100 }, () => trial.message({ value })))
      trial.runtime.advance(DAY_MS / 4)
      await trial.store.purge({ settledBefore: trial.runtime.now(), deadBefore: 0, limit: 500 })
      largest = Math.max(largest, trial.store.statistics().extra?.wal_bytes ?? 0)
    }
    expect(largest).to.be.lessThan(32 * MIB)
    expect(trial.store.statistics().messages).to.be.lessThan(1_000)
  })
})

/** Does one thing or another to the deliveries of three recipients, each time that it is called. */
async function randomActions(trial: StoreTrial): Promise<() => Promise<unknown>> {
  const { runtime } = trial
  const chance = (limit: number) => Math.floor(runtime.random() * limit)
  const names = ['aws', 'azure', 'gcp']
  const name = () => names[chance(3)] ?? ''
  const places = [0]
  const some = () => ({ recipient: chance(8), seq: places[chance(places.length)] ?? 0 })
  const saveAll = () => Promise.all(names.map((one) => trial.recipient(one)))
  const message = () => trial.message({ priority: chance(2) * chance(10), orderingKey: `key ${chance(5)}` })
  const store = async () => places.push(...(await trial.stored([message()], (await saveAll()).slice(chance(3)))))
  const actions = [
    store,
    store,
    store,
    () => trial.settle(some(), some()),
    () => trial.die([some(), some()]),
    () => trial.revive([chance(60), chance(60)]),
    () => trial.freeze({}, { limit: 1 + chance(3), maxFailures: () => chance(2) }),
    () => trial.step(chance(200), 1),
    () => trial.store.endReplay(chance(200), { state: 'cancelled', reason: 'by chance' }),
    () => trial.store.discardDeadLetters([chance(60)]),
    () => trial.store.purge({ settledBefore: runtime.now(), deadBefore: runtime.now() - DAY_MS, limit: 2 }),
    async () => runtime.advance(chance(DAY_MS / 10)),
    async () => chance(5) === 0 && (await trial.store.forgetRecipient(chance(12))),
    async () => chance(5) === 0 && (await trial.store.forgetBacklog(chance(12))),
    async () => chance(5) === 0 && (await trial.store.renameRecipient(name(), name())),
  ]
  await saveAll()
  return async () => {
    await actions[chance(actions.length)]?.()
    await saveAll()
  }
}
