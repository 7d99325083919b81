import type { Client } from './client.ts'
import type { Plan } from './plan.ts'
import { APPLIED_TYPE, type Publication } from './publication.ts'
import type { Random } from './random.ts'
import { EPOCH_MS } from './runtime.ts'
import type { StatePlan } from './state-plan.ts'
import type { WallClocks } from './wall-clocks.ts'
import type { World } from './world.ts'

/** One seed in so many has messages of all priorities. Not drawn, so that the other seeds stay what they were. */
const SEEDS_A_PRIORITY = 5
/** Two publishers' versions are off by so much at most, when they are not far off. */
const NEAR_MS = 30_000

export interface PublishingSurroundings {
  readonly world: World
  readonly seed: number
  readonly plan: Plan
  readonly clocks: WallClocks
  readonly clients: readonly Client[]
  /** For how long something is published, in milliseconds. */
  readonly withinMs: number
}

/** What a publication says, and how it finds whom it is for. */
interface Draft extends Pick<Publication, 'type' | 'key' | 'value' | 'version' | 'targetedTags'> {
  readonly addressed: string
}

/** Draws what applications publish, and when. */
export class Publishing {
  readonly #surroundings: PublishingSurroundings
  readonly #random: Random
  readonly #instances: readonly string[]

  constructor(surroundings: PublishingSurroundings) {
    this.#surroundings = surroundings
    this.#random = surroundings.world.random
    this.#instances = surroundings.plan.places.filter(({ role }) => role === 'instance').map(({ name }) => name)
  }

  schedule(): void {
    const { world, clients, plan, withinMs } = this.#surroundings
    if (clients.length === 0) return
    for (let number = 1; number <= plan.messages; number++) {
      const client = this.#random.pick(clients)
      const publication = this.#publication(number, client)
      world.after(this.#random.between(0, withinMs), `${client.plan.host} has something`, () =>
        client.publish(publication),
      )
      if (plan.state?.twins) this.#twin(publication, client)
    }
  }

  /** An application that is connected to two instances publishes at both of them: each gives it a stamp. */
  #twin(publication: Publication, client: Client): void {
    const { world, clients, withinMs } = this.#surroundings
    const others = clients.filter(({ plan }) => plan !== client.plan && !plan.named)
    const { targetInstanceId, targetedTags, notBefore } = publication
    const isForAll = targetInstanceId === undefined && targetedTags.length === 0
    if (client.plan.named || others.length === 0 || !isForAll || notBefore !== undefined || this.#random.chance(0.6))
      return
    const other = this.#random.pick(others)
    world.after(this.#random.between(0, withinMs), `${other.plan.host} has it as well`, () =>
      other.publish(publication),
    )
  }

  #publication(number: number, client: Client): Publication {
    const { seed, plan } = this.#surroundings
    const { state, faults } = plan
    const { addressed, ...draft } = state ? this.#write(number, state) : this.#message(number)
    const publication = {
      messageId: `m-${number}`,
      publisher: client.plan.host,
      ...draft,
      priority: seed % SEEDS_A_PRIORITY === 1 ? (number * 7) % 10 : undefined,
      expiresAt: faults.expiry && this.#random.chance(0.3) ? this.#expiry() : undefined,
      targetInstanceId: addressed === 'target' ? this.#random.pick(this.#instances) : undefined,
    }
    return { ...publication, notBefore: publication.expiresAt === undefined ? this.#delay(client) : undefined }
  }

  #message(number: number): Draft {
    const type = this.#random.pick(['SK', 'SA', APPLIED_TYPE] as const)
    const addressed = this.#surroundings.plan.acquainted ? this.#random.pick(['all', 'all', 'tags', 'target']) : 'all'
    return {
      type,
      key: `key-${this.#random.integer(1, 4)}`,
      value: type === 'SA' ? `[${numeral(number)}]` : numeral(number),
      version: undefined,
      targetedTags: this.#tagsIf(addressed),
      addressed,
    }
  }

  /** Few keys, so that much is written of each; what is for some only has keys of its own, and not these alone. */
  #write(number: number, state: StatePlan): Draft {
    const type = this.#random.pick(['SK', 'SK', 'SA', 'SW', 'SW', 'SW', 'DEL', 'DEL', APPLIED_TYPE] as const)
    const someOnly = this.#surroundings.plan.acquainted && !state.wipes && !state.forgets
    const kinds = someOnly ? ['all', 'all', 'all', 'tags', 'target'] : ['all']
    const addressed = this.#random.pick(kinds)
    const isHot = addressed === 'all' && this.#random.chance(0.8)
    return {
      type,
      key: isHot ? `hot-${this.#random.integer(1, 3)}` : `some-${this.#random.integer(1, 2)}`,
      value: this.#valueOf(type, number),
      version: state.versions && this.#random.chance(0.3) ? this.#version(number, state) : undefined,
      targetedTags: this.#tagsIf(addressed),
      addressed,
    }
  }

  #tagsIf(addressed: string): readonly string[] {
    return addressed === 'tags' ? [this.#random.pick(['aws', 'gcp', 'eu', 'us', 'app'])] : []
  }

  #valueOf(type: Publication['type'], number: number): string | undefined {
    if (type === 'DEL') return undefined
    if (type === 'SA') return `[${numeral(number)}]`
    if (type !== 'SW') return numeral(number)
    const members = ['a', 'b', 'c'].filter(() => this.#random.chance(0.6))
    return `[${(members.length > 0 ? members : ['a']).map((member) => this.#member(member, number)).join()}]`
  }

  #member(member: string, number: number): string {
    return `{"member":"${member}","weight":${this.#random.chance(0.3) ? 'null' : numeral(number)}}`
  }

  /** By a clock of the publisher's own, which is about right or far off. */
  #version(number: number, { farMs }: StatePlan): string {
    const { world, withinMs } = this.#surroundings
    const off = this.#random.chance(0.7) ? this.#random.between(-NEAR_MS, NEAR_MS) : this.#random.between(-farMs, farMs)
    const milliseconds = Math.floor(EPOCH_MS + world.now + this.#random.between(0, withinMs) + off)
    return `${milliseconds}-00000-publisher-${number}`
  }

  #expiry(): number {
    const { world, withinMs } = this.#surroundings
    return Math.floor(EPOCH_MS + world.now + this.#random.between(0, 2 * withinMs))
  }

  /** Of an application that may publish at several instances nobody can say by which clock. */
  #delay({ plan: { homes } }: Client): number | undefined {
    const { plan, clocks, withinMs } = this.#surroundings
    const [home, ...others] = homes
    if (!plan.faults.delays || home === undefined || others.length > 0 || this.#random.chance(0.6)) return undefined
    return Math.floor(clocks.now(home) + this.#random.between(0, 2 * withinMs))
  }
}

/** A number that no double holds: it must come out as it went in. */
function numeral(number: number): string {
  return `90071992547409${String(number).padStart(2, '0')}93.10`
}
