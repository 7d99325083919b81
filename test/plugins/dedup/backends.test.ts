import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { expect } from 'chai'
import { type DedupBackend, SlipstreamError } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { claimed } from '../../../core/testing/dedup-trial.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'
import { memory, sqlite } from '../../../plugins/dedup/index.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { failureOf } from '../../core/support.ts'
import { PromptRuntime } from '../../support/prompt-runtime.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const LEASE_MS = 1_000
const TTL_MS = 60_000

async function confirm(backend: DedupBackend, key: string): Promise<void> {
  expect(await backend.confirm(key, await claimed(backend, key))).to.equal(true)
}

async function confirmAll(backend: DedupBackend, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key) => confirm(backend, key)))
}

describe('dedup memory', () => {
  let runtime: ManualRuntime
  beforeEach(() => {
    runtime = new ManualRuntime()
  })

  async function opened(maxEntries: number): Promise<DedupBackend> {
    const backend = memory({ maxEntries })
    await backend.open({ runtime, leaseMs: LEASE_MS, ttlMs: TTL_MS })
    return backend
  }

  it('stays within its bound however many ids come, and knows the newest of them', async () => {
    const backend = await opened(10_000)
    for (let n = 0; n < 1_000_000; n++) {
      const verdict = await backend.claim(`m-${n}`)
      if (verdict.status === 'claimed') await backend.confirm(`m-${n}`, verdict.token)
    }
    expect(await backend.find('m-989999')).to.equal(undefined)
    for (let n = 990_000; n < 1_000_000; n++) expect(await backend.find(`m-${n}`)).to.equal('confirmed')
  }).timeout(60_000)

  it('refuses another claim when all of it is claimed, until one is confirmed, given back or over', async () => {
    const backend = await opened(2)
    const [one] = [await claimed(backend, 'one'), await claimed(backend, 'two')]
    const { code, message } = await failureOf(SlipstreamError, () => backend.claim('three'))
    expect([code, message.includes('2 entries')]).to.deep.equal(['SLP_DEDUP_FULL', true])
    expect((await backend.claim('one')).status).to.equal('busy')
    await backend.release('one', one)
    await claimed(backend, 'three')
    runtime.advance(LEASE_MS)
    await confirm(backend, 'four')
    await claimed(backend, 'five')
    await claimed(backend, 'six')
    expect(await backend.find('four')).to.equal(undefined)
  })

  it('forgets claims that are over before anything that was confirmed', async () => {
    const backend = await opened(3)
    await confirm(backend, 'confirmed')
    for (const key of ['a', 'b']) await claimed(backend, key)
    runtime.advance(LEASE_MS)
    for (const key of ['c', 'd']) await claimed(backend, key)
    expect(await backend.find('confirmed')).to.equal('confirmed')
  })

  it('refuses a bound that cannot be', () => {
    for (const maxEntries of [0, -1, 1.5, Number.NaN]) {
      expect(() => memory({ maxEntries }))
        .to.throw(SlipstreamError)
        .with.property('code', 'SLP_DEDUP_OPTIONS')
    }
  })
})

