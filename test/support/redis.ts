import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from '../acceptance/support/until.ts'

/** A real Redis of a test's own, on a free port, with its files in a folder that goes with it. */
export class RedisServer {
  readonly port: number
  readonly #program: string
  readonly #folder: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  private constructor(program: string, port: number, args: readonly string[]) {
    this.#program = program
    this.#folder = mkdtempSync(join(tmpdir(), 'slipstream-redis-'))
    this.#args = args
    this.port = port
  }

  static async start(program: string, ...args: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort(), args)
    await server.restart()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it (again) over the files that are there, and waits until it answers. */
  async restart(): Promise<void> {
    // A sentinel keeps its configuration in a file, which must be there.
    const isSentinel = this.#args.includes('--sentinel')
    const file = join(this.#folder, 'redis.conf')
    if (isSentinel) await writeFile(file, '')
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder]
    const data = isSentinel ? [] : ['--save', '', '--appendonly', 'yes']
    this.#process = spawn(this.#program, [...(isSentinel ? [file] : []), ...own, ...data, ...this.#args], {
      stdio: 'ignore',
    })
    await until('redis answers', () => answers(this.url))
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Ends it, and removes its files. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}
