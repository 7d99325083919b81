import { Redis } from 'ioredis'
import { FanOutLog } from '../../core/log.ts'
import { type StateUnderTest, stateSuite } from '../../core/testing/state-suite.ts'
import { RedisState } from '../../plugins/state/redis/index.ts'
import { RedisServer } from '../support/redis.ts'
import { requireService } from '../support/services.ts'

describe('state redis', () => {
  let server: RedisServer

  before(async function () {
    server = await RedisServer.start(requireService(this, 'redis-server'))
  })

  after(() => server?.stop())

  for (const { name, run } of stateSuite(redisUnderTest)) it(name, run)

  function redisUnderTest(): StateUnderTest {
    const client = async () => new Redis(server.url, { lazyConnect: true, enableAutoPipelining: true })
    return {
      instance: () => new RedisState({ client, prefix: 'slipstream:', log: new FanOutLog() }),
      destroy: async () => {
        const redis = await client()
        await redis.flushall()
        redis.disconnect()
      },
    }
  }
})
