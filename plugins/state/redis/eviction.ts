import type { Cluster, Redis } from 'ioredis'
import { slipstreamError } from '../../../core/index.ts'
import type { RedisClient } from './scripts.ts'

/**
 * Refuses a Redis that forgets keys when it is full (`SLP_REDIS_EVICTION`): what it forgets would be missed by applications,
 * and by nobody else. Policies that touch only keys with a time to live do no harm: none of these has one.
 */
export async function assertNothingIsEvicted(client: RedisClient): Promise<void> {
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis]
  for (const node of nodes) {
    // Not CONFIG, which hosted ones forbid.
    const policy = /^maxmemory_policy:(\S+)/m.exec(await node.info('memory'))?.[1]
    if (policy?.startsWith('allkeys-')) throw slipstreamError('SLP_REDIS_EVICTION', [policy])
  }
}
