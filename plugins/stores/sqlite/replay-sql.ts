import type {
  DeadLetterId,
  RecipientKey,
  ReplayId,
  ReplayJob,
  ReplayState,
  SelectedLetter,
} from '../../../core/index.ts'
import { KEPT_REPLAYS } from '../replays.ts'
import type { Database, Statement } from './database.ts'
import type { Conditions } from './dead-letter-sql.ts'
import { STORED_ROW, type StoredRow } from './stored-row.ts'

export interface ReplayRow extends Omit<ReplayJob, 'filter' | 'reason' | 'endedAt'> {
  /** JSON of the filter. */
  readonly filter: string
  readonly reason: string | null
  readonly endedAt: number | null
}

/** A selected dead letter and its message, as far as there is one. */
export interface SelectedRow extends Omit<StoredRow, 'seq'> {
  readonly id: DeadLetterId
  readonly recipient: RecipientKey
  readonly lane: number
  readonly seq: number | null
}

interface Named {
  readonly replay: ReplayId
}

const JOBS = `
  SELECT id, created_at AS createdAt, asked_by AS by, filter, per_second AS perSecond, max_failures AS maxFailures,
    total, replayed, failed, superseded, skipped, state, reason, ended_at AS endedAt FROM replay`
const UNFINISHED = `state IN ('waiting', 'running')`
const FROM = 'FROM dead_letter LEFT JOIN message USING (seq)'

export interface ReplayStatements {
  readonly insert: Statement<[now: number, by: string, filter: string, perSecond: number], ReplayId>
  readonly size: Statement<[Named & { total: number; maxFailures: number }]>
  readonly all: Statement<[], ReplayRow>
  readonly one: Statement<[Named], ReplayRow>
  readonly next: Statement<[Named & { limit: number }], SelectedLetter>
  readonly chosen: Statement<[Named & { ids: string }], SelectedRow>
  readonly deliver: Statement<[queue: number, seq: number, lane: number, keyHash: number | null, ReplayId]>
  readonly remove: Statement<[DeadLetterId]>
  readonly release: Statement<[DeadLetterId]>
  readonly releaseAll: Statement<[Named]>
  readonly advance: Statement<[Named & { replayed: number; skipped: number }]>
  readonly finish: Statement<[Named & { now: number }]>
  readonly end: Statement<[Named & { now: number; state: ReplayState; reason: string; left: number }]>
  readonly forgetOldest: Statement
  /** Returns how many it selected. */
  select(conditions: Conditions, replay: ReplayId, limit: number): number
  /** How many match that no job has selected. */
  free(conditions: Conditions): number
}

export function prepareReplays(database: Database): ReplayStatements {
  return {
    insert: plucked(
      database.prepare(`
        INSERT INTO replay (created_at, asked_by, filter, per_second) VALUES (?, ?, ?, ?) RETURNING id`),
    ),
    size: database.prepare('UPDATE replay SET total = @total, max_failures = @maxFailures WHERE id = @replay'),
    all: database.prepare(`${JOBS} ORDER BY id DESC`),
    one: database.prepare(`${JOBS} WHERE id = @replay`),
    next: database.prepare(`
      SELECT id, recipient, seq FROM dead_letter WHERE replay = @replay ORDER BY seq, id LIMIT @limit`),
    chosen: database.prepare(`
      SELECT id, recipient, lane, ${STORED_ROW} ${FROM}
      WHERE replay = @replay AND id IN (SELECT value FROM json_each(@ids)) ORDER BY seq, id`),
    deliver: database.prepare(`
      INSERT INTO delivery (queue, seq, lane, key_hash, replay) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
    remove: database.prepare('DELETE FROM dead_letter WHERE id = ?'),
    release: database.prepare('UPDATE dead_letter SET replay = NULL WHERE id = ?'),
    releaseAll: database.prepare('UPDATE dead_letter SET replay = NULL WHERE replay = @replay'),
    advance: database.prepare(`
      UPDATE replay SET state = 'running', replayed = replayed + @replayed, skipped = skipped + @skipped
      WHERE id = @replay`),
    finish: database.prepare(`
      UPDATE replay SET state = 'done', ended_at = @now, skipped = total - replayed
      WHERE id = @replay AND ${UNFINISHED} AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE replay = @replay)`),
    end: database.prepare(`
      UPDATE replay SET state = @state, reason = @reason, ended_at = @now, skipped = total - replayed - @left
      WHERE id = @replay`),
    forgetOldest: database.prepare(`
      DELETE FROM replay WHERE NOT ${UNFINISHED} AND id NOT IN (
        SELECT id FROM replay WHERE NOT ${UNFINISHED} ORDER BY id DESC LIMIT ${KEPT_REPLAYS})`),
    select({ where, values }, replay, limit) {
      const selection = database.prepare(`
        UPDATE dead_letter SET replay = @replay WHERE id IN (
          SELECT id ${FROM} WHERE replay IS NULL AND ${where} ORDER BY seq, id LIMIT @limit)`)
      return selection.run({ ...values, replay, limit }).changes
    },
    free({ where, values }) {
      const count = database.prepare<unknown[]>(`SELECT count(*) ${FROM} WHERE replay IS NULL AND ${where}`)
      return (count.pluck().get(values) as number | undefined) ?? 0
    },
  }
}

function plucked<Parameters extends unknown[], Value>(statement: Statement<Parameters>): Statement<Parameters, Value> {
  return statement.pluck() as Statement<Parameters, Value>
}
