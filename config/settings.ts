import { defaultSettings, type Settings } from '../core/index.ts'
import type { SlipstreamConfig } from './define.ts'
import { configOf, type Values } from './values.ts'

declare module '../core/index.ts' {
  interface Settings {
    /** Counted failures of a delivery before it becomes a dead letter. */
    readonly maxRepublishAttempts?: number
    /** Log categories that are switched on or off. */
    readonly logs?: { readonly message?: boolean; readonly debug?: boolean }
  }
}

const HOUR_MS = 60 * 60 * 1_000

/**
 * What the kernel and its plugins are given, from values that the schema has passed. Only what somebody said: where
 * nobody did, an option that was given to the plugin itself counts, and then the plugin's default.
 */
export function settingsOf(said: Values): Settings {
  const { retryInSeconds, publishersRepeatHours, drainTimeoutSeconds, metricsPort, ...same } = configOf(
    said,
  ) as SlipstreamConfig
  const renamed = {
    ...(retryInSeconds !== undefined && { retryDelayMs: retryInSeconds * 1_000 }),
    ...(publishersRepeatHours !== undefined && { publishersRepeatMs: publishersRepeatHours * HOUR_MS }),
    ...(drainTimeoutSeconds !== undefined && { drainTimeoutMs: drainTimeoutSeconds * 1_000 }),
    ...(metricsPort !== undefined && { adminPort: metricsPort }),
  }
  return Object.freeze({ ...defaultSettings, ...(same as Partial<Settings>), ...renamed })
}
