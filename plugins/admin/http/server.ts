import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Log, problemOf, slipstreamError } from '../../../core/index.ts'
import { checkAccess, isThisMachine } from './access.ts'
import { readJson } from './body.ts'
import { HttpProblem } from './problem.ts'
import type { Answer, Router } from './router.ts'
import type { TokenCheck } from './token.ts'

const LIMITS = Object.freeze({
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 2_000,
  maxHeaderSize: 8 * 1024,
})
const MAX_CONNECTIONS = 256

const HEADERS = Object.freeze({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })

export interface HttpServerContext {
  readonly host: string
  readonly port: number
  readonly token: TokenCheck | undefined
  readonly router: Router
  readonly log: Log
}

/** The listening socket, and what happens to one request. */
export class HttpServer {
  readonly #context: HttpServerContext
  readonly #server: Server
  #address: string | undefined

  constructor(context: HttpServerContext) {
    this.#context = context
    this.#server = createServer(LIMITS, (request, response) => void this.#serve(request, response))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  get address(): string | undefined {
    return this.#address
  }

  /** Rejects with `SLP_LISTEN`. */
  async listen(): Promise<void> {
    const { host, port, log } = this.#context
    try {
      this.#server.listen(port, host)
      await once(this.#server, 'listening')
    } catch (cause) {
      throw slipstreamError('SLP_LISTEN', [`${host}:${port}`, problemOf(cause)], { cause })
    }
    this.#server.on('error', (error) => log.error('http failed', { reason: error.message, error }))
    const name = host.includes(':') ? `[${host}]` : host
    this.#address = `http://${name}:${(this.#server.address() as AddressInfo).port}`
  }

  /** Gives back every socket. Closing twice, or before it listened, does nothing. */
  async close(): Promise<void> {
    this.#address = undefined
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      send(response, await this.#answer(request))
    } catch (error) {
      const problem = error instanceof HttpProblem ? error : this.#fault(request, error)
      const { status, code, message, headers } = problem
      send(response, { status, body: { code, message } }, headers)
    }
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { token, router } = this.#context
    const { path, query } = targetOf(request)
    const { access, handler, params } = router.find(request.method ?? '', path)
    const visitor = { headers: request.headers, remoteAddress: request.socket.remoteAddress }
    checkAccess(visitor, access, token)
    const body = access === 'write' ? await readJson(request) : undefined
    return handler({ params, query, body, local: isThisMachine(visitor) })
  }

  #fault(request: IncomingMessage, error: unknown): HttpProblem {
    if (request.errored) return new HttpProblem(400, 'BAD_REQUEST', 'the request ended before its body did')
    this.#context.log.error('http request failed', { reason: problemOf(error), error })
    return new HttpProblem(500, 'INTERNAL', 'this request failed; the log of the instance has the reason')
  }
}

/** By hand: `new URL` throws for targets such as `//`. */
function targetOf({ url = '' }: IncomingMessage): { path: string; query: URLSearchParams } {
  const [path = '', ...rest] = url.split('?')
  return { path, query: new URLSearchParams(rest.join('?')) }
}

function send(response: ServerResponse, answer: Answer, headers: Readonly<Record<string, string>> = {}): void {
  const { body, text, contentType = 'application/json' } = answer
  const content = text ?? (body === undefined ? undefined : `${JSON.stringify(body)}\n`)
  if (content === undefined) {
    response.writeHead(answer.status ?? 204, { ...HEADERS, ...headers }).end()
    return
  }
  const described = { 'content-type': contentType, 'content-length': Buffer.byteLength(content) }
  response.writeHead(answer.status ?? 200, { ...HEADERS, ...described, ...headers }).end(content)
}
