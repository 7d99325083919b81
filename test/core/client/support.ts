import type { Client } from '../../../core/client/client.ts'
import { ClientError, type ClientOptions, connect } from '../../../core/client/index.ts'
import type { SocketLike } from '../../../core/client/socket.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'

type Frame = Readonly<Record<string, unknown>>
type Handler = ((event: never) => void) | null

/** One end of a WebSocket, whose other end a test plays. */
export class FakeSocket implements SocketLike {
  onopen: Handler = null
  onmessage: Handler = null
  onclose: Handler = null
  onerror: Handler = null
  readonly url: URL
  readonly protocols: readonly string[]
  /** What the instance chose of them. */
  protocol = 'slipstream.v1'
  /** What the client has sent, oldest first. */
  readonly texts: string[] = []
  /** How the client closed it. */
  closedWith: number | undefined
  isTerminated = false

  constructor(url: string, protocols: readonly string[]) {
    this.url = new URL(url)
    this.protocols = protocols
  }

  send(frame: string): void {
    this.texts.push(frame)
  }

  close(code = 1005): void {
    this.closedWith = code
  }

  terminate(): void {
    this.isTerminated = true
  }

  get frames(): readonly Frame[] {
    return this.texts.map((text) => JSON.parse(text) as Frame)
  }

  /** Frames of a type, or messages: whatever is no SUBSCRIBE, HELLO, ACK or NACK. */
  sent(type?: string): readonly Frame[] {
    const control = ['SUBSCRIBE', 'HELLO', 'ACK', 'NACK']
    return this.frames.filter((frame) => (type ? frame.type === type : !control.includes(frame.type as string)))
  }

  /** Lets it open, as an instance does that tells the time unless it is told not to. */
  open(time?: number): this {
    this.onopen?.({} as never)
    if (time !== undefined) this.say({ type: 'HELLO', instanceId: 'fake', time })
    return this
  }

  say(frame: object | string): void {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame)
    this.onmessage?.({ data } as never)
  }

  acknowledge(messageId: unknown, more: object = {}): void {
    this.say({ type: 'ACK', messageId, status: 'stored', recipients: 1, sourceInstanceId: 'fake', ...more })
  }

  refuse(messageId: unknown, code: string, more: object = {}): void {
    this.say({ type: 'NACK', messageId, code, reason: 'no', ...more })
  }

  /** Ends it from the other side. */
  drop(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason } as never)
  }
}

/** Clients on a clock that stands still, and the sockets that they open. */
export class Desk {
  readonly runtime = new ManualRuntime()
  readonly sockets: FakeSocket[] = []
  readonly clients: Client[] = []

  connect(url: string | readonly string[] = 'ws://one', options: ClientOptions = {}): Client {
    const { sockets } = this
    const client = connect(url, {
      runtime: this.runtime,
      WebSocket: class extends FakeSocket {
        constructor(at: string, protocols: readonly string[]) {
          super(at, protocols)
          sockets.push(this)
        }
      },
      ...options,
    })
    this.clients.push(client)
    return client
  }

  /** A client that is connected, and its socket. */
  linked(options: ClientOptions = {}): { readonly client: Client; readonly socket: FakeSocket } {
    const client = this.connect('ws://one', options)
    return { client, socket: this.socket.open(this.runtime.now()) }
  }

  /** The latest socket. */
  get socket(): FakeSocket {
    const last = this.sockets.at(-1)
    if (!last) throw new Error('no socket was opened')
    return last
  }

  /** Lets time pass until another socket is dialled, and opens that. */
  reconnected(): FakeSocket {
    for (const before = this.sockets.length; this.sockets.length === before; ) this.runtime.advance(10)
    return this.socket.open(this.runtime.now())
  }
}

/** Lets everything that waits for promises go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What the promise is rejected with. */
export async function refusal(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof ClientError) return error
    throw error
  }
  throw new Error('it was not rejected')
}
