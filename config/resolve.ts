import { join } from 'node:path'
import type { Plugin, Settings } from '../core/index.ts'
import type { Environment } from './define.ts'
import { readEnvironment } from './environment.ts'
import { type Flags, readFlags } from './flags.ts'
import { type LoadedConfig, loadConfig } from './load.ts'
import { CONFIG_VARIABLE } from './options.ts'
import { loadPlugins } from './plugins.ts'
import { choose, said } from './precedence.ts'
import { settingsOf } from './settings.ts'

export interface ResolveInput {
  /** As commander parsed them; `config` names the configuration file. */
  readonly flags?: Flags
  /** Default `process.env`. */
  readonly env?: Environment
  /** Where to look for a configuration, and where relative paths of flags and environment start. Default: `.` */
  readonly folder?: string
}

export interface ResolvedConfig {
  readonly settings: Settings
  readonly plugins: readonly Plugin[]
  /** Where each option has its value from: `flag`, `environment NAME`, `file PATH` or `default`. */
  readonly sources: ReadonlyMap<string, string>
  /** The configuration file; undefined when there is none. */
  readonly file: string | undefined
}

/**
 * Flags over environment over file over defaults. Opens nothing: plugins are made, not applied.
 * Throws the first `SLP_CONFIG_…` error that it meets; `checkConfig` collects them.
 */
export async function resolveConfig(input: ResolveInput = {}): Promise<ResolvedConfig> {
  const { flags, env, folder } = withDefaults(input)
  const given = {
    flags: readFlags(flags),
    environment: readEnvironment(env),
    loaded: await loadConfig(configName(flags, env), folder, env),
  }
  const choice = choose(given, folder)
  const plugins = await loadChosenPlugins(given.loaded, folder)
  return { settings: settingsOf(said(choice)), plugins, sources: choice.sources, file: given.loaded.file }
}

export function withDefaults({
  flags = {},
  env = process.env,
  folder = process.cwd(),
}: ResolveInput): Required<ResolveInput> {
  return { flags, env, folder }
}

/** The configuration file that somebody named. */
export function configName(flags: Flags, env: Environment): string | undefined {
  return [flags.config, env[CONFIG_VARIABLE]].find(
    (name): name is string => typeof name === 'string' && name.trim() !== '',
  )
}

/** Without a list of its own a configuration runs the standard preset. Names are looked up from the file's folder. */
export async function loadChosenPlugins({ config, file }: LoadedConfig, folder: string): Promise<readonly Plugin[]> {
  return loadPlugins(config.plugins ?? ['standard'], file ?? join(folder, 'slipstream.config.ts'))
}
