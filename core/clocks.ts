import type { HealthCheck, HealthReport } from './health.ts'
import { type HybridClock, MAX_CLOCK_AHEAD_MS, millisecondsOf } from './hybrid-clock.ts'
import type { Link } from './links.ts'
import type { Message } from './message.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Runtime } from './runtime/runtime.ts'

/** A judgement holds for so long, in milliseconds, unless the wall clock was set. */
const JUDGED_FOR_MS = 1_000
/** Peers that are named in a report. */
const MAX_NAMED = 3

export interface ClocksContext {
  readonly runtime: Runtime
  readonly clock: HybridClock
  readonly links: () => readonly Link[]
}

/** A linked instance, and how far its clock is ahead of this one's, in milliseconds. */
interface Skew {
  readonly link: Link
  readonly ms: number
}

interface Judgement {
  readonly isOff: boolean
  readonly within: readonly Link[]
  readonly beyond: readonly Skew[]
  readonly at: number
  readonly lead: number
}

/**
 * Compares this instance's clock with those of the instances that it is linked with. One that is beyond the bound from most
 * of them refuses what is published: its stamps would order writes wrongly, or be held by all others (§6 of the protocol).
 *
 * Of two clocks alone, nobody knows which one is off, and one that fails must not take the other down: a single peer counts
 * only if it agrees with a third clock, which it says in its `HELLO`.
 */
export class Clocks {
  readonly #context: ClocksContext
  #judgement: Judgement | undefined

  constructor(context: ClocksContext) {
    this.#context = context
  }

  /** For readiness. */
  get check(): HealthCheck {
    return { name: 'clock', probe: 'ready', check: () => this.#report() }
  }

  /** Whether this instance's clock is beyond the bound from most of the others. */
  get isOff(): boolean {
    return this.#judge().isOff
  }

  /** How many linked instances are within the bound, not counting the one at the other end of that link. */
  agreeingBeside(link: Link): number {
    return this.#judge().within.filter((other) => other !== link).length
  }

  /** The other end of a link has said what time it is there, and with how many others it agrees about that. */
  told({ clock }: Link, time: number, agrees: number): void {
    clock.told(time, agrees, this.#context.runtime.monotonic())
    this.#judgement = undefined
  }

  /**
   * A message came over a link. Where the other end does not tell its time, what it stamped itself shows that it is at least
   * that late there. How long the message was on its way is unknown: an old stamp shows nothing.
   */
  passed({ version, originInstanceId }: Message, { peer, clock }: Link): void {
    if (version === undefined || clock.tells || originInstanceId !== peer || !version.endsWith(`-${peer}`)) return
    const { runtime } = this.#context
    const time = millisecondsOf(version)
    if (time - runtime.now() >= -MAX_CLOCK_AHEAD_MS) clock.heard(time, runtime.monotonic())
  }

  /** Throws `CLOCK_SKEW` while nothing may be published here. */
  assertAgree(): void {
    const { isOff, beyond } = this.#judge()
    if (!isOff) return
    throw new ProtocolFault(
      'CLOCK_SKEW',
      `the clock of this instance is off from most of its peers: ${described(beyond)}; correct it (NTP), or publish elsewhere`,
    )
  }

  #report(): HealthReport {
    const { isOff, beyond } = this.#judge()
    if (beyond.length === 0) return { ok: true }
    if (!isOff) return { ok: true, detail: `clocks differ: ${described(beyond)}` }
    const remedy = 'nothing can be published here until it is corrected (NTP)'
    return { ok: false, detail: `this clock is off from most peers: ${described(beyond)}; ${remedy}` }
  }

  /** Asked for each message that is published: the answer is kept for a moment. */
  #judge(): Judgement {
    const { runtime } = this.#context
    const at = runtime.monotonic()
    const lead = runtime.now() - at
    const kept = this.#judgement
    if (kept && at - kept.at < JUDGED_FOR_MS && Math.abs(lead - kept.lead) < JUDGED_FOR_MS) return kept
    this.#judgement = { ...this.#compare(), at, lead }
    return this.#judgement
  }

  #compare(): Pick<Judgement, 'isOff' | 'within' | 'beyond'> {
    const skews = this.#skews()
    const beyond = skews.filter(({ ms }) => this.#isBeyond(ms))
    const within = skews.filter((skew) => !beyond.includes(skew)).map(({ link }) => link)
    const isMore = skews.length > 1 || skews.some(({ link }) => link.clock.agrees > 0)
    return { isOff: isMore && beyond.length > within.length, beyond, within }
  }

  #skews(): readonly Skew[] {
    const { runtime, links } = this.#context
    const skews: Skew[] = []
    for (const link of links()) {
      const ms = link.clock.aheadOf(runtime.now(), runtime.monotonic())
      if (link.role === 'instance' && ms !== undefined) skews.push({ link, ms })
    }
    return skews
  }

  /** Stamps go on from the latest time that the wall clock ever showed: that counts as well, once it was set back. */
  #isBeyond(ms: number): boolean {
    const { runtime, clock } = this.#context
    return ms > MAX_CLOCK_AHEAD_MS || clock.localTime() - (runtime.now() + ms) > MAX_CLOCK_AHEAD_MS
  }
}

function described(skews: readonly Skew[]): string {
  const named = skews.slice(0, MAX_NAMED).map(({ link, ms }) => {
    return `${link.peer ?? link.id} is ${Math.round(Math.abs(ms) / 1000)} s ${ms < 0 ? 'behind' : 'ahead'}`
  })
  return skews.length > MAX_NAMED ? `${named.join(', ')} and ${skews.length - MAX_NAMED} more` : named.join(', ')
}
