import type { Accept, Connection, Introduce, Introduction, Level } from '../../core/index.ts'
import { Random } from './random.ts'
import { type Conditions, type End, Wire, type WireObserver } from './wire.ts'
import type { World } from './world.ts'

/** Both ends give a silent connection up after this time (§2 of the protocol: heartbeat). */
const DEAD_AFTER_MS = 30_000
const HEARTBEAT_MS = 15_000
const DIAL_TIMEOUT_MS = 5_000

/** Meshes of one level, of the other one, and of instances of different versions, another one after each restart. */
const LINKED = [0.5, 1, 0]

interface Listener {
  readonly introduce: Introduce
  readonly accept: Accept
}

/** The hosts of a world, and what lies between them. */
export class Network {
  readonly #world: World
  readonly #random: Random
  /** What it draws shifts nobody else's draws. */
  readonly #levels: Random
  /** Chance that two instances link on the linked level. */
  readonly #linked: number
  readonly #observer: WireObserver
  readonly #listeners = new Map<string, Listener>()
  readonly #wires = new Set<Wire>()
  /** Pairs of hosts between which nothing gets through, each with the number of its partition. */
  readonly #partitions = new Map<string, number>()
  /** How often each host has crashed: what it dialled before is dialled no more. */
  readonly #lives = new Map<string, number>()
  #partitionCount = 0
  #wireCount = 0
  conditions: Conditions

  constructor(world: World, observer: WireObserver, conditions: Conditions) {
    this.#world = world
    this.#random = world.random.fork()
    this.#levels = new Random(world.seed)
    this.#linked = LINKED[world.seed % LINKED.length] as number
    this.#observer = observer
    this.conditions = conditions
  }

  listen(host: string, listener: Listener): void {
    this.#listeners.set(host, listener)
  }

  stopListening(host: string): void {
    this.#listeners.delete(host)
  }

  /** Connections of a host that are open at either end. */
  wires(host?: string): readonly Wire[] {
    for (const wire of this.#wires) if (wire.gone) this.#wires.delete(wire)
    return [...this.#wires].filter(({ dialler, listener }) => !host || dialler.host === host || listener.host === host)
  }

  /** Opens a connection, or rejects: when nobody listens there, or nothing is heard for a while. */
  dial(from: string, to: string, self: Introduction, signal?: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let wire: Wire | undefined
      let given = false
      const fail = (reason: string) => {
        if (given) return
        given = true
        timeout.cancel()
        signal?.removeEventListener('abort', aborted)
        if (wire) this.#abandon(wire)
        reject(new Error(`${from} cannot reach ${to}: ${reason}`))
      }
      const timeout = this.#world.after(DIAL_TIMEOUT_MS, `${from} gives up dialling ${to}`, () => fail('no answer'))
      const aborted = () => fail('aborted')
      signal?.addEventListener('abort', aborted)
      const life = this.#lives.get(from)
      this.#world.after(this.#latency(), `${from} dials ${to}`, () => {
        if (given || this.#blocked(from, to) || this.#lives.get(from) !== life) return
        const listener = this.#listeners.get(to)
        if (!listener) return fail('refused')
        wire = this.#wire(from, to, self, listener.introduce(self.instanceId))
        const { dialler } = wire
        dialler.open(() => {
          if (given) return
          given = true
          timeout.cancel()
          signal?.removeEventListener('abort', aborted)
          resolve(dialler)
        })
        listener.accept(wire.listener)
      })
    })
  }

  partition(one: string, other: string): void {
    const pair = pairOf(one, other)
    if (this.#partitions.has(pair)) return
    const number = ++this.#partitionCount
    this.#partitions.set(pair, number)
    for (const wire of this.#between(one, other)) {
      for (const end of [wire.dialler, wire.listener]) this.#giveUpIf(end, () => this.#partitions.get(pair) === number)
    }
  }

  heal(one: string, other: string): void {
    if (!this.#partitions.delete(pairOf(one, other))) return
    for (const { dialler, listener } of this.#between(one, other)) {
      dialler.release()
      listener.release()
    }
  }

  /** A host is gone. Its neighbours notice soon, or, after a power cut, by their heartbeats. */
  crash(host: string, powerCut: boolean): void {
    this.stopListening(host)
    this.#lives.set(host, (this.#lives.get(host) ?? 0) + 1)
    for (const wire of this.wires(host)) {
      const lost = wire.dialler.host === host ? wire.dialler : wire.listener
      wire.cut = true
      lost.vanish()
      wire.other(lost).noticeIn(powerCut ? this.#heartbeat() : this.#latency())
    }
  }

  /** One connection breaks. With `halfOpen`, its ends notice by their heartbeats only. */
  break(wire: Wire, halfOpen: boolean): void {
    wire.break(() => (halfOpen ? this.#heartbeat() : this.#latency()))
  }

  #wire(from: string, to: string, dialler: Introduction, listener: Introduction): Wire {
    const wire = new Wire(
      ++this.#wireCount,
      { from, to, blocked: () => this.#blocked(from, to) },
      { dialler, listener, level: this.#level(dialler) },
      { world: this.#world, random: this.#random, observer: this.#observer, conditions: () => this.conditions },
    )
    this.#wires.add(wire)
    return wire
  }

  #level({ role }: Introduction): Level {
    return role === 'instance' && this.#levels.chance(this.#linked) ? 'linked' : 'plain'
  }

  /** The dialling host no longer wants the connection that it has not heard of yet. */
  #abandon(wire: Wire): void {
    wire.cut = true
    wire.dialler.vanish()
    wire.listener.noticeIn(this.#latency())
  }

  #giveUpIf(end: End, stillSilent: () => boolean): void {
    this.#world.after(this.#heartbeat(), `${end.host} hears nothing on ${end.address}`, () => {
      if (!stillSilent() && !end.wire.cut) return
      end.wire.cut = true
      end.finish(1006, 'no sign of life')
    })
  }

  #between(one: string, other: string): readonly Wire[] {
    return this.wires(one).filter(({ dialler, listener }) => dialler.host === other || listener.host === other)
  }

  #blocked(one: string, other: string): boolean {
    return this.#partitions.has(pairOf(one, other))
  }

  #latency(): number {
    return this.#random.heavyTail(this.conditions.latencyMs)
  }

  #heartbeat(): number {
    return DEAD_AFTER_MS + this.#random.between(0, HEARTBEAT_MS)
  }
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}
