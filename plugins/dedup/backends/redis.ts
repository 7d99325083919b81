import {
  type DedupBackend,
  type DedupContext,
  type DedupVerdict,
  problemOf,
  SlipstreamError,
  slipstreamError,
} from '../../../core/index.ts'
import { createClient } from '../../state/redis/client.ts'
import { evictionPolicies } from '../../state/redis/eviction.ts'
import type { RedisClient } from '../../state/redis/scripts.ts'
import { SCRIPTS, type Scripted } from './redis-scripts.ts'

const DEFAULT_URL = 'redis://127.0.0.1:6379'
const DEFAULT_PREFIX = 'slipstream:dedup:'
/** What is not answered in that time has failed, in milliseconds. */
const ANSWERED_WITHIN_MS = 2_000
const CONNECTED_WITHIN_MS = 5_000

/** What is used of a client of ioredis: `Redis` or `Redis.Cluster`. */
export interface DedupRedisClient {
  readonly status: string
  connect(): Promise<void>
  defineCommand(name: string, definition: { readonly lua: string; readonly numberOfKeys?: number }): void
}

export interface RedisOptions {
  /** `redis://host:6379/0`, or `rediss://` for TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string
  /** Options of ioredis, beside the URL or instead of it: TLS, credentials, Sentinel. */
  readonly options?: Readonly<Record<string, unknown>>
  /** A client of your own instead, of a cluster for example. It is left open when the deduplicator is closed. */
  readonly client?: DedupRedisClient
  /** In front of every key: each application that handles the same messages needs one of its own. */
  readonly prefix?: string
}

/**
 * Remembers in a Redis, for any number of processes and machines, by its clock. As sure as that Redis is: one that forgets
 * what it has confirmed lets messages be handled again. One that evicts keys is refused with `SLP_DEDUP_EVICTION`. Needs the
 * package `ioredis` (`SLP_REDIS_CLIENT`).
 */
export function redis(options: RedisOptions = {}): DedupBackend {
  return new RedisDedup(options)
}

interface Opened extends DedupContext {
  readonly client: RedisClient & Scripted
}

class RedisDedup implements DedupBackend {
  readonly name = 'redis'
  readonly #options: RedisOptions
  readonly #prefix: string
  #opened: Opened | undefined

  constructor(options: RedisOptions) {
    this.#options = options
    this.#prefix = options.prefix ?? DEFAULT_PREFIX
  }

  async open(context: DedupContext): Promise<void> {
    const client = (this.#options.client ?? (await this.#ownClient())) as RedisClient & Scripted
    for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua, numberOfKeys: 1 })
    try {
      if (client.status === 'wait') await within(client.connect(), CONNECTED_WITHIN_MS, context)
      const policies = await within(evictionPolicies(client), ANSWERED_WITHIN_MS, context)
      const evicting = policies.find((policy) => policy !== 'noeviction')
      if (evicting) throw slipstreamError('SLP_DEDUP_EVICTION', [evicting])
      this.#opened = { ...context, client }
    } catch (error) {
      this.#letGo(client)
      throw failure(error)
    }
  }

  claim(key: string): Promise<DedupVerdict> {
    return this.#ask(async ({ client, leaseMs, ttlMs }) => {
      const [status, number] = await client.slipstreamDedupClaim(this.#prefix + key, leaseMs, ttlMs)
      if (status === 'claimed') return { status, token: Number(number) }
      return status === 'busy' ? { status, forMs: Number(number) } : { status: 'duplicate' }
    })
  }

  extend(key: string, token: number): Promise<boolean> {
    return this.#ask(async ({ client, leaseMs, ttlMs }) => {
      return (await client.slipstreamDedupExtend(this.#prefix + key, token, leaseMs, ttlMs)) === 1
    })
  }

  confirm(key: string, token: number): Promise<boolean> {
    return this.#ask(async ({ client, ttlMs }) => {
      return (await client.slipstreamDedupConfirm(this.#prefix + key, token, ttlMs)) === 1
    })
  }

  async release(key: string, token: number): Promise<void> {
    await this.#ask(({ client, ttlMs }) => client.slipstreamDedupRelease(this.#prefix + key, token, ttlMs))
  }

  find(key: string): Promise<'claimed' | 'confirmed' | undefined> {
    return this.#ask(async ({ client }) => {
      const state = await client.slipstreamDedupFind(this.#prefix + key)
      return state === 'claimed' || state === 'confirmed' ? state : undefined
    })
  }

  async close(): Promise<void> {
    if (this.#opened) this.#letGo(this.#opened.client)
    this.#opened = undefined
  }

  async #ownClient(): Promise<RedisClient> {
    const { url, options } = this.#options
    const address =
      url === undefined && options === undefined
        ? { url: DEFAULT_URL }
        : { ...(url !== undefined && { url }), ...(options && { options }) }
    const client = await createClient(address)
    // Whoever asks is told.
    client.on('error', () => {})
    return client
  }

  async #ask<Result>(question: (opened: Opened) => Promise<Result>): Promise<Result> {
    const opened = this.#opened
    if (!opened) throw slipstreamError('SLP_DEDUP_FAILED', ['the backend is not open'])
    try {
      return await within(question(opened), ANSWERED_WITHIN_MS, opened)
    } catch (error) {
      throw failure(error)
    }
  }

  #letGo(client: RedisClient): void {
    if (client !== (this.#options.client as unknown)) client.disconnect()
  }
}

/** A client of somebody else's may keep what it is given for as long as Redis is away. */
async function within<Result>(
  answer: Promise<Result>,
  milliseconds: number,
  { runtime }: DedupContext,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = runtime.after(milliseconds, () => reject(new Error(`Redis did not answer within ${milliseconds} ms`)))
    answer.then(resolve, reject).finally(() => timer.cancel())
  })
}

function failure(error: unknown): SlipstreamError {
  if (error instanceof SlipstreamError) return error
  return slipstreamError('SLP_DEDUP_FAILED', [`Redis: ${problemOf(error)}`], { cause: error })
}
