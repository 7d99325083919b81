import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Child, Ending, Stage } from './stage.ts'

const CLIENT = fileURLToPath(new URL('../../support/python/client.py', import.meta.url))

/** What the client wrote down. Which members there are depends on the event; `client.py` says so. */
export interface Event {
  readonly event: 'published' | 'repeated' | 'acknowledged' | 'refused' | 'connected' | 'received'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly messageId: string
  readonly targetedTags: readonly string[]
  /** The members that the publisher wrote and the bus must keep, as text. */
  readonly own: string
  /** The text of what was received. */
  readonly frame: string
  readonly status: string
}

/** A client in Python, as a process of its own. */
export interface PythonClient {
  readonly name: string
  readonly running: boolean
  readonly output: string
  readonly ended: Promise<Ending>
  stop(): Promise<Ending>
  /** What it wrote down so far. */
  events(event: Event['event']): readonly Event[]
}

/** A Python that has the package `websockets`; Debian's own, where another one comes first on the path. */
export function findPython(): string | undefined {
  return ['/usr/bin/python3', 'python3'].find((command) => {
    try {
      execFileSync(command, ['-c', 'import websockets'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/** Starts `client.py` in one of its modes; an option that is undefined is left out. */
export function startClient(
  stage: Stage,
  python: string,
  mode: 'publish' | 'receive',
  name: string,
  options: Readonly<Record<string, string | number | undefined>>,
): PythonClient {
  const file = join(stage.folder, `${name}.jsonl`)
  const log = new EventLog(file)
  const given = Object.entries({ ...options, log: file }).filter(([, value]) => value !== undefined)
  const child: Child = stage.spawn(python, [
    CLIENT,
    mode,
    ...given.flatMap(([key, value]) => [`--${key}`, String(value)]),
  ])
  return {
    name,
    get running() {
      return child.running
    },
    get output() {
      return child.output
    },
    ended: child.ended,
    stop: () => child.end('SIGTERM'),
    events: (event) => log.read().filter((one) => one.event === event),
  }
}

/** Reads a growing file of JSON lines: each call only what is new. A last line that is not whole yet waits. */
class EventLog {
  readonly #file: string
  readonly #events: Event[] = []
  #offset = 0

  constructor(file: string) {
    this.#file = file
    closeSync(openSync(file, 'a'))
  }

  read(): readonly Event[] {
    const added = readFrom(this.#file, this.#offset)
    const end = added.lastIndexOf('\n') + 1
    this.#offset += end
    for (const line of added.subarray(0, end).toString().split('\n')) {
      if (line !== '') this.#events.push(JSON.parse(line) as Event)
    }
    return this.#events
  }
}

function readFrom(file: string, offset: number): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - offset))
    return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, offset))
  } finally {
    closeSync(descriptor)
  }
}