describe('dedup sqlite', () => {
  let folder: string
  let path: string
  let runtime: ManualRuntime
  let backends: DedupBackend[]

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-dedup-'))
    path = join(folder, 'own', 'dedup.db')
    runtime = new PromptRuntime()
    backends = []
  })

  afterEach(async () => {
    for (const backend of backends) await backend.close()
    await rm(folder, { recursive: true })
  })

  async function opened(options: { path?: string; maxBytes?: number } = {}): Promise<DedupBackend> {
    const backend = sqlite({ path, ...options })
    backends.push(backend)
    await backend.open({ runtime, leaseMs: LEASE_MS, ttlMs: TTL_MS })
    return backend
  }

  const failureToOpen = async (wrong: string) => {
    const { code, message } = await failureOf(SlipstreamError, () => opened({ path: wrong }))
    expect(code).to.equal('SLP_DEDUP_FAILED')
    expect(message).to.contain(wrong)
    return message
  }

  it('makes its file and folder for their owner alone', async () => {
    await opened()
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect((await stat(join(folder, 'own'))).mode & 0o777).to.equal(0o700)
  })

  it('leaves alone what is somebody else’s, such as the file of a store', async () => {
    const store = new SqliteStore({ path, maxBytes: 1024 ** 3, log: new FanOutLog() })
    await store.open({ runtime, instanceId: undefined })
    await store.close()
    const other = join(folder, 'other.db')
    new Database(other).exec('CREATE TABLE person (name)').close()
    for (const foreign of [path, other]) {
      const before = await readFile(foreign)
      expect(await failureToOpen(foreign)).to.contain('something else')
      expect((await readFile(foreign)).equals(before)).to.equal(true)
    }
  })

  it('refuses a file that a newer version has written', async () => {
    await (await opened()).close()
    const database = new Database(path)
    database.pragma('user_version = 2')
    database.close()
    expect(await failureToOpen(path)).to.contain('newer')
  })

  it('says plainly what is wrong with a file that it cannot use', async () => {
    const garbage = join(folder, 'garbage')
    await writeFile(garbage, 'x'.repeat(8_192))
    expect(await failureToOpen(garbage)).to.contain('not a database')
    await failureToOpen(folder)
    const missing = join(folder, 'file')
    await writeFile(missing, '')
    await failureToOpen(join(missing, 'dedup.db'))
    expect(() => sqlite({ path: '' }))
      .to.throw(SlipstreamError)
      .with.property('code', 'SLP_DEDUP_OPTIONS')
    expect(() => sqlite({ path, maxBytes: 5 }))
      .to.throw(SlipstreamError)
      .with.property('code', 'SLP_DEDUP_OPTIONS')
  })

  it('waits for the disk when it confirms, and only then', async () => {
    const backend = await opened()
    const token = await claimed(backend, 'key')
    const [syncOfClaim, syncOfConfirm] = await modes(async () => {
      await backend.extend('key', token)
      await backend.confirm('key', token)
    })
    expect([syncOfClaim, syncOfConfirm]).to.deep.equal([undefined, 'synchronous = FULL'])
  })

  it('waits once for all that is confirmed in one turn of the event loop, and gives each its own answer', async () => {
    const backend = await opened()
    const keys = ['a', 'b', 'c', 'd']
    const tokens: number[] = []
    for (const key of keys) tokens.push(await claimed(backend, key))
    await backend.release('b', tokens[1] as number)
    let answers: readonly boolean[] = []
    const statements = await modes(async () => {
      answers = await Promise.all(keys.map((key, at) => backend.confirm(key, tokens[at] as number)))
    })
    expect(answers).to.deep.equal([true, false, true, true])
    // With the beginning and the end of the transaction.
    expect(statements).to.deep.equal(Array(keys.length + 2).fill('synchronous = FULL'))
  })

  it('confirms before it closes what was asked before', async () => {
    const backend = await opened()
    const token = await claimed(backend, 'key')
    const confirmed = backend.confirm('key', token)
    await backend.close()
    expect(await confirmed).to.equal(true)
    expect(await (await opened()).find('key')).to.equal('confirmed')
    expect((await failureOf(SlipstreamError, () => backend.confirm('key', token))).code).to.equal('SLP_DEDUP_FAILED')
  })

  it('forgets what is over a little at a time, while it is used', async () => {
    const backend = await opened()
    await confirmAll(
      backend,
      Array.from({ length: 400 }, (_, n) => `old-${n}`),
    )
    runtime.advance(TTL_MS)
    const counts = [rows()]
    for (let n = 0; n < 128; n++) {
      await claimed(backend, `new-${n}`)
      if (n % 32 === 31) counts.push(rows())
    }
    const forgotten = counts.slice(1).map((count, at) => (counts[at] as number) + 32 - count)
    expect(Math.max(...forgotten)).to.equal(128)
    expect(counts.at(-1)).to.equal(128)
  })

  it('takes nothing more when it is full, and goes on when something is forgotten', async () => {
    const backend = await opened({ maxBytes: 1024 ** 2 })
    const name = (n: number) => `${'x'.repeat(200)} ${n}`
    const fill = async () => {
      for (let n = 0; ; n += 64)
        await confirmAll(
          backend,
          Array.from({ length: 64 }, (_, at) => name(n + at)),
        )
    }
    const { code, message } = await failureOf(SlipstreamError, fill)
    expect([code, message.includes('full')]).to.deep.equal(['SLP_DEDUP_FAILED', true])
    expect(await backend.find(name(0))).to.equal('confirmed')
    runtime.advance(TTL_MS)
    for (let tries = 0; tries < 200; tries++) await backend.claim(`new-${tries}`).catch(() => {})
    await confirm(backend, 'again')
  })

  it('fails while another process holds the file, marks nothing, and goes on', async () => {
    const backend = await opened()
    const other = new Database(path)
    other.exec('BEGIN IMMEDIATE')
    const { code, message } = await failureOf(SlipstreamError, () => backend.claim('key'))
    expect([code, message.includes('locked')]).to.deep.equal(['SLP_DEDUP_FAILED', true])
    other.exec('ROLLBACK')
    other.close()
    await confirm(backend, 'key')
  })

  it('is not trusted any more after the disk has failed', async () => {
    const backend = await opened()
    await confirm(backend, 'key')
    const failing = failingReads()
    try {
      expect((await failureOf(SlipstreamError, () => backend.find('key'))).message).to.contain('disk I/O error')
    } finally {
      failing.restore()
    }
    expect((await failureOf(SlipstreamError, () => backend.claim('other'))).message).to.contain('disk I/O error')
  })

  function rows(): number {
    const database = new Database(path, { readonly: true })
    try {
      return database.prepare('SELECT count(*) FROM handled').pluck().get() as number
    } finally {
      database.close()
    }
  }
})

