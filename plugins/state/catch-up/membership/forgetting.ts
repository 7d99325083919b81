import { type Kernel, problemOf, type Timer } from '../../../../core/index.ts'
import type { Membership } from './membership.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
/** Nothing is promised, and nobody given up, before so much time has passed since the start: those who are there have a chance to say so. */
const FIRST_AFTER_MS = 60 * 60 * 1_000
const EVERY_MS = 10 * 60 * 1_000
/** How soon it is tried again to read what was promised, while the state is away. */
const OPEN_AGAIN_MS = 10_000
/** Keys that are forgotten at once, and the pause before the next ones: all else goes on between. */
const CHUNK = 500
const PAUSE_MS = 50

export interface ForgettingOptions {
  readonly keepDays: number
  readonly awayDays: number
}

/** What of the deleted is still remembered, and why. */
export interface TombstoneFigures {
  /** Keys of which something deleted was forgotten since the start. */
  readonly purged: number
  /** What was deleted before that may be forgotten, in milliseconds since the epoch; undefined: nothing may. */
  readonly floor: number | undefined
  /** Instances that are known to hold the state, this one among them. */
  readonly members: number
  /** Whoever has the least of all of them: nothing is forgotten that it may not have. */
  readonly waitingFor: string | undefined
}

/** Promises, from time to time, and forgets what everybody has. */
export class Forgetting {
  readonly #kernel: Kernel
  readonly #membership: Membership
  readonly #keepMs: number
  readonly #awayMs: number
  #purged = 0
  #timer: Timer | undefined
  #closed = false

  constructor(kernel: Kernel, membership: Membership, { keepDays, awayDays }: ForgettingOptions) {
    this.#kernel = kernel
    this.#membership = membership
    this.#keepMs = keepDays * DAY_MS
    this.#awayMs = awayDays * DAY_MS
  }

  get figures(): TombstoneFigures {
    const { isOpen } = this.#membership
    const { floor = 0, members = [], last } = isOpen ? this.#membership.registry : {}
    return { purged: this.#purged, floor: floor || undefined, members: members.length, waitingFor: last }
  }

  /** What was promised before holds from the first message on. */
  async open(): Promise<void> {
    try {
      await this.#membership.open()
    } catch (error) {
      this.#kernel.log.error('what was promised cannot be read', { reason: problemOf(error), error })
      this.#within(OPEN_AGAIN_MS, () => this.open())
    }
  }

  start(): void {
    this.#within(FIRST_AFTER_MS, () => this.#run())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #run(): Promise<void> {
    try {
      await this.#look()
    } catch (error) {
      this.#kernel.log.error('nothing deleted can be forgotten', { reason: problemOf(error), error })
    }
    this.#within(EVERY_MS, () => this.#run())
  }

  async #look(): Promise<void> {
    await this.#membership.open()
    const { registry } = this.#membership
    const now = this.#kernel.runtime.now()
    for (const id of registry.giveUp(now - this.#awayMs)) {
      this.#kernel.log.error('an instance that holds the state is away for too long; it is not waited for', {
        peer: id,
      })
    }
    const remembers = await this.#remembersAnything()
    // What waits to be applied must not be too late then.
    if ((remembers || registry.isBehind) && (await this.#kernel.selfApplied())) {
      await this.#membership.promise(now - this.#keepMs)
    }
    if (remembers && !this.#expectsSomebody(now)) registry.raiseFloor()
    await this.#membership.save()
    if (remembers && registry.floor > 0) await this.#purge()
  }

  async #purge(): Promise<void> {
    const { stateUpkeep, runtime, log } = this.#kernel
    let count = 0
    for (let purged = CHUNK; purged === CHUNK && !this.#closed; ) {
      purged = await stateUpkeep.purgeTombstones(this.#membership.floor, CHUNK)
      count += purged
      this.#purged += purged
      if (purged === CHUNK) await new Promise<void>((resolve) => runtime.after(PAUSE_MS, resolve))
    }
    if (count > 0) log.debug('forgot what was deleted', { count })
  }

  /** Whether there is a peer that may hold the state, and has not been met since this instance has a registry. */
  #expectsSomebody(now: number): boolean {
    const { registry } = this.#membership
    return this.#kernel.recipients().some(({ role, name, connected, lastSeenAt = now }) => {
      return role === 'instance' && !connected && !registry.knows(name) && lastSeenAt > now - this.#awayMs
    })
  }

  /** Where nothing was deleted, nothing is ever too late. */
  async #remembersAnything(): Promise<boolean> {
    const { state } = this.#kernel
    if (!state) return false
    if (state.statistics().tombstones > 0) return true
    for await (const _ of state.remembered()) return true
    return false
  }

  #within(milliseconds: number, task: () => Promise<void>): void {
    if (this.#closed) return
    this.#timer = this.#kernel.runtime.after(milliseconds, () => void task())
  }
}
