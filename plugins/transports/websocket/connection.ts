import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import {
  CloseCode,
  type Connection,
  type ConnectionHandlers,
  type Introduction,
  type Lane,
  type Level,
  type Log,
  problemOf,
  type Runtime,
  type Timer,
} from '../../../core/index.ts'
import { Heartbeat } from './heartbeat.ts'
import { CLOSE_GRACE_MS, MAX_BULK_BYTES, MAX_CONTROL_BYTES } from './limits.ts'
import type { ResolvedOptions } from './options.ts'
import { Outgoing } from './outgoing.ts'

export interface Surroundings {
  readonly options: ResolvedOptions
  readonly runtime: Runtime
  readonly log: Log
}

/** A close reason is at most 123 bytes (RFC 6455, §5.5). */
const MAX_REASON_BYTES = 123
const TOO_SLOW = 'too much waits to be read; connect again'
/** What RFC 6455, §7.1.5 calls a connection that ended without a closing handshake. */
const ABNORMAL = 1006

/** One open WebSocket, as the core sees it. Make it in the turn in which the socket opens, or frames may be missed. */
export class WebSocketConnection implements Connection {
  readonly remote: Introduction
  readonly level: Level
  readonly address: string
  /** Resolves when the socket is given back, whoever closed it. */
  readonly gone: Promise<void>

  readonly #socket: WebSocket
  readonly #outgoing: Outgoing
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #heartbeat: Heartbeat
  #handlers: ConnectionHandlers | undefined
  /** Why it ends: what this end said when it closed first, else what it learnt. */
  #ending: { readonly code: number; readonly reason: string } | undefined
  #failure = ''
  #graceTimer: Timer | undefined
  /** The core has enough for now. */
  #paused = false
  /** The other end is to read what it was answered before it is read from again. */
  #answersFirst = false

  constructor(
    socket: WebSocket,
    stream: Socket,
    { remote, level }: Pick<WebSocketConnection, 'remote' | 'level'>,
    { options, runtime, log }: Surroundings,
  ) {
    this.remote = remote
    this.level = level
    this.address = addressOf(stream)
    this.#socket = socket
    this.#outgoing = new Outgoing({ socket, stream, runtime, level, moved: () => this.#moved() })
    this.#runtime = runtime
    this.#log = log
    this.#heartbeat = new Heartbeat({
      runtime,
      heartbeatMs: options.heartbeatMs,
      deadAfterMs: options.deadAfterMs,
      ping: () => socket.ping(),
      dead: () => this.#terminate(`no sign of life for ${options.deadAfterMs} ms`),
    })
    // Nothing is read before there is somebody to hand it to.
    this.pause()
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()))
    this.#attach()
  }

  get bufferedBytes(): number {
    return this.#outgoing.bytes
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    const ending = this.#ending
    if (this.#socket.readyState !== WebSocket.CLOSED) this.resume()
    else if (ending !== undefined) this.#runtime.defer(() => handlers.closed(ending.code, ending.reason))
  }

  send(frame: string, lane: Lane = 'bulk'): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#outgoing.send(frame, lane)
    if (this.#outgoing.waiting('bulk') > MAX_BULK_BYTES) this.close(CloseCode.TRY_AGAIN_LATER, TOO_SLOW)
    else if (this.#outgoing.waiting('control') > MAX_CONTROL_BYTES) this.#readAnswersFirst(true)
  }

  pause(): void {
    this.#paused = true
    this.#heartbeat.deafen()
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#heartbeat.listen()
    if (!this.#answersFirst) this.#socket.resume()
  }

  close(code: number, reason: string): void {
    if (this.#ending !== undefined) return
    this.#ending = { code, reason }
    this.#heartbeat.stop()
    // A paused socket would never read that the other end closes, too.
    this.#socket.resume()
    if (this.#socket.readyState === WebSocket.OPEN) this.#outgoing.flush()
    this.#socket.close(code, reasonThatFits(reason))
    this.#allowGrace()
  }

  #attach(): void {
    this.#socket.on('message', (data, isBinary) => this.#read(data as Buffer, isBinary))
    this.#socket.on('ping', (data) => this.#pinged(data))
    this.#socket.on('pong', () => this.#heartbeat.heard())
    this.#socket.on('error', (error) => this.#failed(error))
    this.#socket.on('close', (code, reason) => this.#closed(code, reason.toString()))
  }

  #read(data: Buffer, isBinary: boolean): void {
    this.#heartbeat.heard()
    // What is still on its way when this end closes was not acknowledged: its sender repeats it.
    if (this.#ending !== undefined) return
    if (isBinary) this.close(CloseCode.POLICY, 'text frames only')
    else this.#handlers?.frame(data.toString(), data.length)
  }

  #pinged(data: Buffer): void {
    this.#heartbeat.heard()
    if (this.#socket.readyState === WebSocket.OPEN) this.#outgoing.pong(data)
  }

  /** The other end's machine takes what it is sent: it lives, though its pong may be far behind. */
  #moved(): void {
    this.#heartbeat.heard()
    if (this.#outgoing.waiting('control') <= MAX_CONTROL_BYTES / 2) this.#readAnswersFirst(false)
  }

  /** Whoever does not read what it is answered is not read from: it would be answered even more. */
  #readAnswersFirst(first: boolean): void {
    if (this.#answersFirst === first) return
    this.#answersFirst = first
    if (first) this.#socket.pause()
    else if (!this.#paused) this.#socket.resume()
  }

  /** The socket broke, or the other end broke the protocol and `ws` has begun to close. */
  #failed(error: Error): void {
    this.#failure = problemOf(error)
    this.#log.debug('connection failed', { address: this.address, reason: this.#failure })
    this.#allowGrace()
  }

  #closed(code: number, reason: string): void {
    this.#heartbeat.stop()
    this.#graceTimer?.cancel()
    this.#outgoing.clear()
    this.#ending ??= { code, reason: reason || this.#failure }
    this.#handlers?.closed(this.#ending.code, this.#ending.reason)
  }

  #terminate(reason: string): void {
    this.#ending ??= { code: ABNORMAL, reason }
    this.#socket.terminate()
  }

  #allowGrace(): void {
    this.#graceTimer ??= this.#runtime.after(CLOSE_GRACE_MS, () => this.#socket.terminate())
  }
}

/** Address and port of the other end, for logs. */
export function addressOf({ remoteAddress = 'unknown', remotePort = 0 }: Socket): string {
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
}

function reasonThatFits(reason: string): string {
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES))
  return reason.slice(0, read)
}
