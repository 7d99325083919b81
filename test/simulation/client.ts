import type { Connection, Introduction } from '../../core/index.ts'
import type { Ledger } from './ledger.ts'
import type { Network } from './network.ts'
import { APPLIED_TYPE, frameOf, type Publication } from './publication.ts'
import type { Random } from './random.ts'
import type { Reader } from './reader.ts'
import type { World } from './world.ts'

const REPEAT_MS = 8_000
const DIAL_AGAIN_MS = 2_000
const STARTUP_MS = 100
/** An application that refuses things has a handler that is down: of one type for so long, then of the next one. */
const DOWN_MS = 20_000
const DOWN_IN_TURN = ['SK', 'SA', APPLIED_TYPE]

/** What does not change about an application. */
export interface ClientPlan {
  /** Its host; an application without a name does not tell it. */
  readonly host: string
  readonly named: boolean
  readonly tags: readonly string[]
  /** The instances it may connect to; the first is its home. */
  readonly homes: readonly string[]
  /** How long it thinks before it acknowledges, in milliseconds. */
  readonly thinkMs: number
  /** Chance that it forgets to acknowledge. */
  readonly forgets: () => number
  /** Whether it refuses some of what it gets. */
  readonly refuses: () => boolean
  /** Asks for what is acknowledged; undefined: it asks nothing. */
  readonly reader: Reader | undefined
}

/**
 * An application beside an instance. What it publishes it repeats, with the same id, until it is acknowledged; what it
 * gets it acknowledges, and it has no deduplication of its own.
 */
export class Client {
  readonly plan: ClientPlan
  readonly #world: World
  readonly #random: Random
  readonly #network: Network
  readonly #ledger: Ledger
  readonly #unacknowledged = new Map<string, Publication>()
  #connection: Connection | undefined
  #attempts = 0

  constructor(world: World, network: Network, ledger: Ledger, plan: ClientPlan) {
    this.#world = world
    this.#random = world.random.fork()
    this.#network = network
    this.#ledger = ledger
    this.plan = plan
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  start(): void {
    this.#later(this.#random.between(0, STARTUP_MS), 'connects', () => void this.#connect())
    this.#repeatLater()
  }

  publish(publication: Publication): void {
    this.#unacknowledged.set(publication.messageId, publication)
    this.#ledger.publications.set(publication.messageId, publication)
    this.#world.note(`${this.plan.host} publishes ${publication.messageId} for ${publication.targetedTags}`)
    this.#connection?.send(frameOf(publication))
  }

  async #connect(): Promise<void> {
    const { host, homes } = this.plan
    const home = homes[this.#attempts++ % homes.length] as string
    try {
      const connection = await this.#network.dial(host, home, this.#introduction())
      this.#connection = connection
      connection.handle({
        frame: (text) => this.#read(text, connection),
        closed: (code, reason) => this.#lost(connection, code, reason),
      })
      this.#repeat()
    } catch (error) {
      this.#world.note(`${host}: ${(error as Error).message}`)
      this.#connectLater()
    }
  }

  #introduction(): Introduction {
    const { host, named, tags } = this.plan
    return {
      instanceId: named ? host : undefined,
      role: 'client',
      tags,
      clusterGroupId: undefined,
      durable: named,
      announces: false,
    }
  }

  #read(text: string, connection: Connection): void {
    const { type, messageId } = JSON.parse(text) as { type: string; messageId?: string }
    if (type === 'ACK') this.#acknowledged(messageId as string, connection)
    else if (type === 'REPLY') this.plan.reader?.answered(text)
    else if (type !== 'NACK') this.#take(messageId as string, type, connection)
  }

  #acknowledged(messageId: string, connection: Connection): void {
    const publication = this.#unacknowledged.get(messageId)
    this.#unacknowledged.delete(messageId)
    if (publication) this.plan.reader?.acknowledged(publication, connection)
  }

  #take(messageId: string, type: string, connection: Connection): void {
    const { thinkMs, named, forgets, refuses } = this.plan
    if (!named || this.#random.chance(forgets())) return
    const refusal = refuses() ? this.#refusal(type) : undefined
    if (refusal) {
      connection.send(JSON.stringify({ type: 'NACK', messageId, ...refusal }))
      return
    }
    this.#later(this.#random.heavyTail(thinkMs), `has ${messageId}`, () => {
      this.#ledger.tookBy(this.plan.host, messageId)
      connection.send(`{"type":"ACK","messageId":"${messageId}"}`)
    })
  }

  /** Now and then it is busy, or cannot take something, more rarely not ever; and there is always one type that fails. */
  #refusal(type: string): object | undefined {
    const down = DOWN_IN_TURN[Math.floor(this.#world.now / DOWN_MS) % DOWN_IN_TURN.length]
    if (type === down) return { code: 'INTERNAL', retryable: true }
    const chance = this.#random.next()
    if (chance < 0.1) return { code: 'BUSY', retryable: true, retryAfterMs: this.#random.integer(0, 5_000) }
    if (chance < 0.35) return { code: 'STORE_UNAVAILABLE', retryable: true }
    if (chance < 0.38) return { code: 'INVALID_MESSAGE', retryable: false }
    return undefined
  }

  #lost(connection: Connection, code: number, reason: string): void {
    this.#world.note(`${this.plan.host} loses its connection: ${code} ${reason}`)
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#connectLater()
  }

  #connectLater(): void {
    this.#later(this.#random.between(0.1, 1) * DIAL_AGAIN_MS, 'connects', () => void this.#connect())
  }

  #repeatLater(): void {
    this.#later(this.#random.between(0.5, 1) * REPEAT_MS, 'repeats', () => {
      this.#repeat()
      this.#repeatLater()
    })
  }

  #repeat(): void {
    for (const publication of this.#unacknowledged.values()) this.#connection?.send(frameOf(publication))
  }

  #later(milliseconds: number, label: string, run: () => void): void {
    this.#world.after(milliseconds, `${this.plan.host} ${label}`, run)
  }
}
