import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import {
  type Introduce,
  type Introduction,
  type Level,
  problemOf,
  SUBPROTOCOLS,
  slipstreamError,
} from '../../../core/index.ts'
import { addressOf, type Surroundings, WebSocketConnection } from './connection.ts'
import { readQuery, writeHeaders } from './handshake.ts'
import { FRAME_LIMITS, HANDSHAKE_ROOM, HTTP_LIMITS, MAX_PAYLOAD } from './limits.ts'
import { chosenOf, levelOf } from './subprotocols.ts'
import { listenTls } from './tls.ts'

/** Why somebody is not let in, as HTTP status and as JSON body. It never repeats what was sent. */
interface Refusal {
  readonly status: number
  readonly code: string
  readonly reason: string
}

const NOT_FOUND: Refusal = { status: 404, code: 'NOT_FOUND', reason: 'the bus is at /' }
const NO_UPGRADE: Refusal = { status: 426, code: 'UPGRADE_REQUIRED', reason: 'the bus speaks WebSocket' }
const ORIGIN: Refusal = { status: 403, code: 'FORBIDDEN', reason: 'this Origin is not among allowedOrigins' }
const STOPPING: Refusal = { status: 503, code: 'BUSY', reason: 'this instance is going away' }
const FULL: Refusal = { status: 503, code: 'BUSY', reason: 'maxConnections is reached' }

/** The listening side: an HTTP server that answers nothing but upgrades to WebSocket on `/`. */
export class Listener {
  readonly #surroundings: Surroundings
  readonly #introduce: Introduce
  readonly #accept: (connection: WebSocketConnection) => void
  readonly #server: Server
  readonly #upgrades: Readonly<Record<Level, WebSocketServer>>
  readonly #streams = new Set<Socket>()
  #stopped: Promise<void> | undefined

  constructor(surroundings: Surroundings, introduce: Introduce, accept: (connection: WebSocketConnection) => void) {
    const { tls, maxConnections } = surroundings.options
    this.#surroundings = surroundings
    this.#introduce = introduce
    this.#accept = accept
    this.#server = tls ? createTlsServer({ ...HTTP_LIMITS, ...listenTls(tls) }) : createServer(HTTP_LIMITS)
    this.#server.maxConnections = maxConnections + HANDSHAKE_ROOM
    this.#upgrades = { plain: upgrading('plain'), linked: upgrading('linked') }
    this.#attach()
  }

  /** Resolves to the URL to dial. Rejects with `SLP_LISTEN`. */
  async listen(): Promise<string> {
    const { host, port, tls } = this.#surroundings.options
    try {
      this.#server.listen(port, host)
      await once(this.#server, 'listening')
    } catch (cause) {
      throw slipstreamError('SLP_LISTEN', [`${host}:${port}`, problemOf(cause)], { cause })
    }
    const name = host.includes(':') ? `[${host}]` : host
    const address = `${tls ? 'wss' : 'ws'}://${name}:${(this.#server.address() as AddressInfo).port}`
    this.#server.on('error', (error) => this.#surroundings.log.error('listener failed', { address, error }))
    return address
  }

  /** Lets nobody in any more; who is in stays. */
  stop(): void {
    this.#stopped ??= new Promise((resolve) => this.#server.close(() => resolve()))
  }

  /** Gives back every socket that is left. */
  async close(): Promise<void> {
    this.stop()
    for (const stream of this.#streams) stream.destroy()
    await this.#stopped
  }

  #attach(): void {
    this.#server.on('connection', (stream: Socket) => {
      this.#streams.add(stream)
      stream.once('close', () => this.#streams.delete(stream))
    })
    this.#server.on('request', (request, response) => this.#answer(request, response))
    this.#server.on('upgrade', (request, stream, head) => this.#upgrade(request, stream, head))
    // An HTTPS server reports what goes wrong during TLS here as well.
    this.#server.on('clientError', (error: NodeJS.ErrnoException, stream) => this.#failed(error, stream))
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { path, query } = targetOf(request)
    const chosen = chosenOf(request.headers['sec-websocket-protocol'], this.#surroundings.options.protocols)
    const remote = this.#refusalOf(request, path, chosen) ?? introductionOf(query)
    if ('status' in remote) {
      this.#refuse(stream, remote)
      return
    }
    const level = levelOf(chosen ?? '')
    const upgrades = this.#upgrades[level]
    const introduce = (lines: string[]) => lines.push(...writeHeaders(this.#introduce(remote.instanceId)))
    upgrades.on('headers', introduce)
    // All in this turn, so that nobody else's answer meets that listener.
    upgrades.handleUpgrade(request, stream, head, (socket) => {
      this.#accept(new WebSocketConnection(socket, request.socket, { remote, level }, this.#surroundings))
    })
    upgrades.off('headers', introduce)
  }

  #refusalOf({ headers }: IncomingMessage, path: string, chosen: string | undefined): Refusal | undefined {
    const { maxConnections, allowedOrigins, protocols } = this.#surroundings.options
    const { plain, linked } = this.#upgrades
    if (path !== '/') return NOT_FOUND
    if (headers.origin !== undefined && !allowedOrigins.includes(headers.origin)) return ORIGIN
    if (this.#stopped !== undefined) return STOPPING
    if (plain.clients.size + linked.clients.size >= maxConnections) return FULL
    return chosen === undefined ? unspoken(protocols) : undefined
  }

  #refuse(stream: Duplex, { status, code, reason }: Refusal): void {
    const { log } = this.#surroundings
    log.debug('connection refused', { address: addressOf(stream as Socket), code, reason })
    const body = JSON.stringify({ code, reason })
    stream.on('error', (error) => log.debug('refused connection failed', { reason: problemOf(error) }))
    stream.once('finish', () => stream.destroy())
    stream.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { status, code, reason } = targetOf(request).path === '/' ? NO_UPGRADE : NOT_FOUND
    response.writeHead(status, { connection: 'close', upgrade: 'websocket', 'content-type': 'application/json' })
    response.end(JSON.stringify({ code, reason }))
  }

  #failed(error: NodeJS.ErrnoException, stream: Duplex): void {
    const code = error.code ?? ''
    const isHttp = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (!isHttp || !stream.writable) {
      // Not the error itself: it carries the packet, and with it what was sent.
      this.#surroundings.log.debug('connection failed before its upgrade', { code, reason: problemOf(error) })
      stream.destroy()
      return
    }
    const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
    this.#refuse(stream, { status, code: 'INVALID_REQUEST', reason: 'this is not a proper HTTP request' })
  }
}

/** By hand: `new URL` throws for targets such as `//`. */
function targetOf({ url = '' }: IncomingMessage): { path: string; query: URLSearchParams } {
  const [path = '', ...rest] = url.split('?')
  return { path, query: new URLSearchParams(rest.join('?')) }
}

function introductionOf(query: URLSearchParams): Introduction | Refusal {
  try {
    return readQuery(query)
  } catch (error) {
    return { status: 400, code: 'INVALID_HANDSHAKE', reason: problemOf(error) }
  }
}

function unspoken(protocols: readonly string[]): Refusal {
  const orNone = protocols.includes(SUBPROTOCOLS.plain) ? ', or none' : ''
  return { status: 400, code: 'INVALID_HANDSHAKE', reason: `the subprotocol is ${protocols.join(' or ')}${orNone}` }
}

function upgrading(level: Level): WebSocketServer {
  const handleProtocols = () => SUBPROTOCOLS[level]
  return new WebSocketServer({ ...FRAME_LIMITS, maxPayload: MAX_PAYLOAD[level], noServer: true, handleProtocols })
}
