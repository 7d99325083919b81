import { type Plugin, slipstreamError, VERSION } from '../core/index.ts'
import { deadLettersApi } from '../plugins/admin/dead-letters/index.ts'
import { health } from '../plugins/admin/health/index.ts'
import { http } from '../plugins/admin/http/index.ts'
import { logging, loggingApi } from '../plugins/admin/logging/index.ts'
import { statusApi } from '../plugins/admin/status/index.ts'
import { memoryHint } from '../plugins/dedup/memory.ts'
import { budget } from '../plugins/delivery/budget.ts'
import { circuitBreaker } from '../plugins/delivery/circuit-breaker.ts'
import { replay } from '../plugins/delivery/replay.ts'
import { republish } from '../plugins/delivery/republish.ts'
import { retention } from '../plugins/delivery/retention.ts'
import { ack } from '../plugins/messages/ack.ts'
import { commands } from '../plugins/messages/cmd.ts'
import { deleteKey } from '../plugins/messages/del.ts'
import { getArray } from '../plugins/messages/ga.ts'
import { getKey } from '../plugins/messages/gk.ts'
import { getWeighted } from '../plugins/messages/gw.ts'
import { hello } from '../plugins/messages/hello.ts'
import { nack } from '../plugins/messages/nack.ts'
import { reply } from '../plugins/messages/reply.ts'
import { setArray } from '../plugins/messages/sa.ts'
import { setKey } from '../plugins/messages/sk.ts'
import { subscribe } from '../plugins/messages/subscribe.ts'
import { setWeighted } from '../plugins/messages/sw.ts'
import { prometheus } from '../plugins/metrics/prometheus/index.ts'
import { path } from '../plugins/routes/path.ts'
import { tags } from '../plugins/routes/tags.ts'
import { target } from '../plugins/routes/target.ts'
import { catchUp } from '../plugins/state/catch-up/index.ts'
import { memoryState } from '../plugins/state/memory.ts'
import { redisState } from '../plugins/state/redis/index.ts'
import { sqliteState } from '../plugins/state/sqlite/index.ts'
import { memory } from '../plugins/stores/memory.ts'
import { sqlite } from '../plugins/stores/sqlite/index.ts'
import { websocket } from '../plugins/transports/websocket/index.ts'
import type { PluginOptions } from './define.ts'
import { nearest } from './nearest.ts'

/** In the order in which they are applied: what logs comes first, what opens sockets last. */
const factories = {
  logging,
  sqlite,
  sqliteState,
  setKey,
  setArray,
  setWeighted,
  deleteKey,
  getKey,
  getArray,
  getWeighted,
  commands,
  reply,
  ack,
  nack,
  hello,
  catchUp,
  path,
  tags,
  target,
  subscribe,
  memoryHint,
  circuitBreaker,
  republish,
  retention,
  budget,
  replay,
  http,
  loggingApi,
  statusApi,
  deadLettersApi,
  health,
  prometheus,
  websocket,
}

type Factories = typeof factories

/** Options of each built-in by its name; false leaves it out. */
export type StandardOptions = {
  readonly [Name in keyof Factories]?: NonNullable<Parameters<Factories[Name]>[0]> | false | undefined
}

/**
 * The plugins of an instance that nobody configured: `standard({ sqlite: { … }, prometheus: false })`.
 * Throws `SLP_PLUGIN_OPTIONS` for a name that is none of theirs.
 */
export function standard(options: StandardOptions = {}): Plugin[] {
  const names = Object.keys(factories) as (keyof Factories)[]
  const stranger = Object.keys(options).find((name) => !Object.hasOwn(factories, name))
  if (stranger !== undefined) throw unknownName(stranger, names)
  return names.filter((name) => options[name] !== false).map((name) => make(name, options[name]))
}

/** What a configuration may call by name: the preset, each of its plugins, a store and a state for trials, and state in Redis. */
export const builtIns: ReadonlyMap<string, (options?: PluginOptions) => unknown> = new Map(
  Object.entries({ standard, memory, memoryState, redisState, ...factories }) as [
    string,
    (options?: PluginOptions) => unknown,
  ][],
)

/**
 * `StandardOptions` has held each name to its own options; here they are one of many. What is built in has slipstream's
 * own version.
 */
function make(name: keyof Factories, options: unknown): Plugin {
  return { version: VERSION, ...(factories[name] as (options?: unknown) => Plugin)(options) }
}

function unknownName(name: string, known: readonly string[]): Error {
  const meant = nearest(name, known)
  const question = meant === undefined ? '' : `, did you mean "${meant}"?`
  return slipstreamError('SLP_PLUGIN_OPTIONS', ['standard', `"${name}" is not one of its plugins${question}`])
}
