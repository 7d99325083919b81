/** `slipstream/dedup`: what receivers recognise repetitions by. Drivers of backends are loaded when these are used. */
export type { DedupBackend, DedupContext, DedupVerdict } from '../../core/index.ts'
export { type MemoryOptions, memory } from './backends/memory.ts'
export { type DedupRedisClient, type RedisOptions, redis } from './backends/redis.ts'
export { type SqliteOptions, sqlite } from './backends/sqlite.ts'
export {
  DEFAULT_TTL_MS,
  type DeduplicatorOptions,
  type Handler,
  type Identified,
  type OnceOptions,
  type Outcome,
  SlipstreamDeduplicator,
} from './deduplicator.ts'
