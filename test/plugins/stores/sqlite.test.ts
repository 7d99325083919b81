import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { expect } from 'chai'
import {
  type Kernel,
  type LogFields,
  type Message,
  type SlipstreamError,
  type Store,
  systemRuntime,
} from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { DAY_MS, StoreTrial } from '../../../core/testing/store-trial.ts'
import { assertDurable, openDatabase } from '../../../plugins/stores/sqlite/database.ts'
import { assertNodeRunsDriver } from '../../../plugins/stores/sqlite/driver.ts'
import { SqliteStore, type SqliteStoreOptions, sqlite } from '../../../plugins/stores/sqlite/index.ts'
import { migrate, STEPS } from '../../../plugins/stores/sqlite/migrations.ts'

const GIB = 1024 ** 3
const WRITER = fileURLToPath(new URL('../../support/store-writer.ts', import.meta.url))

describe('plugins/stores/sqlite', () => {
  let folder: string
  let path: string
  let trials: StoreTrial[]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-sqlite-'))
    path = join(folder, 'data', 'test.db')
    trials = []
  })

  afterEach(async () => {
    for (const trial of trials) await trial.end()
    rmSync(folder, { recursive: true })
  })

  /** A store over the file of this test, closed when it is over. */
  function trialOf(options: Partial<SqliteStoreOptions> = {}): StoreTrial {
    const instance = () => new SqliteStore({ path, maxBytes: GIB, log: new FanOutLog(), ...options })
    const trial = new StoreTrial({ instance, destroy: async () => {} })
    trials.push(trial)
    return trial
  }

  /** Works on the file behind the store's back. */
  function tamper(sql: string): void {
    const database = new BetterSqlite3(path)
    database.exec(sql)
    database.close()
  }

  describe('the file', () => {
    it('waits for the disk at each commit, and is locked for others', () => {
      const database = openDatabase(path, GIB)
      const pragma = (name: string) => database.pragma(name, { simple: true })
      expect(pragma('journal_mode')).to.equal('wal')
      expect(pragma('synchronous')).to.equal(2)
      expect(pragma('locking_mode')).to.equal('exclusive')
      expect(pragma('auto_vacuum')).to.equal(2)
      expect(pragma('trusted_schema')).to.equal(0)
      expect(pragma('foreign_keys')).to.equal(1)
      expect(() => database.prepare('SELECT "a string"')).to.throw('no such column')
      database.close()
    })

    it('is refused when a commit could be lost', () => {
      const inMemory = new BetterSqlite3(':memory:')
      expect(codeOf(() => assertDurable(inMemory))).to.equal('SLP_STORE_UNSAFE')
      const database = openDatabase(path, GIB)
      assertDurable(database)
      database.pragma('synchronous = NORMAL')
      expect(codeOf(() => assertDurable(database))).to.equal('SLP_STORE_UNSAFE')
      inMemory.close()
      database.close()
    })

    it('is readable by its owner alone', async () => {
      const trial = trialOf()
      await trial.open()
      await trial.stored([trial.message()])
      expect(modeOf(join(folder, 'data'))).to.equal(0o700)
      expect(modeOf(path)).to.equal(0o600)
      expect(modeOf(`${path}-wal`)).to.equal(0o600)
    })

    it('is refused when a newer version wrote it, and stays as it is', async () => {
      const trial = trialOf()
      await trial.open()
      await trial.store.close()
      tamper('PRAGMA user_version = 4711')
      await rejectsWith('SLP_STORE_NEWER', trial.open())
      tamper(`PRAGMA user_version = ${STEPS.length}`)
      await trial.open()
    })

    it('is refused when it is something else', async () => {
      const trial = trialOf({ path: join(folder, 'notes.txt') })
      writeFileSync(join(folder, 'notes.txt'), 'not a database, but long enough to be taken for one. '.repeat(100))
      const error = await rejectsWith('SLP_STORE_FAILED', trial.open())
      expect(error.message).to.contain('notes.txt')
      expect(error.cause).to.be.instanceOf(BetterSqlite3.SqliteError)
    })
  })

  describe('as a plugin', () => {
    it('keeps its file where settings say, else where its options say', () => {
      expect(registered(sqlite({ path }), {})).to.equal(path)
      expect(registered(sqlite({ path }), { storagePath: join(folder, 'other.db') })).to.equal(join(folder, 'other.db'))
      expect(registered(sqlite(), {})).to.equal('./slipstream-data/slipstream.db')
      expect(existsSync(path)).to.equal(false)
    })

    it('refuses a Node on which the driver would crash', () => {
      const on = (napi: string) => ({ ...process.versions, napi })
      expect(codeOf(() => assertNodeRunsDriver('13.2.0', on('9')))).to.equal('SLP_STORE_NODE')
      expect(codeOf(() => assertNodeRunsDriver('13.2.0', on('10')))).to.equal(undefined)
      expect(codeOf(() => assertNodeRunsDriver('12.11.1', on('9')))).to.equal(undefined)
      expect(codeOf(() => assertNodeRunsDriver())).to.equal(undefined)
    })
  })

  describe('beside another process', () => {
    it('is refused at once, and opens as soon as that process was killed', async () => {
      const other = startWriter(path)
      await other.reported(10)
      const trial = trialOf()
      const asked = systemRuntime.monotonic()
      await rejectsWith('SLP_STORE_IN_USE', trial.open())
      expect(systemRuntime.monotonic() - asked).to.be.lessThan(2_000)
      await other.kill()
      await trial.open()
    })

    it('stays locked for it, also after a second one in this process was refused', async () => {
      const trial = trialOf()
      await trial.open()
      await rejectsWith('SLP_STORE_IN_USE', trial.open())
      const other = startWriter(path)
      expect(await other.outcome()).to.contain('SLP_STORE_IN_USE')
    })

    it('loses nothing that was reported as stored when the process is killed', async () => {
      const writer = startWriter(path)
      await writer.reported(400)
      const reported = await writer.kill()
      const trial = trialOf()
      const { recipients } = await trial.open()
      const [aws] = recipients
      const waiting = await trial.waiting(aws?.key ?? 0, 0, { messages: 1_000_000, bytes: GIB })
      expect(waiting.length).to.be.at.least(reported)
      expect(waiting).to.deep.equal(waiting.map((_, index) => `message-${index + 1}`))
      expect(aws?.pending).to.equal(waiting.length)
      const { originSequence } = trial.message()
      expect((await trial.writeOne(trial.message({ originSequence }))).status).to.equal('duplicate')
    })
  })

  describe('a row that was altered on disk', () => {
    it('is never delivered, is kept, counted and reported once, and holds up nobody', async () => {
      const records: [string, LogFields][] = []
      const log = new FanOutLog()
      log.attach((level, _event, fields) => records.push([level, fields]))
      const trial = trialOf({ log })
      await trial.open()
      const aws = await trial.recipient('aws')
      const messages = ['a', 'b', 'c'].map((messageId) => trial.message({ messageId, value: '"100 EUR"' }))
      await trial.stored(messages, [aws])
      await trial.store.close()
      tamper(`UPDATE message SET text = replace(text, '100 EUR', '900 EUR') WHERE message_id = 'a'`)

      const { recipients } = await trial.open()
      expect(await trial.waiting(aws)).to.deep.equal(['b', 'c'])
      expect(await trial.waiting(aws, 0, { messages: 1 })).to.deep.equal(['b'])
      expect(trial.store.statistics().extra).to.include({ corrupt_rows: 1 })
      expect(records).to.deep.equal([['critical', { messageId: 'a' }]])
      expect(recipients[0]?.pending).to.equal(3)
    })

    it('becomes a dead letter of each recipient that it waited for, and cannot be revived', async () => {
      const trial = trialOf()
      await trial.open()
      const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
      const attempts = { sends: 2, nacks: 1, timeouts: 0, disconnects: 0 }
      const [seq = 0] = await trial.stored([trial.message({ messageId: 'a' }), trial.message()], [aws, azure])
      await trial.batch({ retries: [{ recipient: aws, seq, attempts, dueAt: 0 }] })
      await trial.store.close()
      tamper(`UPDATE message SET text = text || ' ', path = 'no JSON' WHERE message_id = 'a'`)

      await trial.open()
      await trial.waiting(aws)
      await trial.waiting(aws)
      expect(await trial.dead()).to.have.length(1)
      expect(await trial.store.recall(azure, [seq])).to.deep.equal([])
      expect(await trial.sums('aws')).to.include({ targeted: 2, pending: 1, dead: 1 })
      const letters = await trial.dead({ reason: 'INTEGRITY' })
      expect(letters.map(({ recipient }) => recipient)).to.deep.equal(['aws', 'azure'])
      expect(letters[0]).to.deep.include({ messageId: 'a', attempts, path: [], plugin: 'store-sqlite', count: 1 })
      expect(trial.store.statistics().givenUp).to.deep.equal({ INTEGRITY: 2, RECIPIENT_FORGOTTEN: 0 })
      expect(await trial.revive(letters.map(({ id }) => id))).to.deep.equal([])
      expect(await trial.store.deadLetterText(letters[0]?.id ?? 0)).to.equal(undefined)
      expect((await trial.reopen()).recipients.map(({ pending }) => pending)).to.deep.equal([1, 1])
      expect(trial.store.statistics()).to.include({ pending: 2, dead: 2 })
    })

    it('replaces nothing, and is not replaced: it becomes a dead letter when its turn comes', async () => {
      const trial = trialOf()
      await trial.open()
      const aws = await trial.recipient('aws')
      const write = (key: string, version: string) =>
        trial.message({ messageId: `${key}-${version}`, orderingKey: key, version })
      await trial.stored([write('k', '1'), write('k', '2'), write('l', '1'), write('l', '2')], [aws])
      await trial.store.close()
      tamper(`UPDATE message SET text = replace(text, 'value', 'valve') WHERE message_id IN ('k-2', 'l-1')`)
      await trial.open()
      const { deliveries } = await trial.store.collapse(aws, new Map([['SK', 'SK']]), 100)
      expect(deliveries).to.equal(0)
      expect(await trial.waiting(aws)).to.deep.equal(['k-1', 'l-2'])
      expect(await trial.sums('aws')).to.include({ targeted: 4, pending: 2, dead: 2 })
    })

    it('is noticed by its expiry', async () => {
      const trial = trialOf()
      const { runtime, message } = trial
      await trial.open()
      const aws = await trial.recipient('aws')
      await trial.stored([message({ expiresAt: runtime.now() + 1_000 }), message()], [aws])
      await trial.store.close()
      tamper('UPDATE message SET expires_at = 1')
      await trial.open()
      expect(await trial.waiting(aws)).to.deep.equal([])
    })

    it('is left out also when nothing can be written any more', async () => {
      const disk = failingDisk()
      const events: string[] = []
      const log = new FanOutLog()
      log.attach((_level, event) => events.push(event))
      const trial = trialOf({ open: disk.open, log })
      await trial.open()
      const aws = await trial.recipient('aws')
      await trial.stored([trial.message(), trial.message({ messageId: 'b' })], [aws])
      await trial.store.close()
      tamper(`UPDATE message SET text = text || ' ' WHERE message_id <> 'b'`)
      await trial.open()
      disk.failNext('SQLITE_IOERR_WRITE')
      await rejectsWith('SLP_STORE_LOST', trial.write([trial.message()]))
      expect(await trial.waiting(aws)).to.deep.equal(['b'])
      expect(events).to.include('altered messages could not be set aside')
      await trial.reopen()
      expect(await trial.waiting(aws)).to.deep.equal(['b'])
      expect(await trial.dead()).to.have.length(1)
    })

    for (const column of ['type', 'message_id', 'cluster_group_id', 'path', 'text']) {
      it(`is noticed by its ${column}`, async () => {
        const trial = trialOf()
        await trial.open()
        const aws = await trial.recipient('aws')
        await trial.stored([trial.message()], [aws])
        await trial.store.close()
        tamper(`UPDATE message SET ${column} = ${column} || ' '`)
        await trial.open()
        expect(await trial.waiting(aws)).to.deep.equal([])
      })
    }
  })

  describe('when the disk fails', () => {
    it('takes nothing into a full file, still settles, and goes on when there is room', async () => {
      const trial = trialOf({ maxBytes: 1024 ** 2 })
      await trial.open()
      const aws = await trial.recipient('aws')
      const value = JSON.stringify('x'.repeat(50_000))
      const message = trial.message({ value })
      const [seq = 0] = await trial.stored([message], [aws])
      const tooMany = Array.from({ length: 40 }, () => trial.message({ value }))
      await rejectsWith('SLP_STORE_FAILED', trial.write(tooMany, [aws]))
      expect(trial.store.statistics()).to.include({ messages: 1, pending: 1 })

      await trial.settle({ recipient: aws, seq })
      await trial.stored(tooMany.slice(0, 5), [aws])
      expect(trial.store.statistics()).to.include({ messages: 6, pending: 5 })
    })

    it('takes new messages again when a full file was purged', async () => {
      const trial = trialOf({ maxBytes: 1024 ** 2 })
      await trial.open()
      const aws = await trial.recipient('aws')
      const value = JSON.stringify('x'.repeat(50_000))
      const places: number[] = []
      const error = await fill(async () => {
        places.push(...(await trial.stored([trial.message({ value })], [aws])))
      })
      expect(error.code).to.equal('SLP_STORE_FAILED')
      expect(await trial.sums('aws')).to.include({ targeted: places.length, pending: places.length })

      await trial.settle(...places.slice(1).map((seq) => ({ recipient: aws, seq })))
      trial.runtime.advance(2 * DAY_MS)
      const { messages } = await trial.store.purge({ settledBefore: trial.runtime.now(), deadBefore: 0, limit: 1_000 })
      expect(messages).to.equal(places.length - 1)
      await trial.stored(
        places.slice(1).map(() => trial.message({ value })),
        [aws],
      )
      expect(await trial.sums('aws')).to.include({ acked: messages, pending: places.length })
    })

    it('writes nothing more once a sync has failed, until it is opened anew', async () => {
      const disk = failingDisk()
      const trial = trialOf({ open: disk.open })
      await trial.open()
      const aws = await trial.recipient('aws')
      const message = trial.message({ messageId: 'repeated' })
      disk.failNext('SQLITE_IOERR_FSYNC')
      const error = await rejectsWith('SLP_STORE_LOST', trial.write([message], [aws]))
      expect(error.cause).to.include({ code: 'SQLITE_IOERR_FSYNC' })
      await rejectsWith('SLP_STORE_LOST', trial.write([message], [aws]))
      await rejectsWith('SLP_STORE_LOST', trial.recipient('azure'))
      expect(await trial.waiting(aws)).to.deep.equal([])

      await trial.reopen()
      await trial.stored([message], [aws])
    })

    it('holds nothing of a failed batch for stored', async () => {
      const disk = failingDisk()
      const trial = trialOf({ open: disk.open })
      await trial.open()
      const write = (lastVersion: string, ...messages: readonly Message[]) =>
        trial.batch({ entries: messages.map((message) => ({ message, recipients: [] })), lastVersion })
      const [first] = await write('1', trial.message())
      const seq = first?.status === 'stored' ? first.seq : Number.NaN
      const batch = [trial.message(), trial.message()]
      disk.failNext('SQLITE_FULL', 2)
      await rejectsWith('SLP_STORE_FAILED', write('3', ...batch))
      expect(await write('2', ...batch)).to.deep.equal([
        { status: 'stored', seq: seq + 1 },
        { status: 'stored', seq: seq + 2 },
      ])
      expect((await trial.reopen()).lastVersion).to.equal('2')
    })
  })

  it('never gives a place twice, even when its message is gone', async () => {
    const trial = trialOf()
    await trial.open()
    const [, last = 0] = await trial.stored([trial.message(), trial.message()])
    await trial.store.close()
    tamper('DELETE FROM message')
    await trial.open()
    expect(await trial.stored([trial.message()])).to.deep.equal([last + 1])
  })
})

