import type { Asking, Content } from './asking.ts'
import type { SyncFrame } from './frames.ts'
import type { Holdings } from './holdings.ts'
import type { Claim } from './membership/claim.ts'
import type { Membership } from './membership/membership.ts'
import { MEMBER, type Standing } from './membership/standing.ts'
import type { Snapshot } from './snapshot.ts'

/** How often a session begins anew because the other side has promised more meanwhile. */
const MAX_BEGINNINGS = 4

/** How a session went, as far as it matters for what may be forgotten. */
export interface Course {
  /** Whether everything that differed was exchanged. */
  readonly isWhole: boolean
}

/** The first and the last question of a session: who the two are to each other, and what each knows when it is over. */
export class Visit {
  readonly #asking: Asking
  readonly #holdings: Holdings
  readonly #membership: Membership
  #ours: Claim | undefined
  #theirs: Claim | undefined
  #standing: Standing = MEMBER

  constructor(asking: Asking, holdings: Holdings, membership: Membership) {
    this.#asking = asking
    this.#holdings = holdings
    this.#membership = membership
  }

  /** What this instance has to drop, as seen from the other one. */
  get standing(): Standing {
    return this.#standing
  }

  /** What the other one has to drop, as seen from here. Whoever returns believes the others. */
  get theirStanding(): Standing {
    return this.#standing.kind === 'returning' ? MEMBER : this.#membership.standingOf(this.#peer)
  }

  /** Whether the other one has to drop something, and this one has not: then it is to ask, and has nothing to offer before. */
  get isTheirTurn(): boolean {
    return this.theirStanding.bound > 0 && this.#standing.bound === 0
  }

  /** Whoever is told that it has to drop what is older promises to take nothing like it any more, and begins anew. */
  async begin(about: Content): Promise<{ readonly ours: Snapshot; readonly answer: SyncFrame }> {
    for (let times = 0; times < MAX_BEGINNINGS; times++) {
      const { ours, said } = this.#membership.introduction(this.#peer)
      const snapshot = await this.#holdings.snapshot()
      const answer = await this.#asking.ask('begin', { ...about, root: snapshot.root, ...said })
      this.#ours = ours
      this.#theirs = this.#membership.hear(this.#peer, answer)
      const { below = 0, drop = 'remembered' } = answer
      const promised = Math.max(below, this.#membership.due(this.#peer, this.#theirs))
      if (below <= this.#standing.bound && promised <= this.#membership.registry.promised) {
        return { ours: snapshot, answer }
      }
      if (below > 0) this.#standing = { kind: drop === 'all' ? 'returning' : 'newcomer', bound: below }
      await this.#membership.promise(promised)
    }
    throw new Error('what the other side has promised changes all the time')
  }

  async end({ isWhole }: Course): Promise<void> {
    const { bound } = this.#standing
    const isComplete = isWhole && this.theirStanding.bound === 0
    const floor = this.#membership.registry.floor
    const turn = this.theirStanding.bound > 0
    const answer = await this.#asking.ask('end', { floor, below: bound, complete: isComplete, turn })
    if (!isComplete || !this.#ours || !this.#theirs) return
    await this.#membership.completed(this.#peer, this.#ours, this.#theirs, answer.floor ?? this.#theirs.floor)
  }

  get #peer(): string {
    return this.#asking.link.peer as string
  }
}
