import { MAX_CLOCK_AHEAD_MS, millisecondsOf } from '../../core/hybrid-clock.ts'
import { idOf, stampOf } from './copy.ts'
import type { Ledger, Violate } from './ledger.ts'
import { APPLIED_TYPE, type Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** So long after its time has come, one that was ahead of it may still be put aside. */
const LOOKED_AT_AGAIN_MS = 10_000

/** What an order is asked of a delivery that goes now. */
export interface Going {
  readonly host: string
  /** '@self', or the name of whoever it goes to. */
  readonly recipient: string
  readonly copy: string
  readonly publication: Publication
}

/** Whether a delivery need not be waited for, by what is known of it beside what is on disk. */
export type IsPast = (copy: string) => boolean

/**
 * The order of a type that is strict: of each key, a recipient is given one message, and the next one when that is done or
 * dead. Ahead of time or past their time, messages hold up nobody; and whoever replays what was dead has overtaken it.
 */
export class StrictOrder {
  readonly #ledger: Ledger
  readonly #now: (host: string) => number
  readonly #violate: Violate

  constructor(ledger: Ledger, now: (host: string) => number, violate: Violate) {
    this.#ledger = ledger
    this.#now = now
    this.#violate = violate
  }

  /** A delivery goes now. `isPast` tells of which it is known that they are done; `isUnderWay`, which are with the recipient. */
  goes({ host, recipient, copy, publication }: Going, isPast: IsPast, isUnderWay: (copy: string) => boolean): void {
    if (publication.type !== APPLIED_TYPE || this.#ledger.hasTwoNames(host, recipient)) return
    const place = this.#ledger.facts(host).seqs.get(copy) as number
    for (const [seq, other] of this.#waitingFor(host, recipient)) {
      if (other === copy || !(seq < place || isUnderWay(other))) continue
      if (!this.#isOfKey(other, publication) || isPast(other) || this.#holdsUpNobody(host, other)) continue
      this.#violate('of a strict key one goes at a time', `${copy} beside ${other}, from ${host} to ${recipient}`)
    }
  }

  #waitingFor(host: string, recipient: string): Iterable<readonly [number, string]> {
    const { names, waiting } = this.#ledger.facts(host)
    for (const [key, name] of names) if (hostOf(name) === recipient) return waiting.get(key) ?? []
    return []
  }

  #isOfKey(copy: string, { key }: Publication): boolean {
    const other = this.#ledger.publications.get(idOf(copy))
    return other?.type === APPLIED_TYPE && other.key === key
  }

  #holdsUpNobody(host: string, copy: string): boolean {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#ledger.publications.get(idOf(copy)) ?? {}
    const now = this.#now(host)
    return expiresAt <= now || millisecondsOf(stampOf(copy)) - now > MAX_CLOCK_AHEAD_MS - LOOKED_AT_AGAIN_MS
  }
}
