import { once } from 'node:events'
import { expect } from 'chai'
import { WebSocket } from 'ws'

/** How long a test waits for what must come, in milliseconds. */
const PATIENCE_MS = 5_000
/** How long a test watches for what must not come. */
const WATCH_MS = 60

export interface Frame {
  /** As it came over the wire, to the byte. */
  readonly text: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface ConnectOptions {
  readonly name?: string
  readonly tags?: readonly string[]
  readonly role?: 'client' | 'instance'
  readonly clusterGroupId?: string
  readonly durable?: boolean
  /** Answers each message that is delivered with an ACK, as an application does. Default true. */
  readonly acknowledges?: boolean
}

const open = new Set<Client>()

/** Opens a plain WebSocket to the bus, as an application would. It is closed when the test ends. */
export async function connect(bus: { readonly url: string } | string, options: ConnectOptions = {}): Promise<Client> {
  const url = new URL(typeof bus === 'string' ? bus : bus.url)
  const { name, tags, role, clusterGroupId, durable, acknowledges = true } = options
  if (name !== undefined) url.searchParams.set('instanceId', name)
  if (tags !== undefined) url.searchParams.set('tags', tags.join(','))
  if (role !== undefined) url.searchParams.set('role', role)
  if (clusterGroupId !== undefined) url.searchParams.set('clusterGroupId', clusterGroupId)
  if (durable !== undefined) url.searchParams.set('durable', String(durable))
  const client = new Client(new WebSocket(url), acknowledges)
  open.add(client)
  await client.opened
  return client
}

/** Ends every client that is still connected. */
export async function closeClients(): Promise<void> {
  for (const client of open) client.socket.terminate()
  await Promise.all([...open].map((client) => client.closed))
  open.clear()
}

export type Matches = (body: Frame['body']) => boolean

export class Client {
  readonly socket: WebSocket
  readonly opened: Promise<unknown>
  /** How the connection ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  /** All frames that came, oldest first. */
  readonly frames: Frame[] = []
  #unread: Frame[] = []
  #waiting: { readonly matches: Matches; readonly resolve: (frame: Frame) => void }[] = []

  constructor(socket: WebSocket, acknowledges: boolean) {
    this.socket = socket
    this.opened = once(socket, 'open')
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    // Whoever waits for `opened` or `closed` is told.
    socket.on('error', () => {})
    socket.on('message', (data) => this.#read(String(data), acknowledges))
  }

  send(message: object | string | Buffer): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  /** The next frame, or the next one that matches; those that do not stay for later calls. */
  next(matches: Matches = () => true, withinMs = PATIENCE_MS): Promise<Frame> {
    const place = this.#unread.findIndex(({ body }) => matches(body))
    if (place >= 0) return Promise.resolve(this.#unread.splice(place, 1)[0] as Frame)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting)
        reject(new Error(`no such frame within ${withinMs} ms; there are ${this.#summary()}`))
      }, withinMs)
      const waiting = {
        matches,
        resolve: (frame: Frame) => {
          clearTimeout(timer)
          resolve(frame)
        },
      }
      this.#waiting.push(waiting)
    })
  }

  /** Resolves when no frame, or none that matches, has come for a while. */
  async none(matches: Matches = () => true, withinMs = WATCH_MS): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, withinMs))
    const found = this.#unread.filter(({ body }) => matches(body))
    expect(
      found.map(({ text }) => text),
      'frames that should not have come',
    ).to.deep.equal([])
  }

  /** Publishes, and resolves to the answer that names this message: its ACK or NACK. */
  async publish(message: Readonly<Record<string, unknown>> & { readonly messageId: string }): Promise<Frame['body']> {
    this.send(message)
    return (await this.next(answers(message.messageId))).body
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
    open.delete(this)
  }

  #read(text: string, acknowledges: boolean): void {
    const frame = { text, body: JSON.parse(text) as Frame['body'] }
    this.frames.push(frame)
    const { type, messageId } = frame.body
    if (acknowledges && isDelivery(frame.body)) this.send({ type: 'ACK', messageId })
    const place = this.#waiting.findIndex(({ matches }) => matches(frame.body))
    if (place < 0) this.#unread.push(frame)
    else this.#waiting.splice(place, 1)[0]?.resolve(frame)
    if (type === undefined) throw new Error('a frame without a type came from the bus')
  }

  #summary(): string {
    return this.#unread.map(({ text }) => text.slice(0, 120)).join('\n') || 'none at all'
  }
}

/** Whether it is an answer to the message of that id. */
export const answers =
  (messageId: string): Matches =>
  (body) =>
    (body.type === 'ACK' || body.type === 'NACK') && body.messageId === messageId

/** Whether it is a message of somebody, and not an answer. */
export const isDelivery: Matches = ({ type }) =>
  type !== 'ACK' && type !== 'NACK' && type !== 'HELLO' && type !== 'REPLY'

/** The next message that is delivered to the client. */
export const nextMessage = (client: Client): Promise<Frame> => client.next(isDelivery)

/** Resolves when nothing is delivered to the client for a while. */
export const noMessage = (client: Client, withinMs?: number): Promise<void> => client.none(isDelivery, withinMs)

/** Waits until that holds; fails after a while. */
export async function eventually(holds: () => boolean | undefined, withinMs = PATIENCE_MS): Promise<void> {
  for (const deadline = Date.now() + withinMs; !holds(); await new Promise((resolve) => setTimeout(resolve, 2))) {
    if (Date.now() > deadline) throw new Error(`did not come to hold: ${holds}`)
  }
}
