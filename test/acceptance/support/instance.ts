import { once } from 'node:events'
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import type { Child, Ending, Stage } from './stage.ts'
import { until } from './until.ts'

export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
const BIN = join(REPOSITORY, 'bin/slipstream')

type Environment = Readonly<Record<string, string>>

/** How an instance is told what it is: by variables, by a configuration file, or both. */
export interface Telling {
  readonly environment?: Environment
  readonly file?: { readonly name: string; readonly text: string }
}

/** `slipstream start` as a process of its own, on loopback, with its own folder and store. It keeps its ports. */
export class Instance {
  readonly name: string
  readonly url: string
  readonly adminUrl: string
  readonly folder: string
  readonly port: number
  readonly metricsPort: number
  readonly #stage: Stage
  #telling: Telling = {}
  #child: Child | undefined

  static async create(stage: Stage, name: string): Promise<Instance> {
    return new Instance(stage, name, await stage.subfolder(name), await freePorts(2))
  }

  private constructor(stage: Stage, name: string, folder: string, [port = 0, metricsPort = 0]: readonly number[]) {
    this.#stage = stage
    this.name = name
    this.folder = folder
    this.port = port
    this.metricsPort = metricsPort
    this.url = `ws://127.0.0.1:${port}/`
    this.adminUrl = `http://127.0.0.1:${metricsPort}`
  }

  get storagePath(): string {
    return join(this.folder, 'bus.db')
  }

  /** Everything it needs to know, as environment variables. */
  asEnvironment(more: Environment = {}): Environment {
    return {
      SLIPSTREAM_INSTANCE_ID: this.name,
      SLIPSTREAM_PORT: String(this.port),
      METRICS_PORT: String(this.metricsPort),
      SLIPSTREAM_STORAGE_PATH: 'bus.db',
      ENABLE_MESSAGE_LOGS: 'false',
      ...more,
    }
  }

  /** The same as members of a configuration. */
  asConfig(more: object = {}): object {
    const { name, port, metricsPort } = this
    return { instanceId: name, port, metricsPort, storagePath: 'bus.db', logs: { message: false }, ...more }
  }

  async tell(telling: Telling): Promise<void> {
    this.#telling = telling
    const { file } = telling
    if (file) await writeFile(join(this.folder, file.name), file.text)
  }

  /** Starts it, for the first time or again, and waits until it is ready. */
  async start(): Promise<void> {
    const child = this.spawn()
    this.#child = child
    await until(
      `${this.name} is ready`,
      async () => {
        if (!child.running) throw new Error(`${this.name} ended instead of starting:\n${child.output}`)
        return (await this.readiness()) === 200
      },
      60_000,
    )
  }

  spawn(): Child {
    const environment = { ...inherited(), ...this.#telling.environment }
    return this.#stage.spawn(process.execPath, [BIN, 'start'], { cwd: this.folder, env: environment })
  }

  /** Status of `/readyz`; undefined when nobody answers. */
  async readiness(): Promise<number | undefined> {
    try {
      return (await fetch(`${this.adminUrl}/readyz`)).status
    } catch {
      return undefined
    }
  }

  get running(): boolean {
    return this.#child?.running ?? false
  }

  get output(): string {
    return this.#child?.output ?? ''
  }

  /** Ends it by a signal and tells how it ended. */
  async end(signal: NodeJS.Signals): Promise<Ending> {
    if (!this.#child) throw new Error(`${this.name} was not started`)
    return this.#child.end(signal)
  }

  /** The tags that it says are reachable through it. */
  async reachableTags(): Promise<readonly string[]> {
    const socket = new WebSocket(this.url)
    try {
      const [response] = await once(socket, 'upgrade')
      const tags: string = response.headers['slipstream-tags'] ?? ''
      return tags.split(',').map(decodeURIComponent)
    } finally {
      socket.terminate()
    }
  }
}

/** What `npm install` leaves in a user's folder: `slipstream` itself, and copies of packages by their name. */
export async function install(folder: string, packages: Readonly<Record<string, string>> = {}): Promise<void> {
  const modules = join(folder, 'node_modules')
  await mkdir(modules, { recursive: true })
  await symlink(REPOSITORY, join(modules, 'slipstream'), 'dir')
  for (const [name, source] of Object.entries(packages)) await cp(source, join(modules, name), { recursive: true })
}

/** `URL_CONFIG` as the deployed system writes it. */
export function urlConfig(peers: readonly object[]): string {
  return Buffer.from(JSON.stringify(peers)).toString('base64')
}

/** The environment without whatever would configure an instance behind the test's back. */
function inherited(): NodeJS.ProcessEnv {
  const configures = /^(SLIPSTREAM_|URL_CONFIG$|METRICS_PORT$|MAX_MESSAGE_|ENABLE_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !configures.test(name)))
}

/** Ports that nobody listens on: all are held until the last one is known, so that none comes twice. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listening()))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}

async function listening() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
