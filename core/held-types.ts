import type { Backlog } from './backlog.ts'
import type { PendingDelivery } from './store.ts'
import { placeOf, Turns, turnOf } from './turns.ts'

/** Deliveries of held types that wait for one recipient at most, before it is sent nothing more. Each costs its place only. */
const MAX_PARKED = 100_000
/** How many are read anew at once, as their type is released. */
const RECALL_DELIVERIES = 64
/** Of those that wait, as many are known by their ids in case the recipient speaks of them after all. */
const MAX_SENT = 64

export interface HeldTypesContext {
  /** A delivery that cannot be read anew is no longer pending. */
  gone(seq: number): void
  /** Something was read that may go. */
  pump(): void
  /** The store could not be read: try `again` later. */
  unreadable(error: unknown, again: () => void): void
}

/** One type that is held. */
class Held {
  readonly waiting = new Turns()
  /** Places of those that may go and have not gone yet. */
  readonly free = new Set<number>()
  /** Those of `waiting` that were sent before, by message id, the last ones. */
  readonly sent = new Map<string, PendingDelivery>()
  /** The place of the one that may go as a probe; `next`: there was none, so it is the next one that comes. */
  probe: number | 'next' | undefined
  /** The turn of the last one that went as a probe. */
  lastProbe = 0
  releasing = false
  /** How many times the store is being asked for some of them. */
  reading = 0
}

/**
 * Types that one recipient is not sent for now. Their deliveries wait, known by their places in the store, and hold up nobody
 * else. What is released goes in its old order, a higher lane before a lower one, and in each before whatever came later.
 */
export class HeldTypes {
  readonly #backlog: Backlog
  readonly #context: HeldTypesContext
  readonly #types = new Map<string, Held>()
  #parked = 0
  /** Raised when all places are forgotten: what is being read belongs to nobody then. */
  #generation = 0

  constructor(backlog: Backlog, context: HeldTypesContext) {
    this.#backlog = backlog
    this.#context = context
  }

  /** Deliveries of the type wait from now on. One that is out as a probe is a probe no more. */
  hold(type: string): void {
    const held = this.#types.get(type)
    if (!held) {
      this.#types.set(type, new Held())
      return
    }
    held.probe = undefined
    held.releasing = false
    held.free.clear()
  }

  /** Lets everything of the type go. */
  release(type: string): void {
    const held = this.#types.get(type)
    if (!held || held.releasing) return
    held.probe = undefined
    held.releasing = true
    // Else when that has come: nothing newer is to pass it.
    if (held.reading === 0) this.#releaseSome(type, held)
  }

  /**
   * Lets one delivery of the type go, and no other until this is asked for again: the first that waits behind the last
   * probe, so that one which fails for reasons of its own is not the only one that is ever tried.
   */
  probe(type: string): void {
    const held = this.#types.get(type)
    if (!held || held.releasing || held.probe !== undefined) return
    const turn = held.waiting.behind(held.lastProbe)
    held.probe = turn === undefined ? 'next' : placeOf(turn)
    if (turn === undefined) return
    held.lastProbe = turn
    this.#unpark(held, turn)
    this.#read(type, held, [placeOf(turn)])
  }

  isProbe({ seq, message }: PendingDelivery): boolean {
    return this.#types.get(message.type)?.probe === seq
  }

  /** How many deliveries of the type wait. */
  waiting(type: string): number {
    return this.#types.get(type)?.waiting.size ?? 0
  }

  /** Whether the delivery may go as far as its type is concerned. If not, it waits. */
  admits(delivery: PendingDelivery): boolean {
    const { seq, message } = delivery
    const held = this.#types.get(message.type)
    if (!held) return true
    if (held.probe === 'next') held.probe = seq
    const isFree = held.free.delete(seq) || held.probe === seq
    if (!isFree) this.#park(held, delivery)
    else if (held.releasing && held.free.size === 0) this.#releaseSome(message.type, held)
    return isFree
  }

  /** Whether the delivery was admitted before its type was held, and has not gone yet. Unlike `admits`, this changes nothing. */
  isHeldBack({ seq, message }: PendingDelivery): boolean {
    const held = this.#types.get(message.type)
    return held !== undefined && !held.releasing && held.probe !== seq
  }

