import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a child has said is kept up to here, for the error message of a test that fails. */
const MAX_OUTPUT_CHARACTERS = 20_000

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that a test started. */
export interface Child {
  readonly ended: Promise<Ending>
  readonly running: boolean
  /** The end of what it wrote to stdout and stderr. */
  readonly output: string
  /** Sends the signal and waits until the process is gone. */
  end(signal: NodeJS.Signals): Promise<Ending>
}

/** A temporary folder, and the processes of a test. After `close` nothing of either is left. */
export class Stage {
  readonly folder: string
  readonly #children = new Set<Child>()

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'slipstream-acceptance-')))
  }

  private constructor(folder: string) {
    this.folder = folder
  }

  async subfolder(name: string): Promise<string> {
    const folder = join(this.folder, name)
    await mkdir(folder, { recursive: true })
    return folder
  }

  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
    const child = watch(spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] }))
    this.#children.add(child)
    return child
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.end('SIGKILL')))
    await rm(this.folder, { recursive: true, force: true })
  }
}

function watch(child: ChildProcess): Child {
  let output = ''
  let running = true
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT_CHARACTERS)
    })
  }
  const ended = once(child, 'close').then(([code, signal]): Ending => {
    running = false
    return { code, signal }
  })
  return {
    ended,
    get running() {
      return running
    },
    get output() {
      return output
    },
    end(signal) {
      if (running) child.kill(signal)
      return ended
    },
  }
}
