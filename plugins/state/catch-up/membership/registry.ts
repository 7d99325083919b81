import { type Claim, completeUpTo, MAX_MEMBERS, type Row, readClaim, type WrittenClaim, writeClaim } from './claim.ts'
import { type Admission, mayGiveUp } from './quorum.ts'
import { MEMBER, type Standing, type Word } from './standing.ts'

/** Members that were given up, of which it is remembered that they were. The oldest is forgotten first. */
const MAX_GIVEN_UP = 1_024

/** What is kept across restarts. */
interface Saved {
  readonly claim: WrittenClaim
  readonly seen: readonly (readonly [id: string, at: number])[]
  readonly mute: readonly (readonly [id: string, at: number])[]
  readonly met: readonly (readonly [id: string, promise: number, complete: number])[]
  readonly since: readonly (readonly [id: string, floor: number, at: number, anew: boolean, unheard: boolean])[]
}

interface Met {
  readonly promise: number
  readonly complete: number
}

/** Who holds the state, and what each of them has: what may be forgotten, and who must not bring it back. */
export class Registry {
  readonly #self: string
  readonly #rows = new Map<string, Row>()
  /** When something new was heard of each, by the clock here. */
  readonly #seen = new Map<string, number>()
  /** Those who compare and give no word, and when they were met last. */
  readonly #mute = new Map<string, number>()
  /** When those who were given up had spoken last, by their own clocks. */
  readonly #givenUp = new Map<string, number>()
  /** What this instance had promised, and up to when it was complete, when each had all that it had. */
  readonly #met = new Map<string, Met>()
  /** Those who have dropped what they had to, and the bound of that; until they are members. */
  readonly #cleared = new Map<string, number>()
  readonly #since = new Map<string, Admission>()
  #floor = 0
  /** What may be told: it is kept. */
  #said: Row
  /** Whether there is somebody too many. */
  #isCrowded = false

  constructor(self: string, saved?: string) {
    this.#self = self
    this.#rows.set(self, { at: 0, has: new Map([[self, 0]]), waits: false })
    if (saved !== undefined) this.#restore(JSON.parse(saved) as Saved)
    this.#said = this.#own
  }

  /** What was deleted before that may be forgotten here. */
  get floor(): number {
    return this.#floor
  }

  /** What is older than this is not applied any more when it comes as a message. */
  get promised(): number {
    return this.#own.has.get(this.#self) ?? 0
  }

