import { defaultSettings, type Settings } from '../core/index.ts'
import type { OptionName } from './options.ts'
import type { Values } from './values.ts'

declare module '../core/index.ts' {
  interface Settings {
    /** The SQLite file. */
    readonly storagePath?: string
    /** Counted failures of a delivery before it becomes a dead letter. */
    readonly maxRepublishAttempts?: number
    /** Address and port of metrics, health and administration. */
    readonly adminHost?: string
    readonly adminPort?: number
    /** File that holds the token for administration. */
    readonly adminTokenFile?: string
    /** Log categories that are switched on or off. */
    readonly logs?: { readonly message?: boolean; readonly debug?: boolean }
  }
}

/**
 * What the kernel and its plugins are given, from values that the schema has passed. Only what somebody said: where
 * nobody did, an option that was given to the plugin itself counts, and then the plugin's default.
 */
export function settingsOf(said: Values): Settings {
  const { retryInSeconds, drainTimeoutSeconds, metricsPort, ...rest } = said
  const settings: Record<string, unknown> = {
    retryDelayMs: milliseconds(retryInSeconds),
    drainTimeoutMs: milliseconds(drainTimeoutSeconds),
    adminPort: metricsPort,
  }
  for (const [name, value] of Object.entries(rest)) {
    const [outer = name, inner] = name.split('.')
    settings[outer] = inner === undefined ? value : { ...(settings[outer] as object | undefined), [inner]: value }
  }
  return { ...defaultSettings, ...settings }
}
