import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { WebSocket } from 'ws'
import {
  type Connection,
  defaultSettings,
  type Introduction,
  type Log,
  type PeerSettings,
  type Runtime,
  type Settings,
  systemRuntime,
  type Timer,
} from '../../../../core/index.ts'
import { WebSocketTransport, type WebsocketOptions } from '../../../../plugins/transports/websocket/index.ts'

/** What a test opened, and how it is closed again: newest first. */
const leftOpen: (() => unknown)[] = []

export function closeLater(close: () => unknown): void {
  leftOpen.push(close)
}

export async function closeAll(): Promise<void> {
  for (const close of leftOpen.splice(0).reverse()) await close()
}

export const instance = (given: Partial<Introduction> = {}): Introduction => ({
  instanceId: 'aws-1',
  role: 'instance',
  tags: [],
  clusterGroupId: undefined,
  durable: true,
  announces: false,
  ...given,
})

/** A runtime whose clock runs that many times faster. */
export const hurried = (times: number): Runtime => ({
  ...systemRuntime,
  monotonic: () => systemRuntime.monotonic() * times,
  after: (milliseconds, task) => systemRuntime.after(milliseconds / times, task),
})

/** A runtime that knows how many of its timers have neither run nor been cancelled. */
export function countingTimers(): { runtime: Runtime; pending(): number } {
  const timers = new Set<Timer>()
  const after = (milliseconds: number, task: () => void): Timer => {
    const inner = systemRuntime.after(milliseconds, () => {
      timers.delete(timer)
      task()
    })
    const timer = {
      cancel: () => {
        timers.delete(timer)
        inner.cancel()
      },
    }
    timers.add(timer)
    return timer
  }
  return { runtime: { ...systemRuntime, after }, pending: () => timers.size }
}

/** Keeps all that was logged, errors with their messages and stacks, as one text to search in. */
export class RecordingLog implements Log {
  text = ''
  message = (event: string, fields?: object) => this.#write(event, fields)
  debug = this.message
  error = this.message
  critical = this.message
  enabled = () => true

  #write(event: string, fields: object = {}): void {
    const show = (_name: string, value: unknown) => (value instanceof Error ? `${value.stack}` : value)
    this.text += `${event} ${JSON.stringify(fields, show)}\n`
  }
}

export interface Surroundings {
  readonly options?: WebsocketOptions
  readonly settings?: Partial<Settings>
  readonly runtime?: Runtime
  readonly log?: Log
}

export function transport({ options = {}, settings, runtime = systemRuntime, log }: Surroundings = {}) {
  const made = new WebSocketTransport({
    settings: { ...defaultSettings, ...settings },
    options: { port: 0, ...options },
    runtime,
    log: log ?? new RecordingLog(),
  })
  closeLater(() => made.close())
  return made
}

/** One end of a connection, with all that it was told. */
export class End {
  readonly connection: Connection
  readonly frames: string[] = []
  closed: { code: number; reason: string } | undefined

  constructor(connection: Connection) {
    this.connection = connection
  }

  listen(): this {
    this.connection.handle({
      frame: (text) => this.frames.push(text),
      closed: (code, reason) => {
        if (this.closed !== undefined) throw new Error('closed() was called twice')
        this.closed = { code, reason }
      },
    })
    return this
  }
}

export interface Listening {
  readonly transport: WebSocketTransport
  readonly url: string
  /** Whoever was let in, oldest first. */
  readonly ends: End[]
  /** The next one that is let in. */
  next(): Promise<End>
}

/** A transport that listens on a port of its own and handles whoever comes, unless `silent`. */
export async function listening(
  surroundings: Surroundings & { self?: Introduction; silent?: boolean } = {},
): Promise<Listening> {
  const { self = instance(), silent = false } = surroundings
  const made = transport(surroundings)
  const ends: End[] = []
  const accept = (connection: Connection) => {
    const end = new End(connection)
    ends.push(silent ? end : end.listen())
  }
  const url = await made.listen(() => self, accept)
  let seen = 0
  const next = async () => {
    await eventually(() => ends.length > seen)
    const end = ends[seen++]
    if (end === undefined) throw new Error('nobody came')
    return end
  }
  return { transport: made, url, ends, next }
}

export async function dial(
  from: WebSocketTransport,
  peer: PeerSettings | string,
  self = instance({ instanceId: 'gcp-1' }),
  signal = new AbortController().signal,
): Promise<End> {
  return new End(await from.dial(typeof peer === 'string' ? { url: peer } : peer, self, signal))
}

/** A stranger's WebSocket, open. */
export async function client(url: string, protocols: string[] = [], options: WebSocket.ClientOptions = {}) {
  const socket = new WebSocket(url, protocols, options)
  closeLater(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

/** Code and reason by which that socket is closed. */
export async function closing(socket: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = await once(socket, 'close')
  return { code, reason: String(reason) }
}

export interface Answer {
  readonly status: number | undefined
  readonly body: string
}

/** What an upgrade is answered when it is refused. */
export function refusal(url: string, target: string, headers: Record<string, string> = {}): Promise<Answer> {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'c2xpcHN0cmVhbXNsaXBzdA==',
  }
  return get(url, target, { ...upgrade, ...headers })
}

export async function get(url: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const outgoing = request({ hostname, port, path, headers })
  outgoing.end()
  const [response] = await Promise.race([once(outgoing, 'response'), once(outgoing, 'upgrade').then(letIn)])
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, body }
}

function letIn(): never {
  throw new Error('was let in')
}

/** Waits until that holds; fails after two seconds. */
export async function eventually(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 2_000; !holds(); await wait(2)) {
    if (Date.now() > deadline) throw new Error(`did not come to hold: ${holds}`)
  }
}

/** What that promise was rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof Error) return outcome
  throw new Error('was not rejected with an error')
}
