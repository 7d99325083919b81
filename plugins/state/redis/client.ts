import type { ClusterNode, ClusterOptions, RedisOptions } from 'ioredis'
import { slipstreamError } from '../../../core/index.ts'
import type { RedisClient } from './scripts.ts'

/** The client's own options, but for what would change how replies are read. */
type NodeOptions = Omit<RedisOptions, 'replyMapping' | 'keyPrefix'>
type OfCluster = Omit<ClusterOptions, 'redisOptions' | 'keyPrefix'> & { readonly redisOptions?: NodeOptions }

/** Where the Redis is. The options are the client's own: TLS, Sentinel, credentials, and all else that it knows. */
export interface RedisAddress {
  /** `redis://host:6379/0`, or `rediss://` for TLS. */
  readonly url?: string
  readonly options?: NodeOptions
  readonly cluster?: { readonly nodes: readonly ClusterNode[]; readonly options?: OfCluster }
}

/** A command that is not answered in that time is tried again later, in milliseconds. */
const COMMAND_TIMEOUT_MS = 2_000
const CONNECT_TIMEOUT_MS = 5_000
const MAX_RECONNECT_DELAY_MS = 2_000

/**
 * What the bus needs of the client, unless the configuration says otherwise: commands fail at once while Redis is away (what
 * is for it waits on disk, not in the client), and those of one turn of the event loop go together.
 */
const DEFAULTS = Object.freeze({
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy: reconnectDelay,
} satisfies RedisOptions)

/** Makes a client that is not connected yet. Throws `SLP_REDIS_CLIENT` when ioredis is not installed. */
export async function createClient({ url, options = {}, cluster }: RedisAddress): Promise<RedisClient> {
  const { Redis } = await importClient()
  if (cluster) return new Redis.Cluster([...cluster.nodes], clusterOptions(options, cluster.options))
  const wish: NodeOptions = { ...DEFAULTS, ...options }
  return url === undefined ? new Redis(wish) : new Redis(url, wish)
}

function clusterOptions(ofNode: NodeOptions, { redisOptions, ...own }: OfCluster = {}) {
  const { lazyConnect, enableOfflineQueue, commandTimeout, connectTimeout } = DEFAULTS
  return {
    // No pipelines: they refuse keys such as x{}y}z, of whose slot the client has an idea of its own.
    ...{ lazyConnect, enableOfflineQueue, clusterRetryStrategy: reconnectDelay },
    ...own,
    redisOptions: { commandTimeout, connectTimeout, ...ofNode, ...redisOptions },
  }
}

/** It never gives up. */
function reconnectDelay(attempt: number): number {
  return Math.min(attempt * 100, MAX_RECONNECT_DELAY_MS)
}

async function importClient() {
  try {
    return await import('ioredis')
  } catch (error) {
    throw slipstreamError('SLP_REDIS_CLIENT', [], { cause: error })
  }
}
