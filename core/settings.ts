import type { PeerSettings } from './link.ts'

/**
 * What an instance is told from outside, resolved and checked (by `config/` when it runs from a configuration file).
 * Plugins add what they read by declaration merging.
 */
export interface Settings {
  /** Wish for the instance id; without it the store draws one and keeps it. */
  readonly instanceId?: string
  /** What this instance itself bears; messages that target one of them are for it. */
  readonly tags: readonly string[]
  /** The group of instances that stand side by side for the same neighbours. */
  readonly clusterGroupId?: string
  /** Instances to dial. Each is a recipient from the start, seen or not. */
  readonly peers: readonly PeerSettings[]
  /** First delay before a delivery is repeated and before a peer is dialled again, in milliseconds. */
  readonly retryDelayMs: number
  /** Quick attempts to dial before only a probe a minute goes out. It never gives up. */
  readonly connectionRetryAttempts: number
  /** For how long publishers repeat what was not acknowledged, in milliseconds: their ids are remembered for longer. */
  readonly publishersRepeatMs: number
  /** How long `stop` waits for what is under way, in milliseconds. */
  readonly drainTimeoutMs: number
  /** How long an asynchronous tap, or a plugin's `apply` or `close`, may take, in milliseconds. */
  readonly tapBudgetMs: number
}

export const defaultSettings: Settings = Object.freeze({
  tags: Object.freeze([]),
  peers: Object.freeze([]),
  retryDelayMs: 5_000,
  connectionRetryAttempts: 10,
  publishersRepeatMs: 12 * 60 * 60 * 1_000,
  drainTimeoutMs: 10_000,
  tapBudgetMs: 30_000,
})
