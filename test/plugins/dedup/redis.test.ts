import { expect } from 'chai'
import { Redis } from 'ioredis'
import { type DedupBackend, SlipstreamError, systemRuntime } from '../../../core/index.ts'
import { claimed } from '../../../core/testing/dedup-trial.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'
import { type RedisOptions, redis, SlipstreamDeduplicator } from '../../../plugins/dedup/index.ts'
import { until } from '../../acceptance/support/until.ts'
import { failureOf } from '../../core/support.ts'
import { freePort, RedisServer } from '../../support/redis.ts'
import { requireService } from '../../support/services.ts'

const HOUR_MS = 60 * 60 * 1_000
const TERMS = { leaseMs: HOUR_MS, ttlMs: 24 * HOUR_MS }
const M = { messageId: 'm-1', clusterGroupId: 'eu' }

describe('dedup redis', () => {
  let server: RedisServer
  let observer: Redis
  let backends: DedupBackend[]

  before(async function () {
    server = await RedisServer.start(requireService(this, 'redis-server'))
  })
  after(() => server?.stop())

  beforeEach(() => {
    backends = []
    observer = new Redis(server.url)
    observer.on('error', () => {})
  })
  afterEach(async () => {
    for (const backend of backends) await backend.close()
    await observer.flushall()
    observer.disconnect()
  })

  async function opened(options: RedisOptions = { url: server.url }): Promise<DedupBackend> {
    const backend = redis(options)
    backends.push(backend)
    await backend.open({ runtime: systemRuntime, ...TERMS })
    return backend
  }

  it('lets Redis itself forget: what was confirmed after its time, claims after that and their lease', async () => {
    const backend = await opened()
    const token = await claimed(backend, 'eu m-1')
    const ttl = () => observer.pttl('slipstream:dedup:eu m-1')
    expect(await ttl()).to.be.within(TERMS.leaseMs + TERMS.ttlMs - 60_000, TERMS.leaseMs + TERMS.ttlMs)
    await backend.confirm('eu m-1', token)
    expect(await ttl()).to.be.within(TERMS.ttlMs - 60_000, TERMS.ttlMs)
    const released = await claimed(backend, 'eu m-2')
    await backend.release('eu m-2', released)
    expect(await observer.pttl('slipstream:dedup:eu m-2')).to.be.within(TERMS.ttlMs - 60_000, TERMS.ttlMs)
    expect(await observer.dbsize()).to.equal(2)
  })

  it('keeps what has another prefix apart', async () => {
    const [one, other] = [
      await opened({ url: server.url, prefix: 'one:' }),
      await opened({ url: server.url, prefix: 'other:' }),
    ]
    await claimed(one, 'key')
    await claimed(other, 'key')
    expect((await observer.keys('*')).sort()).to.deep.equal(['one:key', 'other:key'])
  })

  it('goes by the clock of Redis, whatever that of a process says', async () => {
    const backend = redis({ url: server.url })
    backends.push(backend)
    await backend.open({ runtime: new ManualRuntime({ now: 0 }), ...TERMS })
    const token = await claimed(backend, 'key')
    expect(token / 1_000).to.be.within(Date.now() - 60_000, Date.now() + 60_000)
  })

  it('refuses a Redis that evicts keys, those with a time to live as well', async () => {
    try {
      for (const policy of ['allkeys-lru', 'volatile-lru', 'volatile-ttl']) {
        await observer.config('SET', 'maxmemory-policy', policy)
        const { code, message } = await failureOf(SlipstreamError, () => opened())
        expect([code, message.includes(policy)]).to.deep.equal(['SLP_DEDUP_EVICTION', true])
      }
    } finally {
      await observer.config('SET', 'maxmemory-policy', 'noeviction')
    }
    await opened()
  })

  it('fails while Redis is away, from the start on or later, marks nothing, and goes on when it is back', async () => {
    const dedup = new SlipstreamDeduplicator({ backend: redis({ url: server.url }) })
    const handled: string[] = []
    const handle = () => handled.push('handled')
    try {
      for (const messageId of ['m-1', 'm-2']) {
        await server.kill()
        const { code } = await failureOf(SlipstreamError, () => dedup.once({ messageId }, handle))
        expect(code).to.equal('SLP_DEDUP_FAILED')
        expect(handled).to.deep.equal([])
        await server.restart()
        await until('it is back', () => answers(dedup))
        expect(await dedup.once({ messageId }, handle)).to.equal('processed')
        expect(await dedup.once({ messageId }, handle)).to.equal('duplicate')
        expect(handled.splice(0)).to.have.length(1)
      }
    } finally {
      await dedup.close()
    }
  })

  it('confirms what was done while Redis was away for less than the lease', async () => {
    const dedup = new SlipstreamDeduplicator({ backend: redis({ url: server.url }), leaseMs: 60_000 })
    try {
      const outcome = dedup.once(M, () => server.kill())
      await until('it is away', async () => !(await answers(dedup)))
      await server.restart()
      expect(await outcome).to.equal('processed')
      expect(await dedup.isDuplicate(M)).to.equal(true)
    } finally {
      await dedup.close()
    }
  })

  it('takes a client of somebody else’s, and leaves it open', async () => {
    const client = new Redis(server.url)
    try {
      const backend = await opened({ client })
      expect(await backend.confirm('key', await claimed(backend, 'key'))).to.equal(true)
      await backend.close()
      expect(await client.ping()).to.equal('PONG')
    } finally {
      client.disconnect()
    }
  })

  it('does not wait for a client that keeps what it is given until Redis is back', async () => {
    const runtime = new ManualRuntime()
    const client = new Redis({ port: await freePort(), retryStrategy: () => 60_000, maxRetriesPerRequest: null })
    client.on('error', () => {})
    try {
      const failure = failureOf(SlipstreamError, () => redis({ client }).open({ runtime, ...TERMS }))
      runtime.advance(2_000)
      const { code, message } = await failure
      expect([code, message.includes('2000 ms')]).to.deep.equal(['SLP_DEDUP_FAILED', true])
    } finally {
      client.disconnect()
    }
  })

  it('works on a cluster', async function () {
    const program = requireService(this, 'redis-server')
    const node = await RedisServer.start(program, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1')
    const admin = new Redis(node.port)
    const client = new Redis.Cluster([{ host: '127.0.0.1', port: node.port }])
    try {
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await until('the cluster is formed', async () => (await admin.cluster('INFO')).includes('cluster_state:ok'))
      const backend = await opened({ client })
      const keys = Array.from({ length: 50 }, (_, n) => `eu m-${n}`)
      const tokens = await Promise.all(keys.map((key) => claimed(backend, key)))
      await Promise.all(keys.map((key, at) => backend.confirm(key, tokens[at] as number)))
      const verdicts = await Promise.all(keys.map((key) => backend.claim(key)))
      expect(new Set(verdicts.map(({ status }) => status))).to.deep.equal(new Set(['duplicate']))
    } finally {
      client.disconnect()
      admin.disconnect()
      await node.stop()
    }
  })
})

const answers = (dedup: SlipstreamDeduplicator) =>
  dedup.isDuplicate(M).then(
    () => true,
    () => false,
  )
