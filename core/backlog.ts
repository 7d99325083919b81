import { RevivedPlaces } from './revived-places.ts'
import type { PendingDelivery, RecipientKey, Store } from './store.ts'

/** How much of one recipient's backlog is held in memory at most. The rest waits on disk. */
const MAX_HELD_MESSAGES = 2_048
const MAX_HELD_CHARACTERS = 1024 * 1024
/** So many that were revived are read at once. */
const RECALL_MESSAGES = 64
const REFILL = Object.freeze({ messages: 256, bytes: 1024 * 1024 })

/**
 * What waits for one recipient, oldest first: the next deliveries in memory, all others in the store. Deliveries that are
 * committed while it keeps up never leave memory; once it falls behind they are read back when their turn comes.
 */
export class Backlog {
  readonly #store: Store
  readonly #key: () => RecipientKey
  #ready: PendingDelivery[] = []
  /** Place of the next delivery in `#ready`: cheaper than shifting an array. */
  #next = 0
  #heldCharacters = 0
  /** The greatest place in the store that was held so far. */
  #last = 0
  /** Whether the store holds deliveries behind `#last`. */
  #behind: boolean
  #reading = false
  #offeredWhileReading = false
  /** Places at or before `#last` that wait again. They are read before anything else. */
  readonly #revived = new RevivedPlaces()
  /** Whether dead letters are being revived: what is read meanwhile may hold some of them, or not. */
  #reviving = false
  /** Raised when what is being read may lack something: it is thrown away. */
  #generation = 0
  /** Deliveries that were taken and neither settled nor given back. */
  #taken = 0
  /** Deliveries that wait in the store behind `#last`, as far as is known. */
  #unread: number

  constructor(store: Store, key: () => RecipientKey, pending: number) {
    this.#store = store
    this.#key = key
    this.#unread = pending
    this.#behind = pending > 0
  }

  /** Deliveries that are not settled, held or not, in flight or not. */
  get pending(): number {
    return this.#unread + this.#revived.size + this.#held + this.#taken
  }

  /** Whether reading from the store would bring more. */
  get wantsRefill(): boolean {
    if (this.#reading || this.#reviving) return false
    return this.#revived.size > 0 ? !this.#isFull : this.#behind && this.#held === 0
  }

  /** A delivery that was committed just now. */
  offer(delivery: PendingDelivery): void {
    // It was read from the store already, between its commit and now.
    if (delivery.seq <= this.#last) return
    if (this.#reading) this.#offeredWhileReading = true
    if (this.#behind || this.#isFull) {
      this.#behind = true
      this.#unread++
      return
    }
    this.#hold([delivery])
    this.#last = delivery.seq
  }

  /** Dead letters are about to be revived: nothing is read until `revive` says which. */
  awaitRevival(): void {
    this.#reviving = true
    if (this.#reading) this.#discardReading()
  }

  /** At these places, deliveries are pending again; or may be, if the store could not say. */
  revive(places: readonly number[]): void {
    const passed = places.filter((seq) => seq <= this.#last)
    this.#reviving = false
    this.#revived.add(passed)
    // Those behind what was read so far are read in their turn.
    if (passed.length === places.length) return
    this.#unread += places.length - passed.length
    this.#behind = true
  }

  /** Reads deliveries anew that were taken before. Those that are not pending any more are left out. */
  recall(seqs: readonly number[]): Promise<readonly PendingDelivery[]> {
    return this.#store.recall(this.#key(), seqs)
  }

  /** Whether all deliveries up to that place have been taken. */
  isPast(seq: number): boolean {
    const next = this.#ready[this.#next]
    return !(next && next.seq <= seq) && (!this.#behind || this.#last >= seq)
  }

  /** Whether a delivery of that ordering key may not have been taken yet. */
  mayHold(key: string): boolean {
    return this.#behind || this.#ready.some(({ message }, place) => place >= this.#next && message.orderingKey === key)
  }

  /** The store could not say what became of a group: there may be deliveries that nobody has offered. */
  doubt(): void {
    this.#behind = true
    if (this.#reading) this.#offeredWhileReading = true
  }

  /** The next delivery in memory. */
  take(): PendingDelivery | undefined {
    const delivery = this.#ready[this.#next]
    if (!delivery) return undefined
    this.#heldCharacters -= delivery.message.text.length
    this.#taken++
    if (++this.#next === this.#ready.length) {
      this.#ready = []
      this.#next = 0
    }
    return delivery
  }

  /** Deliveries that were taken and could not be brought: they come first again, in their old order. */
  giveBack(deliveries: readonly PendingDelivery[]): void {
    this.#taken -= deliveries.length
    this.#insert(deliveries)
  }

  settled(): void {
    this.#taken--
  }

  /** Reads the next deliveries from the store. Resolves to whether there is something to take, or may be. */
  async refill(): Promise<boolean> {
    const generation = this.#generation
    this.#reading = true
    this.#offeredWhileReading = false
    try {
      if (this.#revived.size > 0) await this.#recallRevived(generation)
      else await this.#readOn(generation)
      return this.#held > 0 || this.#behind || this.#revived.size > 0
    } finally {
      if (generation === this.#generation) this.#reading = false
    }
  }

  /** Forgets what is held and reads everything anew: the deliveries of two names were united. */
  reload(pending: number): void {
    this.#discardReading()
    this.#ready = []
    this.#next = 0
    this.#heldCharacters = 0
    this.#last = 0
    this.#taken = 0
    this.#unread = pending
    this.#behind = pending > 0
    this.#revived.drop(this.#revived.size)
  }

  async #readOn(generation: number): Promise<void> {
    const deliveries = await this.#store.pending(this.#key(), this.#last, REFILL)
    if (generation !== this.#generation) return
    this.#hold(deliveries)
    this.#last = deliveries.at(-1)?.seq ?? this.#last
    this.#behind = deliveries.length > 0 || this.#offeredWhileReading
    this.#unread = this.#behind ? Math.max(0, this.#unread - deliveries.length) : 0
  }

  async #recallRevived(generation: number): Promise<void> {
    const places = this.#revived.first(RECALL_MESSAGES)
    const deliveries = await this.#store.recall(this.#key(), places)
    if (generation !== this.#generation) return
    this.#revived.drop(places.length)
    this.#insert(deliveries)
  }

  #discardReading(): void {
    this.#generation++
    this.#reading = false
  }

  get #held(): number {
    return this.#ready.length - this.#next
  }

  get #isFull(): boolean {
    return this.#held >= MAX_HELD_MESSAGES || this.#heldCharacters >= MAX_HELD_CHARACTERS
  }

  /** Holds deliveries that have their places among those that are held. */
  #insert(deliveries: readonly PendingDelivery[]): void {
    if (deliveries.length === 0) return
    this.#ready = this.#ready.slice(this.#next)
    this.#next = 0
    this.#hold(deliveries)
    this.#ready.sort((one, other) => one.seq - other.seq)
  }

  #hold(deliveries: readonly PendingDelivery[]): void {
    for (const delivery of deliveries) {
      this.#ready.push(delivery)
      this.#heldCharacters += delivery.message.text.length
    }
  }
}
