import type { Cluster, Redis } from 'ioredis'
import { slipstreamError } from '../../../core/index.ts'
import type { RedisClient } from './scripts.ts'

/**
 * Refuses a Redis that forgets keys when it is full (`SLP_REDIS_EVICTION`): what it forgets would be missed by applications,
 * and by nobody else. Policies that touch only keys with a time to live do no harm: none of these has one.
 */
export async function assertNothingIsEvicted(client: RedisClient): Promise<void> {
  for (const policy of await evictionPolicies(client)) {
    if (policy.startsWith('allkeys-')) throw slipstreamError('SLP_REDIS_EVICTION', [policy])
  }
}

/** Which keys each node forgets when it is full, such as `noeviction`, where it says so. */
export async function evictionPolicies(client: RedisClient): Promise<readonly string[]> {
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis]
  // Not CONFIG, which hosted ones forbid.
  const replies = await Promise.all(nodes.map((node) => node.info('memory')))
  return replies.flatMap((reply) => /^maxmemory_policy:(\S+)/m.exec(reply)?.[1] ?? [])
}
