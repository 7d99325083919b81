import { backoff } from '../backoff.ts'
import { CloseCode } from '../protocol/close-code.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { type ClientError, clientError, fatalErrorOf } from './errors.ts'
import type { Events } from './events.ts'
import type { Resolved } from './options.ts'
import type { Dialling, SocketLike } from './socket.ts'

/** A connection that held for so long begins anew with short delays, in milliseconds. */
const STABLE_MS = 10_000
/** An instance tells the time every 15 s: one that has done so and keeps silent for that long is gone. */
const SILENCE_MS = 35_000
/** What RFC 6455, §7.1.5 calls a connection that ended without a closing handshake. */
const ABNORMAL = 1006

export interface ConnectorContext {
  readonly options: Resolved
  readonly dialling: Dialling
  readonly protocols: readonly string[]
  readonly events: Events
  /** A socket is open. A token is given when it could not be sent in a header. */
  opened(socket: SocketLike, url: string, token: string | undefined): void
  frame(text: string): void
  /** The socket that was open is gone. */
  closed(): void
  /** No connection will come any more. */
  gaveUp(error: ClientError): void
}

/** One socket at a time, to one of the URLs; when it is lost, another one, after a while that has some chance in it. */
export class Connector {
  readonly #context: ConnectorContext
  readonly #runtime: Runtime
  #socket: SocketLike | undefined
  #isOpen = false
  #openedAt = 0
  /** Which URL is dialled next. */
  #turn = 0
  #failures = 0
  #timer: Timer | undefined
  #silence: Timer | undefined
  #isClosed = false

  constructor(context: ConnectorContext) {
    this.#context = context
    this.#runtime = context.options.runtime
  }

  start(): void {
    void this.#dial()
  }

  /** The instance tells the time: from now on its silence means something. */
  alive(): void {
    this.#silence?.cancel()
    this.#silence = this.#runtime.after(SILENCE_MS, () => {
      this.#socket?.terminate?.()
      this.#lost(ABNORMAL, `silent for ${SILENCE_MS} ms`)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#drop()
  }

  async #dial(): Promise<void> {
    const { options, dialling, protocols } = this.#context
    const url = options.urls[this.#turn % options.urls.length] as string
    try {
      const token = typeof options.token === 'function' ? await options.token() : options.token
      if (this.#isClosed) return
      const socket = dialling.open(addressOf(url, options), [...protocols], token)
      this.#use(socket, url, dialling.bearsToken ? undefined : token)
      const late = () => this.#lost(ABNORMAL, `no connection within ${options.connectTimeoutMs} ms`)
      this.#timer = this.#runtime.after(options.connectTimeoutMs, late)
    } catch (error) {
      this.#lost(ABNORMAL, error instanceof Error ? error.message : String(error))
    }
  }

  #use(socket: SocketLike, url: string, token: string | undefined): void {
    let problem = ''
    this.#socket = socket
    socket.onopen = () => {
      this.#timer?.cancel()
      this.#isOpen = true
      this.#openedAt = this.#runtime.monotonic()
      this.#context.opened(socket, url, token)
    }
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (this.#socket === socket && typeof data === 'string') this.#context.frame(data)
    }
    socket.onerror = (event: { readonly message?: string }) => {
      problem = event.message ?? 'the connection failed'
    }
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      this.#lost(code, reason || problem)
    }
  }

  /** There is no connection any more, or there was none. */
  #lost(code: number, reason: string): void {
    if (this.#isClosed) return
    const { events, closed, gaveUp } = this.#context
    const { urls } = this.#context.options
    const url = urls[this.#turn % urls.length] as string
    const wasOpen = this.#isOpen
    this.#drop()
    if (wasOpen) closed()
    const fatal = fatalErrorOf(code, reason)
    if (wasOpen || fatal) events.emit('disconnected', { url, code, reason })
    else events.emit('error', clientError('SLP_CLIENT_ABSENT', [`${url} cannot be reached (${reason || code})`]))
    if (this.#isClosed) return
    if (fatal) gaveUp(fatal)
    else this.#retry(wasOpen && code !== CloseCode.TRY_AGAIN_LATER)
  }

  #retry(wasOpen: boolean): void {
    const { urls, retryDelayMs, maxRetryDelayMs } = this.#context.options
    const wasStable = wasOpen && this.#runtime.monotonic() - this.#openedAt >= STABLE_MS
    this.#failures = wasStable ? 1 : this.#failures + 1
    this.#turn++
    // The others are tried before anybody waits for longer.
    const rounds = Math.ceil(this.#failures / urls.length)
    const delayMs = Math.min(maxRetryDelayMs, backoff(rounds, retryDelayMs, this.#runtime.random()))
    const url = urls[this.#turn % urls.length] as string
    this.#context.events.emit('reconnecting', { url, attempt: this.#failures, delayMs })
    if (!this.#isClosed) this.#timer = this.#runtime.after(delayMs, () => void this.#dial())
  }

  /** Lets go of the socket and of every timer. */
  #drop(): void {
    const socket = this.#socket
    this.#timer?.cancel()
    this.#silence?.cancel()
    this.#silence = undefined
    this.#socket = undefined
    const wasOpen = this.#isOpen
    this.#isOpen = false
    if (!socket) return
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    // A socket that fails while it closes says so to whoever listens, and to nobody else.
    socket.onerror = () => {}
    if (wasOpen) socket.close(CloseCode.NORMAL)
    else if (socket.terminate) socket.terminate()
    else socket.close()
  }
}

function addressOf(url: string, { name, tags, durable }: Resolved): string {
  const address = new URL(url)
  if (name !== undefined) address.searchParams.set('instanceId', name)
  if (tags.length > 0) address.searchParams.set('tags', tags.join(','))
  if (!durable) address.searchParams.set('durable', 'false')
  // That it understands a HELLO, by which the instance tells the time.
  address.searchParams.set('hello', '1')
  return address.href
}
