import type { Kernel } from '../../../../core/index.ts'
import type { SyncFrame } from '../frames.ts'
import { type Claim, readClaim, writeClaim } from './claim.ts'
import { Registry } from './registry.ts'
import type { Standing, Word } from './standing.ts'

/** The registry, kept with the state: what is told has been written down before. */
export class Membership {
  readonly #kernel: Kernel
  #registry: Registry | undefined
  /** What those have said last with whom it is compared; of those who are gone, until somebody of their name is back. */
  readonly #words = new Map<string, Word>()
  #saving: Promise<void> = Promise.resolve()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Calls to mind what was promised. Rejects as long as the state is away: until then, nobody is told anything. */
  async open(): Promise<void> {
    if (this.#registry) return
    const { stateUpkeep, instanceId } = this.#kernel
    const registry = new Registry(instanceId, await stateUpkeep.note(noteOf(instanceId)))
    await stateUpkeep.promise(stampAt(registry.promised))
    this.#registry = registry
  }

  get isOpen(): boolean {
    return this.#registry !== undefined
  }

  get registry(): Registry {
    if (!this.#registry) throw new Error('what was promised is not known, for the state is away')
    return this.#registry
  }

  /** What was deleted before this version is forgotten, or may be at any time. */
  get floor(): string {
    return stampAt(this.#registry?.floor ?? 0)
  }

  /** What is said to another instance in front of a session. */
  introduction(peer: string): { readonly ours: Claim; readonly said: Pick<SyncFrame, 'claim' | 'away'> } {
    const ours = this.claim()
    return { ours, said: { claim: writeClaim(ours), ...(this.registry.isAway(peer) && { away: true }) } }
  }

  claim(): Claim {
    return this.registry.claim(this.#kernel.runtime.now())
  }

  /**
   * Takes note of what another instance says; returns that. Throws when it speaks of a time that is still to come, for whoever
   * believed it would take no write any more.
   */
  hear(peer: string, said: Pick<SyncFrame, 'claim' | 'away' | 'below'>): Claim | undefined {
    const { away = false, below = 0 } = said
    const claim = said.claim && readClaim(said.claim)
    if (Math.max(below, claim?.floor ?? 0) > this.#kernel.runtime.now())
      throw new Error('it promises what is still to come')
    if (claim) this.#words.set(peer, { claim, away })
    else this.#words.delete(peer)
    this.registry.hear(peer, claim, this.#kernel.runtime.now())
    return claim
  }

  /**
   * What this instance must have promised in front of a session with one that says this: not to bring back what is forgotten
   * there, and what it has promised before, though the state here may have been lost since.
   */
  due(peer: string, claim: Claim | undefined): number {
    return Math.max(claim?.floor ?? 0, claim?.rows.get(peer)?.has.get(this.#kernel.instanceId) ?? 0)
  }

  /** What another one has to drop, as seen from here, by what it said last. */
  standingOf(peer: string): Standing {
    return this.registry.standingOf(peer, this.#words.get(peer))
  }

  /** From now on, nothing older than that time is applied that comes as a message. */
  async promise(time: number): Promise<void> {
    if (time <= this.registry.promised) return
    await this.#kernel.stateUpkeep.promise(stampAt(time))
    this.registry.promise(time)
    await this.save()
  }

  /** Both have what the other one had when it said this. Resolves to whether that could be noted. */
  async completed(peer: string, ours: Claim, theirs: Claim, floor: number): Promise<boolean> {
    const isNoted = this.registry.completed(peer, ours, theirs, floor, this.#kernel.runtime.now())
    if (isNoted) await this.save()
    return isNoted
  }

  /** One after the other; only then may it be told. */
  save(): Promise<void> {
    const { stateUpkeep, instanceId } = this.#kernel
    const saved = this.#saving.then(async () => {
      const { text, kept } = this.registry.save()
      await stateUpkeep.keepNote(noteOf(instanceId), text)
      kept()
    })
    this.#saving = saved.catch(() => {})
    return saved
  }
}

/** A version that stands in front of all that were stamped at that time, in milliseconds since the epoch. */
export function stampAt(time: number): string {
  return time === 0 ? '' : String(time).padStart(13, '0')
}

/** Several instances may keep their state in one place. */
function noteOf(instanceId: string): string {
  return `members:${instanceId}`
}