  /** Everybody who holds the state, this instance among them. */
  get members(): readonly string[] {
    return [...this.#rows.keys(), ...this.#mute.keys()]
  }

  /** Whether somebody has promised more than this instance. */
  get isBehind(): boolean {
    return [...this.#rows].some(([id, { has }]) => (has.get(id) ?? 0) > this.promised)
  }

  /** Up to when everybody has everything. 0 as long as somebody does not say. */
  get stable(): number {
    return this.#leastOf()?.time ?? 0
  }

  /** Who has the least, or does not say what it has. */
  get last(): string | undefined {
    return this.#mute.keys().next().value ?? this.#leastOf()?.id
  }

  /** What this instance may say now. */
  claim(now: number): Claim {
    this.#said = { ...this.#said, at: Math.max(now, this.#said.at + 1) }
    const rows = new Map([...this.#rows, [this.#self, { ...this.#said, waits: this.#waits }]])
    return { floor: this.#floor, rows, gone: new Map(this.#givenUp) }
  }

  /** Takes note of what another instance says, of itself and of members that are known; undefined: it says nothing. */
  hear(peer: string, claim: Claim | undefined, now: number): void {
    if (!claim?.rows.has(peer)) {
      this.#mute.set(peer, now)
      return
    }
    this.#mute.delete(peer)
    for (const [id, row] of claim.rows) {
      const known = id === this.#self ? undefined : this.#rows.get(id)
      if (known && (id === peer || row.at > known.at)) this.#hearOf(id, known, row, now)
    }
  }

  /** Whether it is a member, or was one. */
  knows(id: string): boolean {
    return this.#rows.has(id) || this.#mute.has(id) || this.#givenUp.has(id)
  }

  /** Whether it was given up here, and is not a member again yet. */
  isAway(peer: string): boolean {
    return this.#givenUp.has(peer)
  }

  /** What an instance that says this has to drop first, as seen from here; undefined: it says nothing. */
  standingOf(peer: string, word: Word | undefined): Standing {
    const bound = this.promised
    const row = word?.claim.rows.get(peer)
    if (!word || !row) return this.#floor > 0 ? { kind: 'returning', bound } : MEMBER
    const cleared = this.#cleared.get(peer)
    if (cleared !== undefined && (row.has.get(peer) ?? 0) >= cleared) return MEMBER
    if (!this.#isAcquainted(peer, word.claim)) return { kind: 'newcomer', bound }
    if (word.claim.floor > this.#floor) return MEMBER
    if (this.#isReturning(peer, row, word)) return { kind: 'returning', bound }
    const hasLost = (row.has.get(peer) ?? 0) < (this.#own.has.get(peer) ?? 0)
    return this.#rows.has(peer) && !hasLost ? MEMBER : { kind: 'newcomer', bound }
  }

  /** Another instance has dropped what it had to. */
  clear(peer: string, bound: number): void {
    this.#cleared.set(peer, bound)
  }

  /**
   * Both have now what the other one had when it said this: `ours` was said here. False when the other one has forgotten
   * something since that this instance may not have had.
   */
  completed(peer: string, ours: Claim, theirs: Claim, floor: number, now: number): boolean {
    const row = theirs.rows.get(peer)
    if (!row || (floor > theirs.floor && floor > this.#floor)) return false
    this.#givenUp.delete(peer)
    this.#cleared.delete(peer)
    this.#learn(theirs, row, now)
    // What others had of this instance before is not all of what is forgotten now.
    if (theirs.floor > this.#floor) this.#met.clear()
    this.#floor = Math.max(this.#floor, theirs.floor)
    const said = ours.rows.get(this.#self)
    if (said) this.#met.set(peer, { promise: said.has.get(this.#self) ?? 0, complete: completeUpTo(said) })
    return true
  }

  /** Nothing older is applied from now on. */
  promise(time: number): void {
    const has = new Map(this.#own.has).set(this.#self, Math.max(time, this.promised))
    this.#rows.set(this.#self, { ...this.#own, has })
  }

  /** What everybody has may be forgotten. */
  raiseFloor(): void {
    this.#floor = Math.max(this.#floor, this.stable)
  }

  /** Gives up those of whom nothing was heard since that time, as far as that is this side's to do; returns their names. */
  giveUp(before: number): readonly string[] {
    const isSilent = ([, at]: readonly [string, number]) => at < before
    const mute = [...this.#mute].filter(isSilent).map(([id]) => id)
    const silent = new Set([...this.#seen].filter(isSilent).map(([id]) => id))
    const givenUp = [...mute, ...[...silent].filter((id) => this.#mayGiveUp(id, silent))]
    for (const id of givenUp) this.forget(id)
    return givenUp
  }

  /** Whoever it is counts no longer, and has to drop what it must when it comes back. Returns whether it was a member. */
  forget(id: string): boolean {
    const row = this.#rows.get(id)
    if (id === this.#self || !row) return this.#mute.delete(id)
    for (const map of [this.#rows, this.#seen, this.#met, this.#cleared, this.#since]) map.delete(id)
    this.#lose(id, row.at)
    this.#isCrowded = false
    const has = new Map(this.#own.has)
    has.delete(id)
    this.#rows.set(this.#self, { ...this.#own, has })
    return true
  }

  /** What is to be kept, and what is to be called when it is: only then may it be told. */
  save(): { readonly text: string; readonly kept: () => void } {
    const own = this.#own
    const saved: Saved = {
      claim: writeClaim({ floor: this.#floor, rows: this.#rows, gone: this.#givenUp }),
      seen: [...this.#seen],
      mute: [...this.#mute],
      met: [...this.#met].map(([id, { promise, complete }]) => [id, promise, complete]),
      since: [...this.#since].map(([id, { floor, at, isAnew, isUnheard }]) => [id, floor, at, isAnew, isUnheard]),
    }
    return {
      text: JSON.stringify(saved),
      kept: () => {
        this.#said = { ...own, at: this.#said.at }
      },
    }
  }

  get #own(): Row {
    return this.#rows.get(this.#self) as Row
  }

  get #waits(): boolean {
    return this.#mute.size > 0 || this.#isCrowded
  }

  #lose(id: string, at: number): void {
    this.#givenUp.set(id, Math.max(at, this.#givenUp.get(id) ?? 0))
    const [oldest] = this.#givenUp.keys()
    if (this.#givenUp.size > MAX_GIVEN_UP && oldest !== undefined) this.#givenUp.delete(oldest)
  }

  #note(id: string, row: Row, now: number): void {
    this.#rows.set(id, row)
    this.#seen.set(id, now)
  }

  /** Whom the other one knows, whom it has given up, and what it has. */
  #learn({ rows, gone }: Claim, row: Row, now: number): void {
    for (const [id, said] of rows) if (row.has.has(id)) this.#admit(id, said, now)
    for (const [id, at] of gone) if (id !== this.#self && !this.#rows.has(id)) this.#lose(id, at)
    const has = new Map(this.#own.has)
    for (const id of this.#rows.keys()) {
      if (id !== this.#self) has.set(id, Math.max(has.get(id) ?? 0, row.has.get(id) ?? 0))
    }
    this.#rows.set(this.#self, { ...this.#own, has })
  }

  /** A member that another one knows; not one that was given up here, unless it has spoken since. */
  #admit(id: string, row: Row, now: number): void {
    if (id === this.#self || row.at <= (this.#givenUp.get(id) ?? -1)) return
    const known = this.#rows.get(id)
    if (known && known.at >= row.at) return
    if (!known && this.#rows.size >= MAX_MEMBERS) {
      this.#isCrowded = true
      return
    }
    this.#givenUp.delete(id)
    if (!known) this.#since.set(id, { floor: this.#floor, at: now, isAnew: false, isUnheard: true })
    this.#note(id, row, now)
  }

  /** Whom a member has given up is given up here as well: as long as that member knows this one, the two are on one side. */
  #hearOf(id: string, known: Row, row: Row, now: number): void {
    this.#note(id, row, now)
    const { floor = 0, at = 0, isAnew = false } = this.#since.get(id) ?? {}
    const hasLost = !row.has.has(this.#self)
    this.#since.set(id, { floor, at: hasLost ? now : at, isAnew: isAnew || hasLost, isUnheard: false })
    if (hasLost) return
    for (const other of known.has.keys()) if (!row.has.has(other) && other !== id) this.forget(other)
  }

  #mayGiveUp(id: string, absent: ReadonlySet<string>): boolean {
    const members = new Map([...this.#rows.keys()].map((member) => [member, this.#since.get(member)]))
    return mayGiveUp({ id, lastSeen: this.#seen.get(id) ?? 0, members, absent })
  }

  /** Of two, whoever has forgotten more is believed: the other one returns, if it does not have all of that. */
  #isReturning(peer: string, row: Row, { claim, away }: Word): boolean {
    if (!this.isAway(peer) && this.#has(peer, row) >= this.#floor) return false
    return claim.floor < this.#floor || !away || this.#self < peer
  }

  /** Whether it has ever been together with this instance, or with anyone whom this one has met. */
  #isAcquainted(peer: string, { rows }: Claim): boolean {
    const named = [peer, ...rows.keys(), ...[...rows.values()].flatMap(({ has }) => [...has.keys()])]
    return named.some((id) => this.knows(id))
  }

  /** Up to when it has everything that this instance could have forgotten. */
  #has(peer: string, row: Row): number {
    const met = this.#met.get(peer)
    const stillHas = met && (row.has.get(this.#self) ?? 0) >= met.promise
    // Those whom it does not know yet have come since, and brought nothing from before they came.
    const unknown = [...this.#rows.keys()].filter((id) => !row.has.has(id)).map((id) => this.#since.get(id)?.floor ?? 0)
    return Math.max(Math.min(completeUpTo(row), ...unknown), stillHas ? met.complete : 0)
  }

  #leastOf(): { readonly id: string; readonly time: number } | undefined {
    const rows = [...this.#rows]
    if (this.#waits || rows.some(([, { waits }]) => waits)) {
      return { id: rows.find(([, { waits }]) => waits)?.[0] ?? this.#self, time: 0 }
    }
    const columns = new Set(rows.flatMap(([id, { has }]) => [id, ...has.keys()]))
    let least: { readonly id: string; readonly time: number } | undefined
    for (const [id, { has }] of rows) {
      for (const column of columns) {
        const time = has.get(column) ?? 0
        if (!least || time < least.time) least = { id: id === this.#self ? column : id, time }
      }
    }
    return least
  }

  #restore({ claim, seen, mute, met, since }: Saved): void {
    const { floor, rows, gone } = readClaim(claim)
    this.#floor = floor
    for (const [id, row] of rows) this.#rows.set(id, row)
    for (const [id, at] of seen) this.#seen.set(id, at)
    for (const [id, at] of mute) this.#mute.set(id, at)
    for (const [id, at] of gone) this.#givenUp.set(id, at)
    for (const [id, floor, at, isAnew, isUnheard] of since) this.#since.set(id, { floor, at, isAnew, isUnheard })
    for (const [id, promise, complete] of met) this.#met.set(id, { promise, complete })
  }
}
