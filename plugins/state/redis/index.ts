import type { Plugin } from '../../../core/index.ts'
import { createClient, type RedisAddress } from './client.ts'
import type { RedisClient } from './scripts.ts'
import { RedisState } from './state.ts'

export { RedisState, type RedisStateOptions } from './state.ts'

export interface RedisOptions extends RedisAddress {
  /** A client of your own making, instead of an address. The plugin connects and closes it. */
  readonly client?: RedisClient
  /** Of all keys that are not the applications'. */
  readonly prefix?: string
}

const DEFAULT_URL = 'redis://127.0.0.1:6379'
const DEFAULT_PREFIX = 'slipstream:'

/**
 * Keeps the state in a Redis that applications read: `SK` as a string, `SA` as a list, `SW` as a sorted set. While it is away,
 * what is for it waits on disk, and readiness says so. Needs the package `ioredis`.
 */
export function redisState(options: RedisOptions = {}): Plugin {
  const { client, prefix = DEFAULT_PREFIX, ...address } = options
  return {
    name: 'state-redis',
    options,
    optionsSchema: {
      type: 'object',
      properties: {
        url: { type: 'string', pattern: '^rediss?://' },
        options: { type: 'object' },
        cluster: {
          type: 'object',
          required: ['nodes'],
          properties: { nodes: { type: 'array', minItems: 1 }, options: { type: 'object' } },
          additionalProperties: false,
        },
        client: {},
        prefix: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[^{}]*$' },
      },
      additionalProperties: false,
    },
    apply(kernel) {
      const isNamed = address.url !== undefined || address.options !== undefined || address.cluster !== undefined
      const state = new RedisState({
        client: async () => client ?? createClient(isNamed ? address : { url: DEFAULT_URL }),
        prefix,
        log: kernel.log,
      })
      kernel.stateBackend(state)
      kernel.healthCheck({
        name: 'redis',
        probe: 'ready',
        check: () => ({
          ok: state.problem === undefined,
          ...(state.problem !== undefined && { detail: state.problem }),
        }),
      })
    },
  }
}
