import type {
  Accept,
  Connection,
  ConnectionHandlers,
  Introduce,
  Introduction,
  Lane,
  Level,
  PeerSettings,
  Plugin,
  Transport,
} from '../../core/index.ts'

/** How one end introduces itself when a test has nothing particular to say. */
export const introduction = (given: Partial<Introduction> = {}): Introduction => ({
  instanceId: undefined,
  role: 'client',
  tags: [],
  clusterGroupId: undefined,
  durable: given.instanceId !== undefined,
  announces: false,
  ...given,
})

/** Two ends of one connection that needs no socket. The first is told what `other` says of itself, and the reverse. */
export function memoryPair(
  one: Introduction,
  other: Introduction,
  level: Level = 'plain',
): [MemoryConnection, MemoryConnection] {
  const near = new MemoryConnection(other, level)
  const far = new MemoryConnection(one, level)
  near.join(far)
  far.join(near)
  return [near, far]
}

type Event = { readonly frame: string; readonly lane: Lane } | { readonly code: number; readonly reason: string }

/** One end. Like a socket it hands over nothing in the turn in which it was sent, and reads once it is handled. */
export class MemoryConnection implements Connection {
  readonly remote: Introduction
  readonly level: Level
  readonly address = 'memory'
  bufferedBytes = 0
  /** All that was sent from this end, oldest first. */
  readonly sent: string[] = []
  /** Of these, what went ahead of what was not read yet. */
  readonly sentAhead: string[] = []
  /** How it ended, and at whose wish. */
  ending: { readonly code: number; readonly reason: string; readonly by: 'us' | 'them' } | undefined
  #other: MemoryConnection | undefined
  #handlers: ConnectionHandlers | undefined
  #inbox: Event[] = []
  #paused = true

  constructor(remote: Introduction, level: Level) {
    this.remote = remote
    this.level = level
  }

  join(other: MemoryConnection): void {
    this.#other = other
  }

  get paused(): boolean {
    return this.#paused
  }

  send(frame: string, lane: Lane = 'bulk'): void {
    if (this.ending) return
    this.sent.push(frame)
    if (lane === 'control') this.sentAhead.push(frame)
    this.#other?.arrive({ frame, lane })
  }

  close(code: number, reason: string): void {
    if (this.ending) return
    this.ending = { code, reason, by: 'us' }
    this.#other?.arrive({ code, reason })
    setImmediate(() => this.#handlers?.closed(code, reason))
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#read()
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    this.resume()
  }

  /** A control frame goes ahead of all bulk frames that are not read yet. */
  arrive(event: Event): void {
    const place = 'lane' in event && event.lane === 'control' ? this.#inbox.findIndex(isBulk) : -1
    this.#inbox.splice(place < 0 ? this.#inbox.length : place, 0, event)
    this.#read()
  }

  #read(): void {
    setImmediate(() => {
      // A socket notices that it is closed even while nobody reads from it.
      while (this.#inbox.length > 0 && !this.ending && this.#handlers && (!this.#paused || this.#closing())) {
        this.#take(this.#inbox.shift() as Event, this.#handlers)
      }
    })
  }

  #closing(): boolean {
    return this.#inbox.some((event) => 'code' in event)
  }

  #take(event: Event, handlers: ConnectionHandlers): void {
    if ('frame' in event) {
      handlers.frame(event.frame, Buffer.byteLength(event.frame))
    } else {
      this.ending = { ...event, by: 'them' }
      handlers.closed(event.code, event.reason)
    }
  }
}

function isBulk(event: Event): boolean {
  return 'lane' in event && event.lane === 'bulk'
}

/** A network within this process: buses that listen on `memory://name` and dial each other there. */
export class MemoryNetwork {
  /** All ends that were ever opened, the dialling one of each pair first. */
  readonly ends: MemoryConnection[] = []
  readonly #listeners = new Map<
    string,
    { readonly introduce: Introduce; readonly accept: Accept; readonly best: Level }
  >()

  /** A plugin whose transport listens on that address. Where both ends of a connection speak the linked level, it is linked. */
  plugin(address: string, best: Level = 'plain'): Plugin {
    return { name: `network ${address}`, apply: (kernel) => kernel.transport(this.transport(address, best)) }
  }

  transport(address: string, best: Level = 'plain'): Transport {
    const own: MemoryConnection[] = []
    return {
      name: 'memory',
      protocols: ['memory:'],
      listen: async (introduce, accept) => {
        const accepting = (connection: Connection) => {
          own.push(connection as MemoryConnection)
          accept(connection)
        }
        this.#listeners.set(address, { introduce, accept: accepting, best })
        return address
      },
      dial: async (peer, self) => {
        const connection = this.dial(peer, self, best)
        own.push(connection)
        return connection
      },
      stopListening: async () => void this.#listeners.delete(address),
      close: async () => {
        this.#listeners.delete(address)
        for (const connection of own) connection.close(1001, 'going away')
      },
    }
  }

  /** Opens a connection to whoever listens there, as somebody who says that of itself. */
  dial({ url }: PeerSettings, self: Introduction, best: Level = 'plain'): MemoryConnection {
    const listener = this.#listeners.get(url)
    if (!listener) throw new Error(`nobody listens on ${url}`)
    const level = best === 'linked' ? listener.best : 'plain'
    const [near, far] = memoryPair(self, listener.introduce(self.instanceId), level)
    this.ends.push(near, far)
    listener.accept(far)
    return near
  }
}