/** Does it again and again until it fails. Resolves to how. */
async function fill(write: () => Promise<void>): Promise<SlipstreamError> {
  for (;;) {
    try {
      await write()
    } catch (error) {
      return error as SlipstreamError
    }
  }
}

/** A disk on which writing a message fails with an error of SQLite, when a test says so. */
function failingDisk() {
  let countdown = 0
  let code = ''
  return {
    /** Fails at the `nth` message from now. */
    failNext(error: string, nth = 1) {
      code = error
      countdown = nth
    },
    open(path: string, maxBytes: number) {
      const database = openDatabase(path, maxBytes)
      database.function('fail_if_told', () => {
        if (countdown > 0 && --countdown === 0) throw new BetterSqlite3.SqliteError('disk I/O error', code)
        return null
      })
      migrate(database)
      database.exec('CREATE TEMP TRIGGER failing BEFORE INSERT ON message BEGIN SELECT fail_if_told(); END')
      return database
    },
  }
}

/** Starts a process that writes into the file until it is killed. */
function startWriter(path: string) {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', WRITER, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  let last = 0
  let complaint = ''
  child.stderr?.on('data', (data) => {
    complaint += data
  })
  const lines = createInterface({ input: child.stdout ?? process.stdin }).on('line', (line) => {
    last = Number(line)
  })
  return {
    async reported(count: number): Promise<void> {
      while (last < count)
        await Promise.race([once(lines, 'line'), ended.then(() => Promise.reject(new Error(complaint)))])
    },
    /** Resolves to what it complained about when it ended by itself, or to what it wrote. */
    async outcome(): Promise<string> {
      await Promise.race([ended, once(lines, 'line')])
      await this.kill()
      return last > 0 ? `wrote ${last}` : complaint
    },
    /** Resolves to the last number that it reported. */
    async kill(): Promise<number> {
      child.kill('SIGKILL')
      await ended
      return last
    },
  }
}

/** The path of the store that the plugin registers. */
function registered(plugin: ReturnType<typeof sqlite>, settings: { storagePath?: string }): string | undefined {
  let path: string | undefined
  const keep = (store: Store) => (path = (store as SqliteStore).path)
  const windows = { remembers: () => {} }
  const kernel = { settings, log: new FanOutLog(), windows, store: keep, provide: () => {} }
  void plugin.apply(kernel as unknown as Kernel)
  return path
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777
}

function codeOf(run: () => void): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return (error as SlipstreamError).code
  }
}

async function rejectsWith(code: string, promise: Promise<unknown>): Promise<SlipstreamError> {
  const error = await promise.then(
    () => expect.fail(`resolved instead of ${code}`),
    (reason: SlipstreamError) => reason,
  )
  expect(error.code, error.message).to.equal(code)
  return error
}
