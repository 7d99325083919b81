import { type Held, PriorityLane } from './priority-lane.ts'
import { MAX_PRIORITY } from './protocol/fields.ts'
import { RevivedPlaces } from './revived-places.ts'
import type { PendingDelivery, RecipientKey, Store } from './store.ts'

/** How much of one recipient's backlog is held in memory at most. The rest waits on disk. */
const MAX_HELD_MESSAGES = 2_048
const MAX_HELD_CHARACTERS = 1024 * 1024
/** So many that were revived are read at once. */
const RECALL_MESSAGES = 64
const REFILL = Object.freeze({ messages: 256, bytes: 1024 * 1024 })

/**
 * What waits for one recipient, a higher lane before a lower one and within a lane the oldest first: the next deliveries in
 * memory, all others in the store. Deliveries that are committed while it keeps up never leave memory; once it falls behind
 * they are read back when their turn comes.
 *
 * Nothing is taken from a lane while the store may hold something for a higher one: it might be older and of the same key.
 */
export class Backlog {
  readonly #store: Store
  readonly #key: () => RecipientKey
  /** By priority. */
  #lanes: readonly PriorityLane[] = []
  #held: Held = { messages: 0, characters: 0 }
  #reading = false
  /** Places that were passed and wait again. They are read before anything else. */
  readonly #revived = new RevivedPlaces()
  /** Whether dead letters are being revived: what is read meanwhile may hold some of them, or not. */
  #reviving = false
  /** Raised when what is being read may lack something: it is thrown away. */
  #generation = 0
  /** Deliveries that were taken and neither settled nor given back. */
  #taken = 0
  /** Deliveries that wait in the store and are not held, as far as is known. */
  #unread = 0

  constructor(store: Store, key: () => RecipientKey, pending: number) {
    this.#store = store
    this.#key = key
    this.#begin(pending)
  }

  /** Deliveries that are not settled, held or not, in flight or not. */
  get pending(): number {
    return this.#unread + this.#revived.size + this.#held.messages + this.#taken
  }

