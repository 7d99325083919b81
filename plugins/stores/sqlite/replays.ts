import {
  type DeadLetterId,
  type FrozenReplay,
  isUnfinished,
  type ReplayEnding,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  type RevivedDelivery,
  type SelectedLetter,
} from '../../../core/index.ts'
import { NO_ATTEMPTS } from './attempts.ts'
import type { Database } from './database.ts'
import { conditionsOf } from './dead-letter-sql.ts'
import { keyHashOf, type Lanes } from './lanes.ts'
import type { Ledger } from './ledger.ts'
import type { Queues } from './queues.ts'
import { prepareReplays, type ReplayRow, type ReplayStatements, type SelectedRow } from './replay-sql.ts'
import { isIntact, type StoredRow, toMessage } from './stored-row.ts'
import type { Tally } from './tally.ts'

interface ReplayParts {
  readonly ledger: Ledger
  readonly queues: Queues
  readonly lanes: Lanes
  readonly now: () => number
}

/** Replay jobs: what each has selected, and what came of it. A dead letter bears the job that it belongs to. */
export class Replays {
  readonly #ledger: Ledger
  readonly #queues: Queues
  readonly #lanes: Lanes
  readonly #now: () => number
  readonly #statements: ReplayStatements

  constructor(database: Database, { ledger, queues, lanes, now }: ReplayParts) {
    this.#ledger = ledger
    this.#queues = queues
    this.#lanes = lanes
    this.#now = now
    this.#statements = prepareReplays(database)
  }

  all(): ReplayJob[] {
    return this.#statements.all.all().map(toJob)
  }

  one(replay: ReplayId): ReplayJob | undefined {
    const row = this.#statements.one.get({ replay })
    return row && toJob(row)
  }

  create({ by, filter, perSecond, limit, maxFailures }: ReplayOrder): FrozenReplay {
    const { insert, select, size, free } = this.#statements
    const conditions = conditionsOf(filter)
    return this.#ledger.change(() => {
      const replay = insert.get(this.#now(), by, JSON.stringify(filter), perSecond) as ReplayId
      const total = select(conditions, replay, limit)
      size.run({ replay, total, maxFailures: maxFailures(total) })
      this.#finish(replay)
      return { job: this.one(replay) as ReplayJob, more: total < limit ? 0 : free(conditions) }
    })
  }

  selection(replay: ReplayId, limit: number): SelectedLetter[] {
    const rows = this.#statements.next.all({ replay, limit })
    return rows.map(({ id, recipient, seq }) => ({ id, recipient, seq: seq ?? undefined }))
  }

  revive(replay: ReplayId, ids: readonly DeadLetterId[]): RevivedDelivery[] {
    const { chosen, advance } = this.#statements
    return this.#ledger.change((tally) => {
      const job = this.one(replay)
      if (!job || !isUnfinished(job) || job.failed > job.maxFailures) return []
      const rows = chosen.all({ replay, ids: JSON.stringify(ids) })
      const revived = rows.flatMap((row) => this.#revive(row, replay, tally) ?? [])
      if (rows.length > 0) advance.run({ replay, replayed: revived.length, skipped: rows.length - revived.length })
      this.#finish(replay)
      return revived
    })
  }

  end(replay: ReplayId, { state, reason }: ReplayEnding): void {
    const { releaseAll, end, forgetOldest } = this.#statements
    this.#ledger.change(() => {
      const job = this.one(replay)
      if (!job || !isUnfinished(job)) return
      const left = releaseAll.run({ replay }).changes
      end.run({ replay, state, reason, left, now: this.#now() })
      forgetOldest.run()
    })
  }

  #revive(row: SelectedRow, replay: ReplayId, tally: Tally): RevivedDelivery | undefined {
    const { deliver, remove, release } = this.#statements
    const { id, recipient } = row
    const queue = this.#queues.of(recipient)
    if (queue === undefined || !isWhole(row)) {
      release.run(id)
      return undefined
    }
    const { seq } = row
    const keyHash = keyHashOf(row.orderingKey)
    const lane = this.#lanes.laneForRevived(queue, keyHash, seq, row.lane)
    const isNew = deliver.run(queue, seq, lane, keyHash, replay).changes === 1
    remove.run(id)
    tally.deadLetters--
    tally.leave(recipient, 'dead', -1)
    // It waits already, because another dead letter of the same delivery was revived: two become one.
    if (!isNew) tally.leave(recipient, 'collapsed', 1)
    return isNew ? { recipient, seq, lane, message: toMessage(row), attempts: NO_ATTEMPTS, dueAt: 0 } : undefined
  }

  /** Ends the job if nothing of its selection is left. */
  #finish(replay: ReplayId): void {
    const { finish, forgetOldest } = this.#statements
    if (finish.run({ replay, now: this.#now() }).changes > 0) forgetOldest.run()
  }
}

/** Whether there is a message to deliver, as it was written. */
function isWhole(row: SelectedRow): row is SelectedRow & StoredRow {
  return row.seq !== null && isIntact(row as StoredRow)
}

function toJob({ filter, reason, endedAt, ...row }: ReplayRow): ReplayJob {
  return { ...row, filter: JSON.parse(filter), reason: reason ?? undefined, endedAt: endedAt ?? undefined }
}
