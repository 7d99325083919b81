import type { Cluster, Redis } from 'ioredis'
import type { Operation } from './entries.ts'

export type RedisClient = Redis | Cluster

/**
 * Changes a key and its version together, if the version is still the one that the change was made from. The operations
 * follow one another as: command, which key (1: meta, 2: the application's), number of arguments, arguments.
 */
const SWAP = `
  if (redis.call('HGET', KEYS[1], 'rev') or '') ~= ARGV[1] then return 0 end
  local at = 2
  while at <= #ARGV do
    local last = at + 2 + tonumber(ARGV[at + 2])
    redis.call(ARGV[at], KEYS[tonumber(ARGV[at + 1])], unpack(ARGV, at + 3, last))
    at = last + 1
  end
  return 1`

interface Scripted {
  slipstreamSwap(meta: string, application: string, ...args: string[]): Promise<number>
}

/** Makes the script known to a client; it is sent once, and named by its digest from then on. */
export function withScripts(client: RedisClient): void {
  client.defineCommand('slipstreamSwap', { numberOfKeys: 2, lua: SWAP })
}

/** Resolves to whether the key was still of that revision. */
export async function swap(
  client: RedisClient,
  names: { readonly meta: string; readonly application: string },
  revision: string,
  operations: readonly Operation[],
): Promise<boolean> {
  const args = operations.flatMap(({ command, on, args }) => {
    return [command, on === 'meta' ? '1' : '2', String(args.length), ...args]
  })
  const scripted = client as unknown as Scripted
  return (await scripted.slipstreamSwap(names.meta, names.application, revision, ...args)) === 1
}
