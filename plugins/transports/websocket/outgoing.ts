import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Lane, Level, Runtime } from '../../../core/index.ts'

/** What the socket is given at once. It cannot be overtaken any more: a control frame comes behind so much at most. */
const SOCKET_BYTES = 64 * 1024

export interface OutgoingParts {
  readonly socket: WebSocket
  readonly stream: Socket
  readonly runtime: Runtime
  readonly level: Level
  /** Called when the other end's machine has taken something while more was waiting. */
  moved(): void
}

/**
 * What one connection sends. Frames go to the socket as long as that holds little; the rest waits here, in two lanes: control
 * frames leave before any bulk frame that waits.
 */
export class Outgoing {
  readonly #socket: WebSocket
  readonly #stream: Socket
  readonly #runtime: Runtime
  /** Whether the frames of one turn are to leave together. On the linked level they are gathered already, and late enough. */
  readonly #gathers: boolean
  readonly #moved: () => void
  readonly #lanes: { readonly [Name in Lane]: Queue } = { control: new Queue(), bulk: new Queue() }
  /** The answer to the latest ping: earlier ones need none (RFC 6455, §5.5.3). */
  #pong: Buffer | undefined
  /** Whether the socket holds all that it may, until the last of it has left. */
  #full = false
  #corked = false

  constructor({ socket, stream, runtime, level, moved }: OutgoingParts) {
    this.#socket = socket
    this.#stream = stream
    this.#runtime = runtime
    this.#gathers = level === 'plain'
    this.#moved = moved
  }

  /** All that has not left this machine, in bytes. */
  get bytes(): number {
    return this.#socket.bufferedAmount + this.waiting('control') + this.waiting('bulk')
  }

  /** What waits here for the socket, in bytes. */
  waiting(lane: Lane): number {
    return this.#lanes[lane].bytes
  }

  send(frame: string, lane: Lane): void {
    if (this.#full) {
      this.#lanes[lane].push(frame)
    } else {
      if (this.#gathers) this.#cork()
      this.#hand(frame)
    }
  }

  pong(data: Buffer): void {
    this.#pong = data
    if (!this.#full) this.#handPong()
  }

  /** Gives the socket all that waits: nothing comes after it. */
  flush(): void {
    for (const frame of this.#frames()) this.#socket.send(frame)
  }

  /** Forgets what waits. */
  clear(): void {
    this.#lanes.control.clear()
    this.#lanes.bulk.clear()
    this.#pong = undefined
  }

  #hand(frame: string): void {
    this.#socket.send(frame, this.#ifFullWith(frame.length))
  }

  #handPong(): void {
    const data = this.#pong
    this.#pong = undefined
    if (data) this.#socket.pong(data, undefined, this.#ifFullWith(data.length))
  }

  /** Whom to call when what is handed over now has left, if the socket is to have no more until then. */
  #ifFullWith(bytes: number): (() => void) | undefined {
    this.#full = this.#socket.bufferedAmount + bytes >= SOCKET_BYTES
    return this.#full ? this.#left : undefined
  }

  readonly #left = (): void => {
    this.#full = false
    const waited = this.waiting('control') + this.waiting('bulk') > 0
    if (this.#socket.readyState === this.#socket.OPEN) this.#refill()
    if (waited) this.#moved()
  }

  #refill(): void {
    this.#stream.cork()
    this.#handPong()
    if (!this.#full) {
      for (const frame of this.#frames()) {
        this.#hand(frame)
        if (this.#full) break
      }
    }
    this.#stream.uncork()
  }

  /** What waits, each taken from its lane as it is asked for. */
  *#frames(): Iterable<string> {
    for (const lane of [this.#lanes.control, this.#lanes.bulk]) {
      for (let frame = lane.shift(); frame !== undefined; frame = lane.shift()) yield frame
    }
  }

  /** All frames of one turn leave in one system call: corking 64 of them saves a quarter of the time and more. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#stream.cork()
    this.#runtime.defer(this.#uncork)
  }

  readonly #uncork = (): void => {
    this.#corked = false
    this.#stream.uncork()
  }
}

/** Frames in the order in which they came, and how many bytes they are. */
class Queue {
  #frames: { readonly frame: string; readonly bytes: number }[] = []
  bytes = 0

  push(frame: string): void {
    const bytes = Buffer.byteLength(frame)
    this.#frames.push({ frame, bytes })
    this.bytes += bytes
  }

  shift(): string | undefined {
    const first = this.#frames.shift()
    if (first) this.bytes -= first.bytes
    return first?.frame
  }

  clear(): void {
    this.#frames = []
    this.bytes = 0
  }
}
