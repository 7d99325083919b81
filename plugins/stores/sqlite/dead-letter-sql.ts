import type {
  Attempts,
  DeadLetterFilter,
  DeadLetterId,
  DeadReason,
  RecipientKey,
  ReplayId,
} from '../../../core/index.ts'
import { ATTEMPTS } from './attempts.ts'
import type { Database, Statement } from './database.ts'
import { STORED_ROW, type StoredRow } from './stored-row.ts'

export interface DeadLetterRow extends Attempts {
  readonly id: DeadLetterId
  readonly messageId: string | null
  readonly clusterGroupId: string | null
  readonly type: string | null
  readonly orderingKey: string | null
  /** Its name. */
  readonly recipient: string
  readonly reason: DeadReason
  readonly error: string
  /** JSON array. */
  readonly path: string
  readonly plugin: string
  readonly pluginVersion: string | null
  readonly diedAt: number
  readonly count: number
}

/** A delivery that was pending. */
interface Left {
  readonly lane: number
  /** The job that had revived it. */
  readonly replay: ReplayId | null
}

/** A WHERE clause, and what its parameters stand for. */
export interface Conditions {
  readonly where: string
  readonly values: Readonly<Record<string, unknown>>
}

const CONDITIONS: Readonly<Record<keyof DeadLetterFilter, string>> = {
  ids: 'dead_letter.id IN (SELECT value FROM json_each(@ids))',
  recipient: 'dead_letter.recipient IN (SELECT recipient FROM ledger WHERE name = @recipient)',
  type: 'message.type = @type',
  exceptTypes: '(message.type IS NULL OR message.type NOT IN (SELECT value FROM json_each(@exceptTypes)))',
  keyPrefix: 'substr(message.ordering_key, 1, length(@keyPrefix)) = @keyPrefix',
  reason: 'dead_letter.reason = @reason',
  diedBefore: 'dead_letter.died_at < @diedBefore',
}

export function conditionsOf(filter: DeadLetterFilter): Conditions {
  const given = (Object.keys(CONDITIONS) as (keyof DeadLetterFilter)[]).filter((name) => filter[name] !== undefined)
  return {
    where: ['TRUE', ...given.map((name) => CONDITIONS[name])].join(' AND '),
    values: {
      ...filter,
      ids: JSON.stringify(filter.ids ?? []),
      exceptTypes: JSON.stringify(filter.exceptTypes ?? []),
    },
  }
}

export interface DeadLetterStatements {
  readonly settle: Statement<[queue: number, seq: number], Left>
  readonly countFailure: Statement<[ReplayId]>
  readonly insert: Statement
  readonly message: Statement<[DeadLetterId], StoredRow>
  readonly discard: Statement<[string], RecipientKey>
  readonly purge: Statement<[number, number], RecipientKey>
  count(conditions: Conditions): number
  page(conditions: Conditions, after: DeadLetterId, limit: number): DeadLetterRow[]
}

export function prepareDeadLetters(database: Database): DeadLetterStatements {
  const ofIds = 'IN (SELECT value FROM json_each(?))'
  // Left, because a summary has no message; and so that a count that asks nothing of the message reads none.
  const from = 'FROM dead_letter LEFT JOIN message USING (seq)'
  return {
    settle: database.prepare<[queue: number, seq: number], Left>(
      'DELETE FROM delivery WHERE queue = ? AND seq = ? RETURNING lane, replay',
    ),
    countFailure: database.prepare<[ReplayId]>('UPDATE replay SET failed = failed + 1 WHERE id = ?'),
    insert: database.prepare(`
      INSERT INTO dead_letter (recipient, seq, lane, reason, error, ${ATTEMPTS}, plugin, plugin_version, died_at, count)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    message: database.prepare<[DeadLetterId], StoredRow>(
      `SELECT ${STORED_ROW} FROM dead_letter JOIN message USING (seq) WHERE id = ?`,
    ),
    discard: plucked(database.prepare<[string]>(`DELETE FROM dead_letter WHERE id ${ofIds} RETURNING recipient`)),
    purge: plucked(
      database.prepare<[number, number]>(`
        DELETE FROM dead_letter WHERE id IN (
          SELECT id FROM dead_letter WHERE died_at < ? ORDER BY died_at LIMIT ?) RETURNING recipient`),
    ),
    count({ where, values }: Conditions): number {
      return database.prepare<unknown[], number>(`SELECT count(*) ${from} WHERE ${where}`).pluck().get(values) ?? 0
    },
    page({ where, values }: Conditions, after: DeadLetterId, limit: number): DeadLetterRow[] {
      const rows = database.prepare<unknown[], DeadLetterRow>(`
        SELECT id, message_id AS messageId, message.cluster_group_id AS clusterGroupId, type,
          ordering_key AS orderingKey, name AS recipient, reason, error, ${ATTEMPTS},
          iif(json_valid(path), path, '[]') AS path, plugin, plugin_version AS pluginVersion, died_at AS diedAt, count
        ${from} JOIN ledger USING (recipient)
        WHERE ${where} AND id > @after ORDER BY id LIMIT @limit`)
      return rows.all({ ...values, after, limit })
    },
  }
}

function plucked<Parameters extends unknown[]>(statement: Statement<Parameters>): Statement<Parameters, RecipientKey> {
  return statement.pluck() as Statement<Parameters, RecipientKey>
}
