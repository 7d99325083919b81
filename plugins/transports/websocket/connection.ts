import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import {
  CloseCode,
  type Connection,
  type ConnectionHandlers,
  type Introduction,
  type Log,
  problemOf,
  type Runtime,
  type Timer,
} from '../../../core/index.ts'
import { Heartbeat } from './heartbeat.ts'
import { CLOSE_GRACE_MS } from './limits.ts'
import type { ResolvedOptions } from './options.ts'

export interface Surroundings {
  readonly options: ResolvedOptions
  readonly runtime: Runtime
  readonly log: Log
}

/** A close reason is at most 123 bytes (RFC 6455, §5.5). */
const MAX_REASON_BYTES = 123
/** What RFC 6455, §7.1.5 calls a connection that ended without a closing handshake. */
const ABNORMAL = 1006

/** One open WebSocket, as the core sees it. Make it in the turn in which the socket opens, or frames may be missed. */
export class WebSocketConnection implements Connection {
  readonly remote: Introduction
  readonly address: string
  /** Resolves when the socket is given back, whoever closed it. */
  readonly gone: Promise<void>

  readonly #socket: WebSocket
  readonly #stream: Socket
  readonly #runtime: Runtime
  readonly #log: Log
  readonly #heartbeat: Heartbeat
  #handlers: ConnectionHandlers | undefined
  /** Why it ends: what this end said when it closed first, else what it learnt. */
  #ending: { readonly code: number; readonly reason: string } | undefined
  #failure = ''
  #graceTimer: Timer | undefined
  #corked = false

  constructor(socket: WebSocket, stream: Socket, remote: Introduction, { options, runtime, log }: Surroundings) {
    this.remote = remote
    this.address = addressOf(stream)
    this.#socket = socket
    this.#stream = stream
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
    return this.#socket.bufferedAmount
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    const ending = this.#ending
    if (this.#socket.readyState !== WebSocket.CLOSED) this.resume()
    else if (ending !== undefined) this.#runtime.defer(() => handlers.closed(ending.code, ending.reason))
  }

  /** All frames of one turn leave in one system call: corking 64 of them saves a quarter of the time and more. */
  send(frame: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    if (!this.#corked) {
      this.#corked = true
      this.#stream.cork()
      this.#runtime.defer(this.#uncork)
    }
    this.#socket.send(frame)
  }

  pause(): void {
    this.#heartbeat.deafen()
    this.#socket.pause()
  }

  resume(): void {
    this.#heartbeat.listen()
    this.#socket.resume()
  }

  close(code: number, reason: string): void {
    if (this.#ending !== undefined) return
    this.#ending = { code, reason }
    this.#heartbeat.stop()
    // A paused socket would never read that the other end closes, too.
    this.#socket.resume()
    this.#socket.close(code, reasonThatFits(reason))
    this.#allowGrace()
  }

  #attach(): void {
    this.#socket.on('message', (data, isBinary) => this.#read(data as Buffer, isBinary))
    this.#socket.on('ping', () => this.#heartbeat.heard())
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

  /** The socket broke, or the other end broke the protocol and `ws` has begun to close. */
  #failed(error: Error): void {
    this.#failure = problemOf(error)
    this.#log.debug('connection failed', { address: this.address, reason: this.#failure })
    this.#allowGrace()
  }

  #closed(code: number, reason: string): void {
    this.#heartbeat.stop()
    this.#graceTimer?.cancel()
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

  readonly #uncork = (): void => {
    this.#corked = false
    this.#stream.uncork()
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