  /** Whether reading from the store would bring what goes next. */
  get wantsRefill(): boolean {
    if (this.#reading || this.#reviving) return false
    return this.#mayRecall || this.#top?.size === 0
  }

  /** A delivery that was committed just now. */
  offer(delivery: PendingDelivery): void {
    const lane = this.#laneOf(delivery)
    // It was read from the store already, between its commit and now.
    if (delivery.seq <= lane.last) return
    if (this.#reading || lane.behind || !this.#makeRoom(delivery.lane)) {
      lane.miss()
      this.#unread++
    } else {
      lane.append(delivery)
    }
  }

  /** Dead letters are about to be revived: nothing is read until `revive` says which. */
  awaitRevival(): void {
    this.#reviving = true
    if (this.#reading) this.#discardReading()
  }

  /** At these places, deliveries are pending again; or may be, if the store could not say. */
  revive(places: readonly number[]): void {
    const last = Math.max(...this.#lanes.map((lane) => lane.last))
    const passed = places.filter((seq) => seq <= last)
    this.#reviving = false
    this.#revived.add(passed)
    // Those behind all that was read so far are read in their turn, in whatever lanes they wait.
    if (passed.length === places.length) return
    this.#unread += places.length - passed.length
    this.doubt()
  }

  /** Reads deliveries anew that were taken before. Those that are not pending any more are left out. */
  recall(seqs: readonly number[]): Promise<readonly PendingDelivery[]> {
    return this.#store.recall(this.#key(), seqs)
  }

  /** Whether all deliveries up to that place have been taken. */
  isPast(seq: number): boolean {
    return this.#lanes.every((lane) => lane.isPast(seq))
  }

  /** Whether a delivery of that ordering key may not have been taken yet. */
  mayHold(key: string): boolean {
    return this.#lanes.some((lane) => lane.mayHold(key))
  }

  /** The store could not say what became of a group: there may be deliveries that nobody has offered. */
  doubt(): void {
    for (const lane of this.#lanes) lane.miss()
  }

  /** The next delivery, when it is in memory. */
  take(): PendingDelivery | undefined {
    const delivery = this.#top?.take()
    if (delivery) this.#taken++
    return delivery
  }

  /** Deliveries that were taken and could not be brought: they come first again, in their old order. */
  giveBack(deliveries: readonly PendingDelivery[]): void {
    this.#taken -= deliveries.length
    this.#putBack(deliveries)
  }

  settled(): void {
    this.#taken--
  }

  /** Reads the next deliveries from the store. Resolves to whether there is something to take, or may be. */
  async refill(): Promise<boolean> {
    const generation = this.#generation
    this.#reading = true
    for (const lane of this.#lanes) lane.reading()
    try {
      if (this.#mayRecall) await this.#recallRevived(generation)
      else await this.#readOn(generation)
      return this.#top !== undefined || this.#revived.size > 0
    } finally {
      if (generation === this.#generation) this.#reading = false
    }
  }

  /** Forgets what is held and reads everything anew: the deliveries of two names were united. */
  reload(pending: number): void {
    this.#discardReading()
    this.#begin(pending)
  }

  #begin(pending: number): void {
    this.#held = { messages: 0, characters: 0 }
    this.#lanes = Array.from({ length: MAX_PRIORITY + 1 }, () => new PriorityLane(this.#held, pending > 0))
    this.#taken = 0
    this.#unread = pending
    this.#revived.drop(this.#revived.size)
  }

  async #readOn(generation: number): Promise<void> {
    const places = this.#lanes.map(({ last }) => last)
    const deliveries = await this.#store.pending(this.#key(), places, REFILL)
    if (generation === this.#generation) this.#keep(deliveries)
  }

  /** What the store gave is all there is of the lanes above the last one. */
  #keep(deliveries: readonly PendingDelivery[]): void {
    for (const delivery of deliveries) this.#laneOf(delivery).append(delivery)
    const last = deliveries.at(-1)?.lane ?? -1
    for (let lane = MAX_PRIORITY; lane >= 0 && lane >= last; lane--) this.#lane(lane).read(lane > last)
    const unread = this.#unread - deliveries.length + this.#revived.remove(deliveries)
    this.#unread = this.#lanes.some(({ behind }) => behind) ? Math.max(0, unread) : 0
    if (deliveries[0]) this.#makeRoom(deliveries[0].lane)
  }

  async #recallRevived(generation: number): Promise<void> {
    const places = this.#revived.first(RECALL_MESSAGES)
    const deliveries = await this.#store.recall(this.#key(), places)
    if (generation !== this.#generation) return
    this.#revived.drop(places.length)
    const passed = deliveries.filter((delivery) => delivery.seq <= this.#laneOf(delivery).last)
    this.#putBack(passed)
    for (const delivery of deliveries) {
      if (passed.includes(delivery)) continue
      // Its lane has not come so far: it is read in its turn.
      this.#laneOf(delivery).miss()
      this.#unread++
    }
  }

  get #mayRecall(): boolean {
    return this.#revived.size > 0 && !this.#isFull
  }

  #discardReading(): void {
    this.#generation++
    this.#reading = false
  }

  #putBack(deliveries: readonly PendingDelivery[]): void {
    for (const lane of new Set(deliveries.map((delivery) => this.#laneOf(delivery)))) {
      lane.putBack(deliveries.filter((delivery) => this.#laneOf(delivery) === lane))
    }
  }

  /** Whether there is room for one more delivery of that lane. Those of lower lanes make room for it. */
  #makeRoom(priority: number): boolean {
    for (let lower = 0; lower < priority && this.#isFull; lower++) this.#unread += this.#lane(lower).release()
    return !this.#isFull
  }

  get #isFull(): boolean {
    return this.#held.messages >= MAX_HELD_MESSAGES || this.#held.characters >= MAX_HELD_CHARACTERS
  }

  /** The lane whose turn it is. */
  get #top(): PriorityLane | undefined {
    for (let priority = MAX_PRIORITY; priority >= 0; priority--) {
      const lane = this.#lanes[priority] as PriorityLane
      if (lane.waits) return lane
    }
    return undefined
  }

  #laneOf({ lane }: PendingDelivery): PriorityLane {
    return this.#lane(lane)
  }

  #lane(priority: number): PriorityLane {
    return this.#lanes[priority] as PriorityLane
  }
}
