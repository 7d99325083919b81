import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { SlipstreamError, type StateEntry } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'
import { array, at, deleted, value, weights } from '../../../core/testing/state-trial.ts'
import { createClient, type RedisAddress } from '../../../plugins/state/redis/client.ts'
import { KeyNames, slotOf } from '../../../plugins/state/redis/keys.ts'
import { RedisState } from '../../../plugins/state/redis/state.ts'
import { until } from '../../acceptance/support/until.ts'
import { failureOf } from '../../core/support.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { freePort, RedisServer } from '../../support/redis.ts'
import { requireService } from '../../support/services.ts'

const KEYS = ['plain', 'user:1', '{tag}:a', 'a{tag}b{other}', '{}empty', 'a}b', '}{', '{open', 'ключ', 'x{}y}z']

describe('state redis', () => {
  let server: RedisServer
  let states: RedisState[]
  let redis: Redis

  before(async function () {
    server = await RedisServer.start(requireService(this, 'redis-server'))
  })
  after(() => server?.stop())

  beforeEach(() => {
    states = []
    redis = new Redis(server.url)
  })
  afterEach(async () => {
    for (const state of states) await state.close()
    await redis.flushall()
    redis.disconnect()
  })

  async function open(address: RedisAddress = { url: server.url }): Promise<RedisState> {
    const state = new RedisState({ client: () => createClient(address), prefix: 'slipstream:', log: new FanOutLog() })
    states.push(state)
    await state.open({ runtime: new ManualRuntime(), joinedBy: () => undefined })
    return state
  }

  describe('is read by applications', () => {
    it('SK as a string: texts without their quotes, all else as the JSON that was published', async () => {
      const state = await open()
      await state.join([
        value('text', 1, '"caf\\u00e9 \\"x\\""'),
        value('number', 1, '9007199254740993'),
        value('object', 1, '{"a": 1.0}'),
      ])
      expect(await redis.mget('text', 'number', 'object')).to.deep.equal(['café "x"', '9007199254740993', '{"a": 1.0}'])
    })

    it('SA as a list, in its order', async () => {
      const state = await open()
      await state.join([array('list', 1, '["b", "a", 9007199254740993, {"x": [1]}]'), array('empty', 1, '[]')])
      expect(await redis.lrange('list', '0', '-1')).to.deep.equal(['b', 'a', '9007199254740993', '{"x": [1]}'])
      expect(await redis.exists('empty')).to.equal(0)
    })

    it('SA of many items', async () => {
      const state = await open()
      await state.join([array('list', 1, JSON.stringify(Array.from({ length: 12_345 }, (_, n) => n)))])
      expect(await redis.llen('list')).to.equal(12_345)
      expect(await redis.lindex('list', 12_344)).to.equal('12344')
    })

    it('SW as a sorted set, in which members come and go', async () => {
      const state = await open()
      await state.join([weights('set', 1, { a: '1.5', b: '2', c: '3' })])
      await state.join([weights('set', 2, { a: '9', b: null })])
      expect(await redis.zrange('set', '0', '-1', 'WITHSCORES')).to.deep.equal(['c', '3', 'a', '9'])
    })

    it('SW of many members', async () => {
      const state = await open()
      const members = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`m${n}`, String(n)]))
      await state.join([weights('set', 1, members)])
      await state.join([weights('set', 2, { m7: '-1' })])
      expect(await redis.zcard('set')).to.equal(3_000)
      expect(await redis.zrange('set', '0', '0')).to.deep.equal(['m7'])
    })

    it('DEL as nothing, and one type after the other', async () => {
      const state = await open()
      const types = []
      for (const entry of [value('k', 1), array('k', 2), weights('k', 3, { a: '1' }), deleted('k', 4), value('k', 5)]) {
        await state.join([entry])
        types.push(await redis.type('k'))
      }
      expect(types).to.deep.equal(['string', 'list', 'zset', 'none', 'string'])
    })

    it('a type of its own under its space, and what is its alone not at all', async () => {
      const state = await open()
      await state.join([
        { ...value('EUR/USD', 1, '1.09'), space: 'fx.rate' },
        { ...value('members', 1, '{}'), space: 'or-set', shape: 'own' },
      ])
      expect(await redis.get('fx.rate:EUR/USD')).to.equal('1.09')
      expect((await redis.keys('*')).filter((name) => !name.startsWith('slipstream:'))).to.deep.equal([
        'fx.rate:EUR/USD',
      ])
    })
  })

  it('writes no older value over a newer one, however many write at once', async () => {
    const both = [await open(), await open()]
    const writes = Array.from({ length: 60 }, (_, n) => value('contended', n + 1, String(n + 1)))
    const shuffled = [...writes].sort(
      (one, other) => ((one.value.charCodeAt(0) * 7) % 5) - ((other.value.charCodeAt(0) * 7) % 5),
    )
    for (let at = 0; at < shuffled.length; at += 6) {
      await Promise.all(shuffled.slice(at, at + 6).map((write, index) => (both[index % 2] as RedisState).join([write])))
    }
    expect(await redis.get('contended')).to.equal('60')
  })

  it('gives digests that count what another instance has written to the same Redis', async () => {
    const runtime = new ManualRuntime()
    const one = await open()
    const other = new RedisState({
      client: () => createClient({ url: server.url }),
      prefix: 'slipstream:',
      log: new FanOutLog(),
    })
    states.push(other)
    await other.open({ runtime, joinedBy: () => undefined })
    await one.join([value('key', 1)])
    await runtime.advance(11_000)
    expect(await other.digests()).to.deep.equal(await one.digests())
  })

  it('puts figures right that somebody died before noting', async () => {
    const state = await open()
    await state.join([value('key', 1), value('other', 1)])
    const right = await state.digests()
    await redis.hset('slipstream:{index}:figures', '["keys","key"]', '1 1 0 1 0')
    const reopened = await open()
    expect(await reopened.digests()).not.to.deep.equal(right)
    await reopened.entriesIn(
      Array.from({ length: 65_536 }, (_, bucket) => bucket),
      undefined,
      { entries: 10, bytes: 1_000 },
    )
    expect(await reopened.digests()).to.deep.equal(right)
  })

  it('keeps version and value of any key in one slot', () => {
    const names = new KeyNames('slipstream:')
    for (const key of KEYS) {
      expect(slotOf(names.meta({ space: 'keys', key })), key).to.equal(slotOf(key))
      expect(slotOf(names.meta({ space: 'fx', key })), key).to.equal(slotOf(`fx:${key}`))
    }
    expect(new Set(KEYS.map((key) => names.meta({ space: 'keys', key }))).size).to.equal(KEYS.length)
  })

  it('computes slots as Redis Cluster does', () => {
    // The check value of CRC-16/XMODEM, and the examples of the cluster specification.
    expect(slotOf('123456789')).to.equal(0x31c3 % 16_384)
    expect(slotOf('{user1000}.following')).to.equal(slotOf('{user1000}.followers'))
    expect(slotOf('foo{}{bar}')).not.to.equal(slotOf('bar'))
    expect(slotOf('foo{{bar}}zap')).to.equal(slotOf('{bar'))
  })

  it('works on a cluster', async function () {
    const program = requireService(this, 'redis-server')
    const node = await RedisServer.start(program, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1')
    const { port } = node
    const admin = new Redis(port)
    try {
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await until('the cluster is formed', async () => (await admin.cluster('INFO')).includes('cluster_state:ok'))
      const state = await open({ cluster: { nodes: [{ host: '127.0.0.1', port }] } })
      expect(await state.join(KEYS.map((key) => value(key, 1)))).to.deep.equal(KEYS.map(() => 'applied'))
      expect(await state.join(KEYS.map((key) => value(key, 0)))).to.deep.equal(KEYS.map(() => 'superseded'))
      expect(await Promise.all(KEYS.map((key) => admin.get(key)))).to.deep.equal(KEYS.map((key) => `${key} 1`))
      expect(await state.scan(undefined, { entries: 100, bytes: 100_000 })).to.have.length(KEYS.length)
    } finally {
      admin.disconnect()
      await node.stop()
    }
  })

  it('works over TLS', async function () {
    requireService(this, 'openssl')
    const certificates = await makeCertificates()
    const { ca, server: own } = certificates
    const port = await freePort()
    const files = ['--tls-cert-file', own.cert, '--tls-key-file', own.key, '--tls-ca-cert-file', ca]
    const tls = ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files]
    const node = await RedisServer.start(requireService(this, 'redis-server'), ...tls)
    try {
      const state = await open({
        url: `rediss://localhost:${port}`,
        options: { tls: { ca: await readFile(ca, 'utf8') } },
      })
      expect(await state.join([value('key', 1)])).to.deep.equal(['applied'])
    } finally {
      await node.stop()
      await certificates.remove()
    }
  })

  it('finds its primary by sentinels', async function () {
    const program = requireService(this, 'redis-server')
    const primary = await RedisServer.start(program)
    const watcher = await RedisServer.start(program, '--sentinel')
    const admin = new Redis(watcher.port)
    await admin.call('SENTINEL', 'MONITOR', 'main', '127.0.0.1', String(primary.port), '1')
    admin.disconnect()
    try {
      const sentinels = [{ host: '127.0.0.1', port: watcher.port }]
      const state = await open({ options: { sentinels, name: 'main' } })
      expect(await state.join([value('key', 1)])).to.deep.equal(['applied'])
    } finally {
      await watcher.stop()
      await primary.stop()
    }
  })

  it('refuses a Redis that evicts keys', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    try {
      const error = await failureOf(SlipstreamError, () => open())
      expect(error.code).to.equal('SLP_REDIS_EVICTION')
      await redis.config('SET', 'maxmemory-policy', 'volatile-lru')
      await open()
    } finally {
      await redis.config('SET', 'maxmemory-policy', 'noeviction')
    }
  })

  it('says that it is away, and goes on by itself when it is back', async function () {
    const own = await RedisServer.start(requireService(this, 'redis-server'))
    try {
      const state = await open({ url: own.url })
      await state.join([value('key', 1)])
      await own.kill()
      const away = await failureOf(SlipstreamError, () => state.join([value('key', 2)]))
      expect(away.code).to.equal('SLP_STATE_UNAVAILABLE')
      expect(state.problem).to.be.a('string')
      await own.restart()
      let back: readonly (StateEntry | undefined)[] = []
      await until('it works again', async () => {
        back = await state.read([value('key', 2)]).catch(() => [])
        return back.length > 0
      })
      expect(back).to.deep.equal([value('key', 1)])
      expect(await state.join([value('key', 2)])).to.deep.equal(['applied'])
      expect(state.problem).to.equal(undefined)
    } finally {
      await own.stop()
    }
  })

  it('starts though its Redis does not yet', async function () {
    const own = await RedisServer.start(requireService(this, 'redis-server'))
    await own.kill()
    try {
      const state = await open({ url: own.url })
      expect(state.problem).to.be.a('string')
      await own.restart()
      await until('it works', () =>
        state.join([value('key', 1)]).then(
          () => true,
          () => false,
        ),
      )
    } finally {
      await own.stop()
    }
  })

  it('leaves versions as they are in what it keeps', async () => {
    const state = await open()
    await state.join([weights('set', 1, { a: '1.50' }), value('key', 2)])
    expect(await state.read([value('set', 1), value('key', 1), value('none', 1)])).to.deep.equal([
      weights('set', 1, { a: '1.50' }),
      value('key', 2),
      undefined,
    ])
    expect(at(2)).to.equal((await state.read([value('key', 1)]))[0]?.version)
  })
})
