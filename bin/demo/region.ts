import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CONFIG_VARIABLE, optionNames, options } from '../../config/options.ts'

const REMEMBERED_LINES = 20
/** After SIGTERM, for a process that does not end by itself. */
const STOP_TIMEOUT_MS = 15_000
const ASK_TIMEOUT_MS = 1_000

/** Where to dial a neighbour, and which regions are reachable that way. */
export interface Neighbour {
  readonly url: string
  readonly tags: readonly string[]
}

export interface RegionPlace {
  readonly name: string
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly neighbours: readonly Neighbour[]
}

/** One region: a `slipstream start` of its own in a folder of its own, which can be killed and started again. */
export class Region {
  readonly name: string
  readonly url: string
  readonly #place: RegionPlace
  #connected: ReadonlySet<string> = new Set()
  readonly #lines: string[] = []
  #process: ChildProcess | undefined

  constructor(place: RegionPlace) {
    this.#place = place
    this.name = place.name
    this.url = `ws://127.0.0.1:${place.port}`
    mkdirSync(place.folder, { recursive: true })
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** What the process said last, for whoever must find out why it ended. */
  get lastWords(): string {
    return this.#lines.join('\n')
  }

  /** As of the last `refresh`. */
  linkedTo(name: string): boolean {
    return this.#connected.has(name)
  }

  /** Asks the instance whom it is connected to. One that does not answer is connected to nobody. */
  async refresh(): Promise<void> {
    this.#connected = this.running ? await connectedTo(this.#place.adminPort) : new Set()
  }

  start(): void {
    // The entry of this process: sources or build, with tsx or without, the region runs the same.
    const [, entry = ''] = process.argv
    const child = spawn(process.execPath, [...process.execArgv, entry, 'start'], {
      cwd: this.#place.folder,
      env: this.#environment(),
      // The channel carries nothing: it breaks when the demo dies, whatever way, and the region ends.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#process = child
    const heard = (line: string) => this.#heard(line)
    for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on('line', heard)
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined
    })
  }

  /** Ends the process as a power cut would: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    const impatient = setTimeout(() => this.#process?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#end('SIGTERM')
    clearTimeout(impatient)
  }

  /** For the end of this process, when there is no time left to wait. */
  killNow(): void {
    this.#process?.kill('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (!child) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** Its own settings and none of those of whoever runs the demo. */
  #environment(): NodeJS.ProcessEnv {
    const { name, folder, port, adminPort, neighbours } = this.#place
    const foreign = new Set([CONFIG_VARIABLE, ...optionNames.map((option) => options[option].environment)])
    const kept = Object.entries(process.env).filter(([variable]) => !foreign.has(variable))
    return {
      ...Object.fromEntries(kept),
      SLIPSTREAM_INSTANCE_ID: name,
      SLIPSTREAM_TAGS: name,
      SLIPSTREAM_PORT: String(port),
      SLIPSTREAM_STORAGE_PATH: join(folder, `${name}.db`),
      SLIPSTREAM_RETRY_IN_N_SECONDS: '1',
      METRICS_PORT: String(adminPort),
      URL_CONFIG: Buffer.from(JSON.stringify(neighbours)).toString('base64'),
      ENABLE_MESSAGE_LOGS: 'false',
    }
  }

  #heard(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > REMEMBERED_LINES) this.#lines.shift()
  }
}

/** Ports that were free a moment ago; the regions must know each other's before any of them runs. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

async function connectedTo(adminPort: number): Promise<ReadonlySet<string>> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/api/v1/connections`, {
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    })
    const { items } = (await answer.json()) as { items: readonly { name: string; connected: boolean }[] }
    return new Set(items.filter(({ connected }) => connected).map(({ name }) => name))
  } catch {
    return new Set() // not listening yet, or killed meanwhile
  }
}
