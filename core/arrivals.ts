import type { Arrival } from './events.ts'
import type { Link } from './links.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Window } from './protocol/limits.ts'
import type { Runtime } from './runtime/runtime.ts'

/** In one transaction at most: beyond that, the links would wait for the disk longer than a heartbeat likes. */
const TURN_MESSAGES = 1_024
const TURN_BYTES = 1024 * 1024
/** Waiting for their transaction. Whoever sends beyond that is not read from until the queue is half as long. */
const PAUSE_MESSAGES = 4_096
const PAUSE_BYTES = 8 * 1024 * 1024
/** Waiting at most. A link that is paused has more at hand, and so have all the others: beyond that they are refused. */
const MAX_MESSAGES = 8_192
const MAX_BYTES = 16 * 1024 * 1024
/** What one link is granted at most, and at least, however many there are. */
const MAX_SHARE: Window = Object.freeze({ messages: 1_024, bytes: 1024 * 1024 })
const MIN_SHARE: Window = Object.freeze({ messages: 64, bytes: 256 * 1024 })
/** What those who are refused are advised to wait for, in milliseconds. */
const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 60_000

const BUSY = 'more comes in than the store can take; publish again later with the same id'

/** What has come in and waits for its transaction. Its length is bounded: first links are paused, then messages refused. */
export class Arrivals {
  readonly #runtime: Runtime
  readonly #paused = new Set<Link>()
  #waiting: Arrival[] = []
  #bytes = 0
  /** When the transaction that is under way began, and how long the last one took. */
  #beganAt: number | undefined
  #lastTookMs = 0

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Throws `BUSY` when there is no room for another message of that link. */
  assertRoom(sender: Link): void {
    if (this.#waiting.length < MAX_MESSAGES && this.#bytes < MAX_BYTES) return
    this.#pause(sender)
    throw new ProtocolFault('BUSY', BUSY, this.#retryAfterMs)
  }

  /** What each of so many links may have under way to here, so that all together bring no more than may wait. */
  shareOf(links: number): Window {
    return {
      messages: share(PAUSE_MESSAGES, links, MIN_SHARE.messages, MAX_SHARE.messages),
      bytes: share(PAUSE_BYTES, links, MIN_SHARE.bytes, MAX_SHARE.bytes),
    }
  }

  add(arrival: Arrival): void {
    this.#waiting.push(arrival)
    this.#bytes += sizeOf(arrival)
    const isLong = this.#waiting.length >= PAUSE_MESSAGES || this.#bytes >= PAUSE_BYTES
    if (isLong && arrival.received) this.#pause(arrival.received.sender)
  }

  /** The next ones, for a transaction that begins now. */
  take(): readonly Arrival[] {
    let count = 0
    let bytes = 0
    while (count < this.#waiting.length && count < TURN_MESSAGES && bytes < TURN_BYTES) {
      bytes += sizeOf(this.#waiting[count++] as Arrival)
    }
    this.#bytes -= bytes
    if (count > 0) this.#beganAt = this.#runtime.monotonic()
    return this.#waiting.splice(0, count)
  }

  /** That transaction is over: whoever was paused is read from again when there is room. */
  taken(): void {
    const now = this.#runtime.monotonic()
    if (this.#beganAt !== undefined) this.#lastTookMs = now - this.#beganAt
    this.#beganAt = undefined
    if (this.#waiting.length >= PAUSE_MESSAGES / 2 || this.#bytes >= PAUSE_BYTES / 2) return
    for (const link of this.#paused) link.resume(now)
    this.#paused.clear()
  }

  /** How long it takes to write what waits now, as far as the last transactions tell. */
  get #retryAfterMs(): number {
    const current = this.#beganAt === undefined ? 0 : this.#runtime.monotonic() - this.#beganAt
    const transactions = Math.max(this.#waiting.length / TURN_MESSAGES, this.#bytes / TURN_BYTES)
    const estimate = Math.ceil(transactions * Math.max(this.#lastTookMs, current))
    return Math.min(Math.max(estimate, MIN_RETRY_MS), MAX_RETRY_MS)
  }

  #pause(link: Link): void {
    if (this.#paused.has(link)) return
    this.#paused.add(link)
    link.pause()
  }
}

function share(whole: number, among: number, least: number, most: number): number {
  return Math.min(Math.max(Math.floor(whole / Math.max(among, 1)), least), most)
}

/** In bytes; of what came over no wire, in characters. */
function sizeOf({ received, message }: Arrival): number {
  return received?.bytes ?? message.text.length
}
