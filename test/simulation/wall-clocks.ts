import type { Place } from './publication.ts'
import { Random } from './random.ts'
import { EPOCH_MS } from './runtime.ts'
import type { World } from './world.ts'

/** Wall clocks are off by so much at most: of two of them, neither is ahead of the other by more than the bound. */
const MAX_SKEW_MS = 25_000
/** One that is astray is off by more than the bound from every other. */
const LEAST_ASTRAY_MS = 120_000
const ASTRAY_CHANCE = 0.25
/** Draws this fault apart from all others, so that seeds from before there was it still lead to the same events. */
const OWN_SEEDS = 0x5eed

/** What the wall clocks of the machines show: each is a little off in some runs, and one of them is astray in some. */
export class WallClocks {
  readonly #world: World
  readonly #offsets: Map<string, number>
  /** The latest that each has shown. */
  readonly #latest = new Map<string, number>()
  /** The instance whose clock is astray until it is set right. */
  readonly astray: string | undefined
  readonly #mostAstrayMs: number

  /** @param mostAstrayMs by how much the clock that is astray may be off, in milliseconds */
  constructor(
    world: World,
    seed: number,
    places: readonly Place[],
    { skew, mostAstrayMs }: { readonly skew: boolean; readonly mostAstrayMs: number },
  ) {
    const offset = () => (skew ? world.random.between(-MAX_SKEW_MS, MAX_SKEW_MS) : 0)
    this.#world = world
    this.#mostAstrayMs = mostAstrayMs
    this.#offsets = new Map(places.map(({ name }) => [name, offset()]))
    const random = new Random(seed + OWN_SEEDS)
    if (!random.chance(ASTRAY_CHANCE)) return
    this.astray = random.pick(places.filter(({ role }) => role === 'instance')).name
    const by = random.between(LEAST_ASTRAY_MS, mostAstrayMs)
    this.#offsets.set(this.astray, random.chance(0.5) ? by : -by)
  }

  now(host: string): number {
    const now = Math.floor(EPOCH_MS + this.#world.now + (this.#offsets.get(host) as number))
    this.#latest.set(host, Math.max(this.#latest.get(host) ?? 0, now))
    return now
  }

  /** The latest that it has shown, though it may have been set back since. */
  latest(host: string): number {
    return Math.max(this.now(host), this.#latest.get(host) ?? 0)
  }

  /** Somebody sets the clock right that was astray. How long it takes at most until its own stamps are in time again. */
  setRight(): number {
    if (this.astray === undefined) return 0
    this.#world.note(`the clock of ${this.astray} is set right`)
    this.#offsets.set(this.astray, 0)
    return this.#mostAstrayMs
  }
}
