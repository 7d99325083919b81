/** What one region's application has done and seen. */
export interface Counts {
  readonly published: number
  readonly acknowledged: number
  readonly received: number
  /** Acknowledged by some instance, for this region, and not received here yet. */
  readonly waiting: number
}

export interface Verdict {
  /** Acknowledged messages, times the regions each is for. */
  readonly due: number
  /** Of these, never received. */
  readonly missing: number
  /** Received again on the connection on which they had been received before. */
  readonly twice: number
  /** Received again after a crash that may have lost their acknowledgement, and known by their id. */
  readonly recognised: number
  /** Received by a region that they were not for. */
  readonly astray: number
  /** Published, and not acknowledged by the end. */
  readonly unanswered: number
}

interface Entry {
  readonly origin: string
  readonly targets: ReadonlySet<string>
  readonly publishedAt: number
  /** Region and the connection on which it was received. */
  readonly arrivals: Map<string, number>
  acknowledged: boolean
  delayed: boolean
}

/** Who published what, who was to have it, and who has it: the demo's own books, kept beside the bus. */
export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #counts: ReadonlyMap<string, { -readonly [Name in keyof Counts]: number }>
  #twice = 0
  #recognised = 0
  #astray = 0

  constructor(regions: readonly string[]) {
    this.#counts = new Map(regions.map((name) => [name, { published: 0, acknowledged: 0, received: 0, waiting: 0 }]))
  }

  counts(region: string): Counts {
    return this.#of(region)
  }

  published(id: string, origin: string, targets: readonly string[], now: number): void {
    const entry = {
      origin,
      targets: new Set(targets),
      publishedAt: now,
      arrivals: new Map(),
      acknowledged: false,
      delayed: false,
    }
    this.#entries.set(id, entry)
    this.#of(origin).published++
  }

  /** It had to be sent again: how long it took says nothing of the bus. */
  repeated(id: string): void {
    this.#entry(id).delayed = true
  }

  acknowledged(id: string): void {
    const entry = this.#entry(id)
    entry.acknowledged = true
    this.#of(entry.origin).acknowledged++
    for (const target of entry.targets) if (!entry.arrivals.has(target)) this.#of(target).waiting++
  }

  /** Returns how long it was on its way, in milliseconds; undefined when that is not worth knowing. */
  received(id: string, region: string, connection: number, now: number): number | undefined {
    const entry = this.#entries.get(id)
    if (!entry?.targets.has(region)) {
      this.#astray++
      return undefined
    }
    const before = entry.arrivals.get(region)
    if (before !== undefined) {
      if (before === connection) this.#twice++
      else this.#recognised++
      return undefined
    }
    entry.arrivals.set(region, connection)
    this.#of(region).received++
    if (entry.acknowledged) this.#of(region).waiting--
    return entry.delayed ? undefined : now - entry.publishedAt
  }

  /** Whether all that was published is acknowledged and has arrived. */
  get settled(): boolean {
    const { missing, unanswered } = this.verdict()
    return missing === 0 && unanswered === 0
  }

  verdict(): Verdict {
    let due = 0
    let missing = 0
    let unanswered = 0
    for (const { acknowledged, targets, arrivals } of this.#entries.values()) {
      if (!acknowledged) unanswered++
      else {
        due += targets.size
        missing += targets.size - arrivals.size
      }
    }
    return { due, missing, twice: this.#twice, recognised: this.#recognised, astray: this.#astray, unanswered }
  }

  #entry(id: string): Entry {
    return this.#entries.get(id) as Entry
  }

  #of(region: string) {
    return this.#counts.get(region) as { -readonly [Name in keyof Counts]: number }
  }
}
