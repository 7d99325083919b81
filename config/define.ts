import type { PeerSettings, Plugin } from '../core/index.ts'

export { type StandardOptions, standard } from './standard.ts'

/**
 * What `slipstream.config.ts` exports. Every member is optional; flags and environment variables stand above it,
 * defaults below. Relative file paths start at the folder of the configuration file. `README.md` of this folder has
 * the table.
 */
export interface SlipstreamConfig {
  /** Wish for the instance id, 1 to 128 of `A-Z a-z 0-9 . _ : -`. Without it the store draws one and keeps it. */
  readonly instanceId?: string | undefined
  /** Address to listen on. Beyond loopback it takes TLS or `allowInsecure`. Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Port to listen on; 0 takes any that is free. Default 7070. */
  readonly port?: number | undefined
  /** What this instance bears; messages that target one of these tags are for it. */
  readonly tags?: readonly string[] | undefined
  /** The group of instances that stand side by side for the same neighbours. */
  readonly clusterGroupId?: string | undefined
  /** Instances to dial. Each is a recipient from the start, seen or not. */
  readonly peers?: readonly PeerSettings[] | undefined
  /** The SQLite file. Default `./slipstream-data/slipstream.db`. */
  readonly storagePath?: string | undefined
  /** First delay before a delivery is repeated and before a peer is dialled again, in seconds. Default 5. */
  readonly retryInSeconds?: number | undefined
  /** Quick attempts to dial before only a probe a minute goes out; it never gives up. Default 10. */
  readonly connectionRetryAttempts?: number | undefined
  /** Counted failures of a delivery before it becomes a dead letter. Default 3. */
  readonly maxRepublishAttempts?: number | undefined
  /** Port of metrics, health and administration; 0 takes any that is free. Default 8080. */
  readonly metricsPort?: number | undefined
  /** Address that this port listens on. Default `127.0.0.1`. */
  readonly adminHost?: string | undefined
  /** File that holds the token for administration. */
  readonly adminTokenFile?: string | undefined
  /** TLS of the listening side. */
  readonly tls?: TlsConfig | undefined
  /** Allows listening beyond loopback without TLS, where the network itself is trusted. Default false. */
  readonly allowInsecure?: boolean | undefined
  /** For how long publishers repeat what was not acknowledged, in hours; ids are remembered for longer. Default 12. */
  readonly publishersRepeatHours?: number | undefined
  /** How long a stop waits for what is under way, in seconds. Default 10. */
  readonly drainTimeoutSeconds?: number | undefined
  /** Which categories are logged. Values never are. */
  readonly logs?: LogsConfig | undefined
  /** Everything the instance consists of, in the order in which it is applied. Default `[standard()]`. */
  readonly plugins?: readonly PluginEntry[] | undefined
}

/** Each is the path of a PEM file, or PEM text. `cert` and `key` come together. */
export interface TlsConfig {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** With it, whoever connects must show a certificate that it signed (mutual TLS). */
  readonly ca?: string | undefined
}

export interface LogsConfig {
  /** The steps of each message. Default true. */
  readonly message?: boolean | undefined
  /** What helps to find a fault. Default false. */
  readonly debug?: boolean | undefined
}

/**
 * A plugin, the name of one, a name with options, a list of entries, or nothing: `production && metrics()` is an entry.
 * Names are those of built-ins (`'sqlite'`, `'standard'`), of packages, or paths from the configuration file's folder.
 */
export type PluginEntry =
  | Plugin
  | false
  | null
  | undefined
  | string
  | readonly [name: string, options: PluginOptions]
  | readonly PluginEntry[]

export type PluginOptions = Readonly<Record<string, unknown>>

/** What a configuration that is a function is called with. */
export interface ConfigContext {
  readonly env: Environment
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

export type ConfigFunction = (context: ConfigContext) => SlipstreamConfig | Promise<SlipstreamConfig>

/** Returns what it is given: it is there for the types. */
export function defineConfig<Config extends SlipstreamConfig | ConfigFunction>(config: Config): Config {
  return config
}
