import { WebSocket } from 'ws'
import { problemOf, slipstreamError } from '../core/errors.ts'
import { type Frame, readFrame } from './frame.ts'

/** Messages that may wait for `onMessage` before nothing more is read. */
const MAX_WAITING = 64

export interface ClientOptions {
  readonly url: string
  /** With a name the instance keeps what is due while this client is away. */
  readonly name?: string | undefined
  readonly tags?: readonly string[] | undefined
  /** From the first byte to an open connection, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number
  /** Called for each message, one after the other. When it fails, the connection ends with its error. */
  readonly onMessage?: (message: Frame, client: Client) => void | Promise<void>
}

/** What an instance says to a message: durable there, or not kept there. */
export type Answer =
  | { readonly type: 'ACK'; readonly messageId: string; readonly status: string; readonly recipients: number }
  | {
      readonly type: 'NACK'
      readonly messageId: string
      readonly code: string
      readonly reason: string
      readonly retryable: boolean
    }

export interface Client {
  /** Sends a message and waits for the answer. Rejects with `SLP_UNACKNOWLEDGED` when none comes: it may be stored, or not. */
  publish(messageId: string, frame: string, timeoutMs: number): Promise<Answer>
  /** Says that a message was handled: the instance forgets it. */
  acknowledge(messageId: string): void
  close(): Promise<void>
  /** Resolves when the connection is gone; rejects with what `onMessage` failed with. */
  readonly closed: Promise<Closed>
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** Connects to an instance. Throws `SLP_UNREACHABLE`. */
export async function connect(options: ClientOptions): Promise<Client> {
  const socket = new WebSocket(addressOf(options), ['slipstream.v1'], {
    handshakeTimeout: options.connectTimeoutMs ?? 5_000,
    perMessageDeflate: false,
  })
  const client = new PlainClient(socket, options)
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.on('error', (error) => reject(unreachable(options.url, error)))
  })
  return client
}

function addressOf({ url, name, tags = [] }: ClientOptions): URL {
  const address = new URL(url)
  if (name !== undefined) address.searchParams.set('instanceId', name)
  if (tags.length > 0) address.searchParams.set('tags', tags.join(','))
  return address
}

/** A host of several addresses fails with an `AggregateError` that says nothing but its code. */
function unreachable(url: string, error: unknown): Error {
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  // OpenSSL ends its messages with a new line.
  return slipstreamError('SLP_UNREACHABLE', [url, problemOf(first).replaceAll(/\s+/g, ' ').trim()], { cause: error })
}

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

class PlainClient implements Client {
  readonly #socket: WebSocket
  readonly #onMessage: NonNullable<ClientOptions['onMessage']>
  readonly #answers = new Map<string, Waiting>()
  readonly closed: Promise<Closed>
  #handled: Promise<void> = Promise.resolve()
  #waiting = 0
  #fail: (error: unknown) => void = () => {}

  constructor(socket: WebSocket, { onMessage = () => {} }: ClientOptions) {
    this.#socket = socket
    this.#onMessage = onMessage
    this.closed = new Promise((resolve, reject) => {
      this.#fail = reject
      socket.once('close', (code, reason) => {
        this.#abandon(code)
        resolve({ code, reason: reason.toString() })
      })
    })
    // Whoever does not wait for the end has not asked for its error either.
    this.closed.catch(() => {})
    socket.on('message', (data) => {
      void this.#guarded(() => this.#receive(readFrame(String(data))))
    })
  }

  publish(messageId: string, frame: string, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(messageId, `no answer within ${timeoutMs} ms`), timeoutMs)
      this.#answers.set(messageId, { resolve, reject, timer })
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame)
      else this.#giveUp(messageId, 'the connection is closed')
    })
  }

  acknowledge(messageId: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: 'ACK', messageId }))
  }

  async close(): Promise<void> {
    this.#socket.close(1000)
    await this.closed
  }

  #receive(frame: Frame): void {
    if (frame.type === 'ACK' || frame.type === 'NACK') this.#answered(frame)
    else this.#enqueue(frame)
  }

  #answered({ type, messageId, body }: Frame): void {
    // What could not be read at all is refused without an id: it was ours if nothing else is waiting.
    const [only] = this.#answers.size === 1 ? this.#answers.keys() : []
    const id = messageId ?? only
    const waiting = id === undefined ? undefined : this.#take(id)
    if (id === undefined || !waiting) return
    if (type === 'ACK') {
      waiting.resolve({ type, messageId: id, status: String(body.status), recipients: Number(body.recipients) })
    } else {
      const { code, reason, retryable } = body
      const refusal = { code: String(code), reason: String(reason), retryable: retryable === true }
      waiting.resolve({ type: 'NACK', messageId: id, ...refusal })
    }
  }

  /** Messages are handled in order; while many wait, the socket is not read. */
  #enqueue(frame: Frame): void {
    if (++this.#waiting === MAX_WAITING) this.#socket.pause()
    this.#handled = this.#handled.then(async () => {
      await this.#guarded(() => this.#onMessage(frame, this))
      if (this.#waiting-- === MAX_WAITING) this.#socket.resume()
    })
  }

  async #guarded(task: () => void | Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      this.#fail(error)
      this.#socket.terminate()
    }
  }

  #take(messageId: string): Waiting | undefined {
    const waiting = this.#answers.get(messageId)
    clearTimeout(waiting?.timer)
    this.#answers.delete(messageId)
    return waiting
  }

  #giveUp(messageId: string, problem: string): void {
    this.#take(messageId)?.reject(slipstreamError('SLP_UNACKNOWLEDGED', [messageId, problem]))
  }

  #abandon(code: number): void {
    for (const messageId of [...this.#answers.keys()]) this.#giveUp(messageId, `the connection was closed (${code})`)
  }
}
