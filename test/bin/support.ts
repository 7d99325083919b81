import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CONFIG_VARIABLE, optionNames, options } from '../../config/options.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/slipstream', import.meta.url))
const DEADLINE_MS = 15_000

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder to run in, removed at the end with every process that was started in it. */
export class Desk {
  readonly folder: string
  readonly #programs: Program[] = []

  static async set(): Promise<Desk> {
    return new Desk(await mkdtemp(join(tmpdir(), 'slipstream-bin-')))
  }

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Starts `slipstream` as a user would, in a clean environment. */
  launch(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const program = new Program(args, this.folder, { ...cleanEnvironment(), ...env })
    this.#programs.push(program)
    return program
  }

  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Result> {
    return this.launch(args, env).ended
  }

  /** Starts an instance on free ports, and resolves once it listens. */
  async instance(...args: readonly string[]): Promise<Instance> {
    const program = this.launch(['start', '--port', '0', '--metrics-port', '0', '--message-logs', 'false', ...args])
    const url = await program.says(/listening +(ws:\S+)/)
    const admin = await program.says(/administration +(http:\S+)/)
    return { program, url, admin }
  }

  async file(name: string, content: string): Promise<string> {
    await writeFile(join(this.folder, name), content)
    return join(this.folder, name)
  }

  async clear(): Promise<void> {
    for (const program of this.#programs) program.kill('SIGKILL')
    await Promise.all(this.#programs.map(({ ended }) => ended))
    await rm(this.folder, { recursive: true, force: true })
  }
}

export interface Instance {
  readonly program: Program
  readonly url: string
  readonly admin: string
}

/** A running command, and what it has written so far. */
export class Program {
  readonly #process: ChildProcessWithoutNullStreams
  readonly ended: Promise<Result>
  stdout = ''
  stderr = ''

  constructor(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    this.#process = spawn(process.execPath, [LAUNCHER, ...args], { cwd, env })
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = once(this.#process, 'close').then(([code]) => ({ code, stdout: this.stdout, stderr: this.stderr }))
  }

  /** Reads no further words of it, like a terminal that was closed. */
  hangUp(): void {
    this.#process.stderr.destroy()
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Closes our end of its output, as `head` does when it has enough. */
  stopReading(): void {
    this.#process.stdout.destroy()
  }

  /** Resolves to the first group, once that is written to either stream. */
  async says(pattern: RegExp): Promise<string> {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    for (;;) {
      const found = pattern.exec(this.stderr) ?? pattern.exec(this.stdout)
      if (found) return found[1] ?? found[0]
      if (this.#process.exitCode !== null) throw new Error(`ended without saying ${pattern}: ${this.stderr}`)
      await Promise.race([
        once(this.#process.stdout, 'data', { signal }),
        once(this.#process.stderr, 'data', { signal }),
        this.ended,
      ])
    }
  }
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = new Set([CONFIG_VARIABLE, 'FORCE_COLOR', ...optionNames.map((name) => options[name].environment)])
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)))
}