describe('slipstream/dedup', () => {
  const run = async (code: string) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT })
    return stdout.trim()
  }
  const LOADED = `
    import module from 'node:module'
    import * as dedup from 'slipstream/dedup'
    const loaded = () => ['better-sqlite3', 'ioredis'].map((name) =>
      Object.keys(module._cache).some((file) => file.includes('/' + name + '/')))`

  it('loads no driver before it is needed', async () => {
    const code = `${LOADED}
      console.log(...loaded())
      await new dedup.SlipstreamDeduplicator({ backend: dedup.memory() }).open()
      const backends = [dedup.sqlite({ path: '/dev/null/x' }), dedup.redis({ url: 'redis://127.0.0.1:1' })]
      console.log(...loaded())
      for (const backend of backends) await new dedup.SlipstreamDeduplicator({ backend }).open().catch(() => {})
      console.log(...loaded())`
    expect((await run(code)).split('\n')).to.deep.equal(['false false', 'false false', 'true true'])
  })

  it('says what to install when ioredis is not there', async () => {
    const code = `${LOADED}
      const hide = "export const resolve = (name, context, next) => { if (name === 'ioredis') throw new Error('none'); return next(name, context) }"
      module.register('data:text/javascript,' + encodeURIComponent(hide))
      const { SlipstreamDeduplicator, redis } = dedup
      await new SlipstreamDeduplicator({ backend: redis() }).open().catch(({ code, message }) => console.log(code, message))`
    expect(await run(code)).to.match(/^SLP_REDIS_CLIENT .*npm install ioredis$/)
  })
})

/** How each statement that is run meanwhile waits for the disk: the pragma that was set right before it. */
async function modes(work: () => Promise<void>): Promise<readonly (string | undefined)[]> {
  const found: (string | undefined)[] = []
  const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1')) as Database.Statement
  const { pragma } = Database.prototype
  const { run } = statement
  let mode: string | undefined
  Database.prototype.pragma = function (this: Database.Database, source: string, options?: object) {
    mode = source
    return pragma.call(this, source, options)
  }
  statement.run = function (this: Database.Statement, ...parts: unknown[]) {
    found.push(mode)
    return run.apply(this, parts)
  }
  try {
    await work()
  } finally {
    Database.prototype.pragma = pragma
    statement.run = run
  }
  return found
}

/** Lets every read fail as a broken disk does. */
function failingReads(): { restore(): void } {
  const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1')) as Database.Statement
  const { get } = statement
  statement.get = () => {
    throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_READ' })
  }
  return {
    restore: () => {
      statement.get = get
    },
  }
}
