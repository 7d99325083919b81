import { resolve } from 'node:path'
import { SlipstreamError } from '../core/index.ts'
import { checkPlugins } from '../core/plugins.ts'
import { readEnvironment } from './environment.ts'
import { readFlags } from './flags.ts'
import { loadConfig } from './load.ts'
import { masked } from './mask.ts'
import { optionNames } from './options.ts'
import { type Choice, choose } from './precedence.ts'
import { configName, loadChosenPlugins, type ResolveInput, withDefaults } from './resolve.ts'

export interface ConfigProblem {
  readonly code: string
  readonly message: string
  /** The configuration file that was checked; undefined when none was found. */
  readonly file: string | undefined
}

/** An option as it would hold, fit to be printed. */
export interface ResolvedValue {
  /** Secrets are masked. */
  readonly value: unknown
  /** `flag`, `environment NAME`, `file PATH` or `default`. */
  readonly source: string
}

export interface ConfigReport {
  readonly file: string | undefined
  readonly problems: readonly ConfigProblem[]
  /** By option; empty when a problem keeps them from being known. */
  readonly values: ReadonlyMap<string, ResolvedValue>
  /** Names of the plugins, in the order in which they would be applied. */
  readonly plugins: readonly string[]
}

/**
 * Everything that can be said of a configuration without starting it: sources are read, plugins are made and looked at,
 * nothing is applied, no socket and no store opened. Problems are returned; what throws is a defect of slipstream.
 */
export async function checkConfig(input: ResolveInput = {}): Promise<ConfigReport> {
  const { flags, env, folder } = withDefaults(input)
  const named = configName(flags, env)
  const found = new Findings()
  const fromFlags = await found.of(() => readFlags(flags))
  const environment = await found.of(() => readEnvironment(env))
  const loaded = await found.of(() => loadConfig(named, folder, env))
  const choice =
    fromFlags && environment && loaded
      ? await found.of(() => choose({ flags: fromFlags, environment, loaded }, folder))
      : undefined
  const plugins = loaded && (await found.of(() => loadChosenPlugins(loaded, folder)))
  if (plugins) await found.of(() => checkPlugins(plugins))
  const file = loaded?.file ?? (named === undefined ? undefined : resolve(folder, named))
  return { file, problems: found.in(file), values: printable(choice), plugins: (plugins ?? []).map(({ name }) => name) }
}

/** Errors on purpose, gathered; any other passes through. */
class Findings {
  readonly #errors: SlipstreamError[] = []

  async of<Result>(task: () => Result | Promise<Result>): Promise<Result | undefined> {
    try {
      return await task()
    } catch (error) {
      if (!(error instanceof SlipstreamError)) throw error
      this.#errors.push(error)
      return undefined
    }
  }

  in(file: string | undefined): readonly ConfigProblem[] {
    return this.#errors.map(({ code, message }) => ({ code, message, file }))
  }
}

function printable(choice: Choice | undefined): ReadonlyMap<string, ResolvedValue> {
  const values = new Map<string, ResolvedValue>()
  for (const name of optionNames) {
    const source = choice?.sources.get(name)
    if (choice && source !== undefined) values.set(name, { value: masked(name, choice.values[name]), source })
  }
  return values
}
