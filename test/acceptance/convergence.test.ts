import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { WebSocket } from 'ws'
import { Random } from '../simulation/random.ts'
import { RedisServer } from '../support/redis.ts'
import { requireService } from '../support/services.ts'
import { Cable } from './support/cable.ts'
import { Instance } from './support/instance.ts'
import { Stage } from './support/stage.ts'
import { until } from './support/until.ts'

const WRITES = Number(process.env.SLIPSTREAM_STATE_WRITES ?? 10_000)
const SEED = Number(process.env.SLIPSTREAM_STATE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const KEYS = 400
const WINDOW = 200
const REGIONS = ['aws', 'gcp', 'azure'] as const
const CONVERGED_WITHIN_MS = 120_000

/** A region: an instance, the Redis beside it, and the cable through which the others dial it. */
interface Region {
  readonly instance: Instance
  readonly redis: RedisServer
  readonly cable: Cable
}

describe('three regions with a Redis each', function () {
  this.timeout(400_000)

  let stage: Stage
  let regions: Region[]
  let random: Random

  beforeEach(async function () {
    const program = requireService(this, 'redis-server')
    random = new Random(SEED)
    stage = await Stage.open()
    regions = []
    for (const name of REGIONS) regions.push(await startRegion(stage, program, name, regions))
  })

  afterEach(async () => {
    await stage.close()
    for (const { redis, cable } of regions) await Promise.all([redis.stop(), cable.remove()])
  })

  it(`hold the same after ${WRITES} mixed writes, a partition and a region that lost everything, seed ${SEED}`, async () => {
    const share = Math.ceil(WRITES / 5)
    await publish(regions, share)
    for (const { cable } of regions) cable.cut()
    await publish(regions, 2 * share)
    for (const { cable } of regions) cable.mend()
    await publish(regions, share)
    await quiet(regions)
    await untilEqual(regions)

    await wipe(regions[1] as Region)
    await publish([regions[0] as Region, regions[2] as Region], share)
    await untilEqual(regions)
    const [one] = await dumps(regions)
    expect(Object.keys(one as object)).to.have.length.greaterThan(KEYS / 2)
  })

  /** Writes of all types at these regions in turn; resolves when each is acknowledged. */
  async function publish(at: readonly Region[], count: number): Promise<void> {
    const each = Math.ceil(count / at.length)
    await Promise.all(
      at.map(({ instance }) =>
        publishAt(
          instance.url,
          Array.from({ length: each }, () => write(random)),
        ),
      ),
    )
  }
})

async function startRegion(stage: Stage, program: string, name: string, others: readonly Region[]): Promise<Region> {
  const redis = await RedisServer.start(program)
  const instance = await Instance.create(stage, name)
  const peers = others.map(({ cable }) => ({ url: cable.url }))
  const plugins = [
    ['standard', { sqliteState: false }],
    ['redisState', { url: redis.url }],
  ]
  const config = instance.asConfig({ peers, plugins, retryInSeconds: 0.2 })
  await instance.tell({ file: { name: 'slipstream.config.json', text: JSON.stringify(config) } })
  await instance.start()
  return { instance, redis, cable: await Cable.to(instance.port) }
}

/** Takes all that a region has: its store, and what is in its Redis. */
async function wipe({ instance, redis }: Region): Promise<void> {
  await instance.end('SIGKILL')
  for (const end of ['', '-wal', '-shm']) await rm(`${instance.storagePath}${end}`, { force: true })
  const client = new Redis(redis.url)
  await client.flushall()
  client.disconnect()
  await instance.start()
}

function write(random: Random): object {
  const key = `key:${random.integer(0, KEYS - 1)}`
  const value = random.integer(0, 1_000_000)
  const member = `member-${random.integer(0, 5)}`
  const draw = random.next()
  if (draw < 0.5) return { type: 'SK', key, value: { amount: value } }
  if (draw < 0.65) return { type: 'SA', key, value: ['a', value] }
  if (draw < 0.85) return { type: 'SW', key, value: [{ member, weight: value / 8 }] }
  if (draw < 0.9) return { type: 'SW', key, value: [{ member, weight: null }] }
  return { type: 'DEL', key }
}

function publishAt(url: string, messages: readonly object[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    let next = 0
    let acknowledged = 0
    const fill = () => {
      while (next < messages.length && next - acknowledged < WINDOW) socket.send(JSON.stringify(messages[next++]))
    }
    socket.on('open', fill)
    socket.on('error', reject)
    socket.on('message', (data) => {
      const body = JSON.parse(String(data)) as { type: string; reason?: string }
      if (body.type === 'NACK') reject(new Error(`refused: ${body.reason}`))
      if (body.type !== 'ACK') return
      if (++acknowledged === messages.length) {
        socket.close()
        resolve()
      }
      fill()
    })
  })
}

/** Waits until nobody owes anybody anything. */
async function quiet(regions: readonly Region[]): Promise<void> {
  for (const { instance } of regions) {
    await until(
      `${instance.name} owes nothing`,
      async () => {
        const status = (await (await fetch(`${instance.adminUrl}/api/v1/status`)).json()) as { backlog: number }
        return status.backlog === 0
      },
      CONVERGED_WITHIN_MS,
    )
  }
}

async function untilEqual(regions: readonly Region[]): Promise<void> {
  await until(
    'all three hold the same',
    // A key that becomes one of another type while it is read: not yet.
    async () => allEqual(await dumps(regions).catch(() => [{ changing: 1 }, {}])),
    CONVERGED_WITHIN_MS,
  )
}

/** What applications read in each Redis. */
function dumps(regions: readonly Region[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return Promise.all(regions.map(({ redis }) => dump(redis.url)))
}

async function dump(url: string): Promise<Readonly<Record<string, unknown>>> {
  const redis = new Redis(url)
  try {
    const keys = (await redis.keys('*')).filter((key) => !key.startsWith('slipstream:')).sort()
    return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await read(redis, key)] as const)))
  } finally {
    redis.disconnect()
  }
}

async function read(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'list') return redis.lrange(key, '0', '-1')
  if (type === 'zset') return redis.zrange(key, '0', '-1', 'WITHSCORES')
  return redis.get(key)
}

function allEqual(dumps: readonly object[]): boolean {
  return new Set(dumps.map((one) => JSON.stringify(one))).size === 1
}
