import { readFile } from 'node:fs/promises'
import { resolveConfig } from '../../config/resolve.ts'
import { problemOf, slipstreamError } from '../../core/errors.ts'
import type { PluginReport } from '../../core/plugin.ts'
import { paint, print, table } from '../output.ts'

export interface PluginListOptions {
  readonly url?: string
  readonly adminTokenFile?: string
  readonly offline?: boolean
  readonly config?: string
  readonly json?: boolean
}

/** Of a plugin that does not run, name and version are all there is to know. */
type Item = Pick<PluginReport, 'name' | 'version'> & Partial<PluginReport>

const ANSWER_TIMEOUT_MS = 10_000

/** Lists plugins in the order in which they were, or would be, applied. */
export async function listPlugins(options: PluginListOptions): Promise<void> {
  const { offline, config, json } = options
  const items = offline || config !== undefined ? await configured(config) : await running(options)
  if (json) return print(JSON.stringify(items, undefined, 2))
  const heads = ['PLUGIN', 'VERSION', 'CALLS', 'TIME', 'FAULTS'].map((head) => paint('gray', head))
  await print(table([heads, ...items.map(row)]))
}

async function configured(config: string | undefined): Promise<readonly Item[]> {
  const { plugins } = await resolveConfig({ flags: { config } })
  return plugins.map(({ name, version }) => ({ name, version }))
}

/** Throws `SLP_UNREACHABLE`, also when whoever listens there is no slipstream or does not let us look. */
async function running({ url, adminTokenFile }: PluginListOptions): Promise<readonly Item[]> {
  const { METRICS_PORT: port = '8080', SLIPSTREAM_ADMIN_TOKEN_FILE: file } = process.env
  const address = new URL('/api/v1/plugins', url ?? `http://127.0.0.1:${port}`)
  const headers = await authorization(adminTokenFile ?? file)
  try {
    const answer = await fetch(address, { headers, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
    if (!answer.ok) throw new Error(`it answered HTTP ${answer.status} ${answer.statusText}`)
    return ((await answer.json()) as { items: readonly Item[] }).items
  } catch (cause) {
    throw slipstreamError('SLP_UNREACHABLE', [address.origin, reasonOf(cause)], { cause })
  }
}

async function authorization(file: string | undefined): Promise<Record<string, string>> {
  if (file === undefined || file === '') return {}
  try {
    return { authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` }
  } catch (cause) {
    throw slipstreamError('SLP_TOKEN_FILE', [file, problemOf(cause)], { cause })
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  return problemOf(error instanceof TypeError && error.cause !== undefined ? error.cause : error)
}

function row({ name, version = '–', calls, milliseconds, faults }: Item): string[] {
  const time = milliseconds === undefined ? '–' : `${milliseconds.toFixed(1)} ms`
  return [paint('bold', name), version, String(calls ?? '–'), time, String(faults ?? '–')]
}
