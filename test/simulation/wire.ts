import type { Connection, ConnectionHandlers, Introduction, Lane, Level } from '../../core/index.ts'
import { Dialect } from './dialect.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** What RFC 6455, §7.1.5 calls a connection that ended without a closing handshake. */
const ABNORMAL = 1006
const NOTICE_MS = 20
/** A closing handshake that is not answered within this time is given up. */
const CLOSE_GRACE_MS = 2_000
const FAR_APART_MS = 400
const LANES: readonly Lane[] = ['control', 'bulk']

/** How a network treats what is sent over it. */
export interface Conditions {
  /** Usual time from one end to the other, in milliseconds. */
  readonly latencyMs: number
  /**
   * Chances that a frame is lost, doubled or overtaken. TCP does none of this within one connection; proxies that stand
   * between deployed systems, and end and begin connections on their own, have been seen to do all of it.
   */
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
}

/** What an observer is told of each frame; of a linked one, in frames of the plain level. */
export interface WireObserver {
  sent(end: End, frame: string): void
  /** It is being handed to the host of that end: more than once, if it was doubled on its way. */
  received(end: End, frame: string): void
}

type Parcel =
  | { readonly frame: string; readonly lane: Lane }
  | { readonly code: number; readonly reason: string }
  | { readonly open: true }

/** One connection between two hosts: two ends, and what is on its way between them. */
export class Wire {
  readonly id: number
  readonly dialler: End
  readonly listener: End
  readonly world: World
  readonly random: Random
  readonly observer: WireObserver
  /** True while nothing gets through between the two hosts. */
  readonly blocked: () => boolean
  readonly conditions: () => Conditions
  readonly level: Level
  /** Nothing that is on its way arrives any more. */
  cut = false

  constructor(
    id: number,
    hosts: { readonly from: string; readonly to: string; readonly blocked: () => boolean },
    remotes: { readonly dialler: Introduction; readonly listener: Introduction; readonly level: Level },
    surroundings: {
      readonly world: World
      readonly random: Random
      readonly observer: WireObserver
      readonly conditions: () => Conditions
    },
  ) {
    this.id = id
    this.world = surroundings.world
    this.random = surroundings.random
    this.observer = surroundings.observer
    this.conditions = surroundings.conditions
    this.blocked = hosts.blocked
    this.level = remotes.level
    this.dialler = new End(this, hosts.from, remotes.listener)
    this.listener = new End(this, hosts.to, remotes.dialler)
  }

  get gone(): boolean {
    return this.dialler.closed && this.listener.closed
  }

  other(end: End): End {
    return end === this.dialler ? this.listener : this.dialler
  }

  /** The connection breaks: frames on their way are lost, and each end notices in its own time. */
  break(noticeMs: () => number): void {
    this.cut = true
    for (const end of [this.dialler, this.listener]) end.noticeIn(noticeMs())
  }

  latency(): number {
    return this.random.heavyTail(this.conditions().latencyMs)
  }
}

/** One end of a wire, as the host there sees it. */
export class End implements Connection {
  readonly wire: Wire
  readonly host: string
  readonly remote: Introduction
  readonly address: string
  readonly level: Level
  readonly dialect: Dialect
  closed = false
  #closing = false
  #handlers: ConnectionHandlers | undefined
  #paused = false
  #opened: (() => void) | undefined
  /** Arrived and not read yet. */
  #inbox: Parcel[] = []
  /** Held up on the way to here. */
  #stalled: Parcel[] = []
  /** When the last parcel of each lane arrives: a later one of that lane comes behind it. */
  #lastDue = { control: 0, bulk: 0 }
  #underWay = 0

  constructor(wire: Wire, host: string, remote: Introduction) {
    this.wire = wire
    this.host = host
    this.remote = remote
    this.address = `wire-${wire.id}`
    this.level = wire.level
    this.dialect = new Dialect(wire.level)
  }

  get bufferedBytes(): number {
    return this.wire.other(this).#underWay
  }

  handle(handlers: ConnectionHandlers): void {
    this.#handlers = handlers
    this.resume()
  }

  pause(): void {
    this.#paused = true
  }

