import type { Purged, PurgeLimits } from '../../../core/index.ts'
import { type Database, pragmaNumber } from './database.ts'
import type { DeadLetters } from './dead-letters.ts'
import { IS_HELD } from './held.ts'
import type { Ledger } from './ledger.ts'
import type { Queues } from './queues.ts'
import type { ScheduledMessages } from './scheduled.ts'

interface PurgeParts {
  readonly database: Database
  readonly ledger: Ledger
  readonly queues: Queues
  readonly deadLetters: DeadLetters
  readonly scheduled: ScheduledMessages
  readonly now: () => number
  /** Ids that were last used before then are forgotten. */
  readonly rememberedSince: () => number
}

/** A stretch of messages, by place. */
interface Stretch {
  readonly last: number
  /** When its last message was received. */
  readonly receivedAt: number
}

/** In bytes, both. */
export interface Room {
  readonly walBytes: number
  /** How far the file can grow. */
  readonly capacity: number
}

/** How many stretches a call looks at: behind what waits for somebody absent there may be much that can go. */
const STRETCHES = 4
/** Pages that are given back at a time: about 2 ms. */
const VACUUM_PAGES = 100
/** Free pages that are kept: what is settled makes room that the next messages take. */
const RESERVE_PAGES = 256
/** Size from which the write-ahead log is cut back, in bytes. Checkpoints by themselves keep it at half of that. */
const LARGE_WAL = 32 * 1024 ** 2
/** Part of the capacity from which it is cut back on a small disk: it takes room from the file. */
const LARGE_PART = 1 / 8

/**
 * Forgets what is no longer needed, a little at a time. It walks through the messages by their place, from where the last
 * call ended, and begins anew when it meets one that is too young: what still waited is passed again in the next round.
 */
export class Purge {
  readonly #parts: PurgeParts
  readonly #statements: ReturnType<typeof prepare>
  /** The place up to which the present round has come. */
  #passed = 0
  /** Whether pages were given back that the file still has. */
  #hasVacuumed = false

  constructor(parts: PurgeParts) {
    this.#parts = parts
    this.#statements = prepare(parts.database)
  }

  run({ settledBefore, deadBefore, limit }: PurgeLimits): Purged {
    const { ledger, queues, deadLetters, scheduled, rememberedSince } = this.#parts
    const before = Math.min(settledBefore, rememberedSince())
    return ledger.change((tally) => {
      const dead = deadLetters.purge(deadBefore, limit, tally)
      scheduled.purge(deadBefore, limit)
      const messages = this.#purgeMessages(before, limit)
      tally.messages -= messages
      return { messages, deadLetters: dead, deliveries: queues.purge(limit) }
    })
  }

  /** Gives free pages back; and the room of the write-ahead log, when it is large or there is nothing else to do. */
  giveBack({ walBytes, capacity }: Room, { messages, deadLetters, deliveries }: Purged): void {
    const { database } = this.#parts
    if (pragmaNumber(database, 'freelist_count') > RESERVE_PAGES) {
      database.pragma(`incremental_vacuum(${VACUUM_PAGES})`)
      this.#hasVacuumed = true
      return
    }
    // The file itself shrinks when the log is written back into it.
    const isDone = this.#hasVacuumed && messages + deadLetters + deliveries === 0
    if (!isDone && walBytes < Math.min(LARGE_WAL, capacity * LARGE_PART)) return
    database.pragma('wal_checkpoint(TRUNCATE)')
    this.#hasVacuumed = false
  }

  #purgeMessages(before: number, limit: number): number {
    let purged = 0
    for (let stretches = 0; stretches < STRETCHES && purged < limit; stretches++) {
      const stretch = this.#statements.stretch.get(this.#passed, limit - purged)
      if (stretch) purged += this.#statements.remove.run({ ...stretch, after: this.#passed, before }).changes
      if (!stretch || this.#isYoung(stretch, before)) {
        this.#passed = 0
        break
      }
      this.#passed = stretch.last
    }
    return purged
  }

  /** One from the future was received before the clock was set back, and says nothing about those behind it. */
  #isYoung({ receivedAt }: Stretch, before: number): boolean {
    return receivedAt >= before && receivedAt <= this.#parts.now()
  }
}

function prepare(database: Database) {
  return {
    stretch: database.prepare<[after: number, limit: number], Stretch>(`
      SELECT seq AS last, received_at AS receivedAt FROM message WHERE seq = (
        SELECT max(seq) FROM (SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT ?))`),
    remove: database.prepare<[Stretch & { after: number; before: number }]>(`
      DELETE FROM message
      WHERE seq > @after AND seq <= @last AND received_at < @before AND NOT ${IS_HELD}`),
  }
}
