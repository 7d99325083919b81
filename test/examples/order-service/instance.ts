import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** In a project of your own: `node_modules/.bin/slipstream`. */
const SLIPSTREAM = fileURLToPath(new URL('../../../bin/slipstream', import.meta.url))
const CONFIG = fileURLToPath(new URL('slipstream.config.ts', import.meta.url))
const READY_WITHIN_MS = 60_000
const REMEMBERED_CHARACTERS = 4_000

export interface InstancePlan {
  readonly name: string
  readonly folder: string
  readonly tag: string
  readonly clusterGroupId: string
  readonly peers: readonly Instance[]
}

/** One instance: `slipstream start` as a process of its own, that can be killed and started again. */
export class Instance {
  readonly name: string
  readonly url: string
  readonly #adminUrl: string
  readonly #flags: readonly string[]
  #process: ChildProcess | undefined
  #said = ''

  static async plan(plan: InstancePlan): Promise<Instance> {
    return new Instance(plan, await freePort(), await freePort())
  }

  private constructor(plan: InstancePlan, port: number, metricsPort: number) {
    const { name, folder, tag, clusterGroupId, peers } = plan
    this.name = name
    this.url = `ws://127.0.0.1:${port}`
    this.#adminUrl = `http://127.0.0.1:${metricsPort}`
    this.#flags = [
      ...['--config', CONFIG, '--instance-id', name, '--tags', tag, '--cluster-group-id', clusterGroupId],
      ...['--port', String(port), '--metrics-port', String(metricsPort), '--storage-path', join(folder, `${name}.db`)],
      ...peers.flatMap(({ url }) => ['--peer', url]),
    ]
  }

  /** Starts it, for the first time or again. Resolves when it is ready. */
  async start(): Promise<void> {
    const started = spawn(process.execPath, [SLIPSTREAM, 'start', ...this.#flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = started
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (data) => this.#remember(String(data)))
    const deadline = Date.now() + READY_WITHIN_MS
    while (!(await this.#isReady())) {
      if (started.exitCode !== null || Date.now() > deadline)
        throw new Error(`${this.name} does not start:\n${this.#said}`)
      await pause(50)
    }
  }

  /** Ends it as a power cut would. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Deliveries that it still owes to anybody. */
  async backlog(): Promise<number> {
    const response = await fetch(`${this.#adminUrl}/api/v1/status`)
    return ((await response.json()) as { backlog: number }).backlog
  }

  async deadLetters(): Promise<number> {
    const response = await fetch(`${this.#adminUrl}/api/v1/dead-letters`)
    return ((await response.json()) as { total: number }).total
  }

  async #isReady(): Promise<boolean> {
    return fetch(`${this.#adminUrl}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const ending = this.#process
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const exited = once(ending, 'exit')
    ending.kill(signal)
    await exited
  }

  #remember(text: string): void {
    this.#said = (this.#said + text).slice(-REMEMBERED_CHARACTERS)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
