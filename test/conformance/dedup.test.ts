import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { systemRuntime } from '../../core/index.ts'
import { type DedupUnderTest, dedupSuite } from '../../core/testing/dedup-suite.ts'
import { ManualRuntime } from '../../core/testing/manual-runtime.ts'
import { memory, redis, sqlite } from '../../plugins/dedup/index.ts'
import { PromptRuntime } from '../support/prompt-runtime.ts'
import { RedisServer } from '../support/redis.ts'
import { requireService } from '../support/services.ts'

describe('dedup memory', () => {
  for (const { name, run } of dedupSuite(memoryUnderTest)) it(name, run)
})

describe('dedup sqlite', () => {
  for (const { name, run } of dedupSuite(sqliteUnderTest)) it(name, run)
})

describe('dedup redis', () => {
  let server: RedisServer
  let observer: Redis

  before(async function () {
    server = await RedisServer.start(requireService(this, 'redis-server'))
    observer = new Redis(server.url)
  })

  after(async () => {
    observer?.disconnect()
    await server?.stop()
  })

  for (const { name, run } of dedupSuite(redisUnderTest)) it(name, run)

  function redisUnderTest(): DedupUnderTest {
    return {
      runtime: systemRuntime,
      instance: () => redis({ url: server.url }),
      pass: async (milliseconds) => {
        const end = (await timeOf(observer)) + milliseconds
        // A key that expires at a time is there until that millisecond is over.
        while ((await timeOf(observer)) <= end);
      },
      destroy: async () => void (await observer.flushall()),
    }
  }
})

function memoryUnderTest(): DedupUnderTest {
  const runtime = new ManualRuntime()
  const backend = memory()
  return {
    runtime,
    instance: () => backend,
    pass: async (milliseconds) => runtime.advance(milliseconds),
    destroy: async () => {},
  }
}

function sqliteUnderTest(): DedupUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-dedup-'))
  const runtime = new PromptRuntime()
  return {
    runtime,
    instance: () => sqlite({ path: join(folder, 'dedup.db') }),
    pass: async (milliseconds) => runtime.advance(milliseconds),
    destroy: () => rm(folder, { recursive: true }),
  }
}

/** What a Redis takes for the time, in milliseconds since the epoch. */
async function timeOf(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}
