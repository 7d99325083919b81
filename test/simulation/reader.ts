import { MAX_CLOCK_AHEAD_MS, millisecondsOf } from '../../core/hybrid-clock.ts'
import type { Connection } from '../../core/index.ts'
import { stampOf } from './copy.ts'
import type { Ledger } from './ledger.ts'
import { APPLIED_TYPE, isFor, type Place, type Publication, type PublishedType } from './publication.ts'
import type { Random } from './random.ts'
import type { StateModel } from './state-model.ts'
import type { WallClocks } from './wall-clocks.ts'
import type { World } from './world.ts'

/** By what is asked for what a type has written. */
const ASKED_BY: Partial<Record<PublishedType, string>> = { SK: 'GK', SA: 'GA', SW: 'GW' }
/** What one request must be answered with. */
interface Asked {
  readonly host: string
  readonly type: string
  readonly publication: Publication
  readonly consistency: string
  /** Of what the asker has the acknowledgement of that instance; undefined: that need not hold there now. */
  readonly stamp: string | undefined
}

interface Answer {
  readonly correlationId: string
  readonly complete: boolean
  readonly value?: unknown
  readonly version?: string
  readonly values?: readonly { readonly value: unknown; readonly version?: string }[]
}

export interface ReaderSurroundings {
  readonly world: World
  readonly ledger: Ledger
  readonly clocks: WallClocks
  readonly model: StateModel
  readonly keepers: ReadonlySet<string>
}

/** Asks for what was just acknowledged, and holds the answers against what was written. */
export class Reader {
  readonly #surroundings: ReaderSurroundings
  readonly #random: Random
  readonly #asked = new Map<string, Asked>()

  constructor(surroundings: ReaderSurroundings) {
    this.#surroundings = surroundings
    this.#random = surroundings.world.random.fork()
  }

  /** An instance has acknowledged a write to an application, which now asks it for that key. */
  acknowledged(publication: Publication, connection: Connection): void {
    if (publication.type === APPLIED_TYPE || this.#random.chance(0.4)) return
    const type = ASKED_BY[publication.type] ?? this.#random.pick(['GK', 'GA', 'GW'])
    const consistency = this.#random.pick(['local', 'local', 'first', 'newest', 'all'])
    const host = connection.remote.instanceId as string
    const id = `ask-${this.#surroundings.world.id()}`
    this.#asked.set(id, { host, type, publication, consistency, stamp: this.#mustSee(publication, host) })
    connection.send(JSON.stringify({ type, messageId: id, key: publication.key, consistency }))
  }

  answered(text: string): void {
    const answer = JSON.parse(text) as Answer
    const asked = this.#asked.get(answer.correlationId)
    if (!asked) {
      this.#surroundings.world.violate('who is answered has asked', text.slice(0, 200))
      return
    }
    this.#surroundings.world.note(`answer to ${answer.correlationId}: ${text.slice(0, 200)}`)
    for (const { value, version } of answer.values ?? [answer]) this.#isTrue(asked, text, value, version)
    this.#isFresh(asked, answer)
  }

  /** The stamp that must be there by now, when nothing keeps it from being applied. */
  #mustSee(publication: Publication, host: string): string | undefined {
    const { ledger, keepers } = this.#surroundings
    const { messageId, expiresAt } = publication
    const [copy] = ledger.facts(host).copies.get(messageId) ?? []
    const stamp = copy && stampOf(copy)
    if (stamp === undefined || !keepers.has(host) || !isFor(publication, ledger.places.get(host) as Place))
      return undefined
    return expiresAt === undefined && this.#isInTime(stamp, host) ? stamp : undefined
  }

  #isInTime(stamp: string, host: string): boolean {
    return millisecondsOf(stamp) - this.#surroundings.clocks.now(host) <= MAX_CLOCK_AHEAD_MS
  }

  /** Who has the acknowledgement of a write reads it, or something newer. */
  #isFresh({ host, publication, consistency, stamp }: Asked, answer: Answer): void {
    const { world } = this.#surroundings
    // One that has not answered itself may have let an older answer of another one pass.
    if (stamp === undefined || (consistency !== 'local' && !answer.complete) || !this.#isInTime(stamp, host)) return
    const versions = (answer.values ?? [answer]).map(({ version = '' }) => version)
    if (versions.some((version) => version >= stamp)) return
    const { messageId, key } = publication
    world.violate('who has the acknowledgement of a write reads it', `${messageId} of ${key} at ${host}: ${versions}`)
  }

  /** What is answered was written, to the byte. */
  #isTrue({ type, publication }: Asked, text: string, value: unknown, version: string | undefined): void {
    if (version === undefined) return
    const { world, model } = this.#surroundings
    const written = model.written(version)
    const isSame = type === 'GW' || value === null || text.includes(`"value":${written?.value},"version":"${version}"`)
    const isTheirs = value === null || ASKED_BY[written?.type ?? 'DEL'] === type
    if (written?.key !== publication.key || !isSame || !isTheirs) {
      world.violate('what is answered was written', `${publication.key}: ${text.slice(0, 200)}`)
    }
  }
}