  /** Whether the delivery would have to wait, and too many do so already. */
  isOneTooMany({ seq, message }: PendingDelivery): boolean {
    const held = this.#types.get(message.type)
    if (!held || this.#parked < MAX_PARKED) return false
    return held.probe !== seq && held.probe !== 'next' && !held.free.has(seq)
  }

  /** Takes back a delivery that was on its way. False when its type is not held. */
  takeBack(delivery: PendingDelivery): boolean {
    const held = this.#types.get(delivery.message.type)
    if (!held) return false
    const wanted = held.probe === 'next'
    if (wanted || held.probe === delivery.seq) held.probe = undefined
    this.#park(held, delivery, true)
    if (wanted) this.probe(delivery.message.type)
    return true
  }

  /** The recipient has spoken of a message after all. Undefined when it does not wait here, or was sent too long ago. */
  take(messageId: string): PendingDelivery | undefined {
    for (const held of this.#types.values()) {
      const delivery = held.sent.get(messageId)
      if (!delivery) continue
      held.sent.delete(messageId)
      return this.#unpark(held, turnOf(delivery)) ? delivery : undefined
    }
    return undefined
  }

  /** The recipient has acknowledged it. If it was the probe, that one is over. */
  acknowledged({ seq, message }: PendingDelivery): void {
    const held = this.#types.get(message.type)
    if (held?.probe === seq) held.probe = undefined
  }

  /** It was given up for reasons of its own. If it was the probe, it has shown nothing, and another one goes. */
  buried({ seq, message }: PendingDelivery): void {
    const held = this.#types.get(message.type)
    if (held) this.#probeAnother(message.type, held, seq)
  }

  /** All is read anew: what waits will come by again. */
  reload(): void {
    this.#generation++
    this.#parked = 0
    for (const [type, held] of this.#types) {
      if (held.releasing) this.#types.delete(type)
      held.waiting.clear()
      held.free.clear()
      held.sent.clear()
      held.reading = 0
      if (held.probe !== undefined) held.probe = 'next'
    }
  }

  #probeAnother(type: string, held: Held, seq: number): void {
    if (held.probe !== seq) return
    held.probe = undefined
    this.probe(type)
  }

  #park(held: Held, delivery: PendingDelivery, wasSent = delivery.attempts.sends > 0): void {
    if (held.waiting.add(turnOf(delivery))) this.#parked++
    if (!wasSent) return
    held.sent.set(delivery.message.messageId, delivery)
    const [oldest] = held.sent.keys()
    if (held.sent.size > MAX_SENT && oldest !== undefined) held.sent.delete(oldest)
  }

  #unpark(held: Held, turn: number): boolean {
    if (!held.waiting.remove(turn)) return false
    this.#parked--
    return true
  }

  /** The next ones in order, when those before have gone. When none wait any more, the type is like any other. */
  #releaseSome(type: string, held: Held): void {
    const places = held.waiting.take(RECALL_DELIVERIES).map(placeOf)
    this.#parked -= places.length
    if (places.length > 0) this.#read(type, held, places)
    else if (this.#types.get(type) === held) this.#types.delete(type)
  }

  #read(type: string, held: Held, places: readonly number[]): void {
    held.reading++
    for (const place of places) held.free.add(place)
    void this.#recall(type, held, places, this.#generation)
  }

  /** Reads deliveries that may go, and hands them to the backlog, where each finds its old place. */
  async #recall(type: string, held: Held, places: readonly number[], generation: number): Promise<void> {
    try {
      const deliveries = await this.#backlog.recall(places)
      if (generation !== this.#generation) return
      held.reading--
      this.#backlog.giveBack(deliveries)
      for (const { message } of deliveries) held.sent.delete(message.messageId)
      const found = new Set(deliveries.map(({ seq }) => seq))
      for (const place of places) if (!found.has(place)) this.#gone(type, held, place)
      // When these are the last, newer ones need not be kept back any longer: they stand behind these in the backlog.
      const isDone = held.waiting.size === 0 || held.free.size === 0
      if (held.releasing && held.reading === 0 && isDone) this.#releaseSome(type, held)
      this.#context.pump()
    } catch (error) {
      this.#context.unreadable(error, () => void this.#recall(type, held, places, generation))
    }
  }

  #gone(type: string, held: Held, place: number): void {
    this.#backlog.settled()
    this.#context.gone(place)
    held.free.delete(place)
    this.#probeAnother(type, held, place)
  }
}
