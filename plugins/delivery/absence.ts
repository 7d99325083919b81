import { type Kernel, type LedgerRow, problemOf, type Recipient, type Timer } from '../../core/index.ts'
import { BacklogBounds, type BacklogLimits } from './backlog-bounds.ts'

/** How often it is looked who has been away for too long, in milliseconds. */
const LOOK_MS = 60_000
/**
 * How long nobody is forgotten after a start, in milliseconds. While the instance itself was away it could see nobody, and
 * those who seem to have been away for weeks may be about to connect.
 */
const GRACE_MS = 60 * 60 * 1_000

export interface AbsenceOptions {
  /** How long somebody may be away, in milliseconds. */
  readonly limitMs: number
  /** How much may wait for somebody who is away. */
  readonly backlog: BacklogLimits
}

/**
 * Forgets those who have been away for too long, or for whom too much waits: a client, or an instance that the configuration
 * does not name, altogether; of a configured peer, what waits for it.
 */
export class Absence {
  readonly #kernel: Kernel
  readonly #limitMs: number
  readonly #bounds: BacklogBounds
  #timer: Timer | undefined
  #stopped = false
  /** Nobody is forgotten before this time of the clock that only grows, in milliseconds. */
  #notBefore = 0
  /** How far the wall clock is ahead of the clock that only grows, in milliseconds. */
  #lead = 0

  constructor(kernel: Kernel, { limitMs, backlog }: AbsenceOptions) {
    this.#kernel = kernel
    this.#limitMs = limitMs
    this.#bounds = new BacklogBounds(kernel, backlog)
  }

  start(): void {
    this.#giveTime()
    this.#lookLater()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#bounds.stop()
  }

  #lookLater(): void {
    if (!this.#stopped) this.#timer = this.#kernel.runtime.after(LOOK_MS, () => void this.#look())
  }

  async #look(): Promise<void> {
    const { runtime } = this.#kernel
    // A machine that was asleep saw nobody either; and when the clock was set, it tells nothing about who was away.
    if (Math.abs(this.#leadNow() - this.#lead) > LOOK_MS) this.#giveTime()
    if (runtime.monotonic() >= this.#notBefore) {
      await this.#forgetOverdue()
      await this.#forgetExceeded()
    }
    this.#lookLater()
  }

  async #forgetOverdue(): Promise<void> {
    const { ledger, recipients } = this.#kernel
    const rows = new Map(ledger().map((row) => [row.recipient, row]))
    for (const recipient of recipients()) {
      if (!this.#stopped && this.#isOver(recipient, rows.get(recipient.name)))
        await this.#forget(recipient.name, 'its recipient was away for too long')
    }
  }

  async #forgetExceeded(): Promise<void> {
    try {
      for (const name of await this.#bounds.exceeded()) await this.#forget(name, 'it was longer than allowed')
    } catch (error) {
      this.#kernel.log.error('backlogs not bounded', { reason: problemOf(error), error })
    }
  }

  #isOver({ connected, circuit, lastSeenAt }: Recipient, row: LedgerRow | undefined): boolean {
    if (connected || lastSeenAt === undefined) return false
    const end = lastSeenAt + this.#limitMs
    const oldest = row?.oldestPendingAt
    if (circuit === undefined) return end < this.#kernel.runtime.now()
    // A peer stays though it stays away: what came after its backlog was forgotten has its own time.
    if (oldest === undefined) return false
    return (oldest <= end ? end : oldest + this.#limitMs) < this.#kernel.runtime.now()
  }

  async #forget(recipient: string, reason: string): Promise<void> {
    const { log, forgetAbsent } = this.#kernel
    try {
      const count = await forgetAbsent(recipient)
      if (count === undefined) return
      if (count > 0) log.critical('backlog forgotten', { recipient, count, reason })
      else log.debug('recipient forgotten', { recipient, reason })
    } catch (error) {
      log.error('recipient not forgotten', { recipient, reason: problemOf(error), error })
    }
  }

  #giveTime(): void {
    this.#notBefore = this.#kernel.runtime.monotonic() + GRACE_MS
    this.#lead = this.#leadNow()
  }

  #leadNow(): number {
    return this.#kernel.runtime.now() - this.#kernel.runtime.monotonic()
  }
}