  /** As with a socket, nothing is read in the turn in which reading begins. */
  resume(): void {
    this.#paused = false
    this.wire.world.after(0, `${this.host} listens on ${this.address}`, () => this.#read())
  }

  send(frame: string, lane: Lane = 'bulk'): void {
    if (this.closed || this.#closing) return
    const target = this.wire.other(this)
    for (const plain of this.dialect.plainly(frame, target.dialect)) this.wire.observer.sent(this, plain)
    const { random, conditions } = this.wire
    const { loss, duplication, reordering } = conditions()
    // An announcement is never repeated: it relies on the link.
    const spared = isAnnouncement(frame)
    if (!spared && random.chance(loss)) {
      this.wire.world.note(`lost on wire ${this.wire.id}`)
      return
    }
    const overtaken = !spared && random.chance(reordering)
    target.#travel({ frame, lane }, overtaken ? random.between(0, FAR_APART_MS) : undefined)
    if (!spared && random.chance(duplication)) target.#travel({ frame, lane }, random.between(0, FAR_APART_MS))
  }

  close(code: number, reason: string): void {
    if (this.closed || this.#closing) return
    this.#closing = true
    this.wire.other(this).#travel({ code, reason })
    this.wire.world.after(CLOSE_GRACE_MS, `${this.host} gives up closing wire ${this.wire.id}`, () =>
      this.finish(ABNORMAL, 'no answer'),
    )
  }

  /** The other host lets this end know that the connection stands. */
  open(opened: () => void): void {
    this.#opened = opened
    this.#travel({ open: true })
  }

  noticeIn(milliseconds: number): void {
    this.wire.world.after(milliseconds, `${this.host} notices the end of wire ${this.wire.id}`, () =>
      this.finish(ABNORMAL, 'broken'),
    )
  }

  /** The host of this end is gone, with all that it had not read. */
  vanish(): void {
    this.closed = true
    this.#handlers = undefined
    this.#opened = undefined
  }

  finish(code: number, reason: string): void {
    if (this.closed) return
    this.closed = true
    this.#inbox = []
    this.#handlers?.closed(code, reason)
  }

  /** What was held up comes now, in its order. */
  release(): void {
    if (this.#stalled.length === 0) return
    this.wire.world.after(this.wire.latency(), `${this.host} hears again on wire ${this.wire.id}`, () => {
      if (this.wire.blocked()) return
      for (const parcel of this.#stalled.splice(0)) this.#arrive(parcel)
    })
  }

  /** @param overtakenMs its own time on the way, when others may overtake it */
  #travel(parcel: Parcel, overtakenMs?: number): void {
    const { world } = this.wire
    const due = world.now + this.wire.latency()
    this.#underWay += sizeOf(parcel)
    const delay = overtakenMs ?? this.#placeBehind(parcel, due) - world.now
    world.after(delay, `${this.host} <- wire ${this.wire.id} ${summary(parcel)}`, () => {
      this.#underWay -= sizeOf(parcel)
      if (this.wire.blocked() || this.#stalled.length > 0) this.#stalled.push(parcel)
      else this.#arrive(parcel)
    })
  }

  /** Frames come behind those of their lane, the beginning and the end of a connection behind all. */
  #placeBehind(parcel: Parcel, due: number): number {
    const lanes = 'frame' in parcel ? [parcel.lane] : LANES
    const place = Math.max(due, ...lanes.map((lane) => this.#lastDue[lane]))
    for (const lane of lanes) this.#lastDue[lane] = place
    return place
  }

  #arrive(parcel: Parcel): void {
    if (this.wire.cut || this.closed) return
    if ('open' in parcel) {
      this.#opened?.()
      this.#opened = undefined
      return
    }
    this.#inbox.push(parcel)
    this.#read()
  }

  #read(): void {
    while (this.#handlers && !this.#paused && !this.closed) {
      const parcel = this.#inbox.shift()
      if (!parcel) return
      if ('frame' in parcel) this.#take(parcel.frame)
      else if ('code' in parcel) this.#goodbye(parcel.code, parcel.reason)
    }
  }

  /** As with a socket, what is still on its way when this end closes is not read any more. */
  #take(frame: string): void {
    if (this.#closing) return
    const sender = this.wire.other(this)
    for (const plain of sender.dialect.plainly(frame, this.dialect)) this.wire.observer.received(this, plain)
    this.#handlers?.frame(frame, Buffer.byteLength(frame))
  }

  #goodbye(code: number, reason: string): void {
    this.finish(code, reason)
    const other = this.wire.other(this)
    this.wire.world.after(
      this.wire.random.between(0, NOTICE_MS),
      `${other.host} is told the end of ${this.address}`,
      () => other.finish(code, reason),
    )
  }
}

function isAnnouncement(frame: string): boolean {
  return frame.startsWith('{"type":"HELLO"') || /^H /m.test(frame)
}

function sizeOf(parcel: Parcel): number {
  return 'frame' in parcel ? parcel.frame.length : 0
}

function summary(parcel: Parcel): string {
  if ('open' in parcel) return 'open'
  if ('code' in parcel) return `close ${parcel.code} ${parcel.reason}`
  const { frame } = parcel
  if (isAnnouncement(frame) || !frame.startsWith('{')) return frame
  const type = /"type":"([^"]*)"/.exec(frame)?.[1]
  const id = /"messageId":"([^"]*)"/.exec(frame)?.[1] ?? ''
  return `${type} ${id}`
}
