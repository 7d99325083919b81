import { crc32 } from 'node:zlib'
import type { Execution, ExecutionClaim, ExecutionEnding } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'

type Optional = 'publisher' | 'via' | 'finishedAt' | 'outcome' | 'text'

/** As it is stored: what is not known is NULL. */
type Row = Omit<Execution, Optional> & {
  readonly [Name in Optional]: Exclude<Execution[Name], undefined> | null
} & { readonly checksum: number | null }

const SELECT = `
  SELECT message_id AS messageId, fingerprint, name, publisher, via, claimed_at AS claimedAt, finished_at AS finishedAt, outcome, text, checksum FROM execution`

/** Effects that happen at most once, and what came of them. */
export class ExecutionRows {
  readonly #now: () => number
  readonly #statements: ReturnType<typeof prepare>
  readonly #claim: (claims: readonly ExecutionClaim[]) => readonly (Execution | undefined)[]
  readonly #interrupt: (ending: ExecutionEnding) => readonly Execution[]

  constructor(database: Database, now: () => number) {
    this.#now = now
    this.#statements = prepare(database)
    const claim = database.transaction((claims: readonly ExecutionClaim[]) => claims.map((one) => this.#claimOne(one)))
    const interrupt = database.transaction((ending: ExecutionEnding) => this.#interruptAll(ending))
    this.#claim = claim.immediate as ExecutionRows['claim']
    this.#interrupt = interrupt.immediate as ExecutionRows['interrupt']
  }

  claim(claims: readonly ExecutionClaim[]): readonly (Execution | undefined)[] {
    return this.#claim(claims)
  }

  finish(messageId: string, { outcome, text }: ExecutionEnding): void {
    const checksum = checksumOf(outcome, text)
    this.#statements.finish.run({ messageId, outcome, text, checksum, now: this.#now() })
  }

  interrupt(ending: ExecutionEnding): readonly Execution[] {
    return this.#interrupt(ending)
  }

  find(messageId: string): Execution | undefined {
    const row = this.#statements.find.get(messageId)
    return row && toExecution(row)
  }

  forget(finishedBefore: number, limit: number): number {
    return this.#statements.forget.run(finishedBefore, limit).changes
  }

  #claimOne(claim: ExecutionClaim): Execution | undefined {
    const nobody = { publisher: claim.publisher ?? null, via: claim.via ?? null }
    const isNew = this.#statements.claim.run({ ...claim, ...nobody, now: this.#now() }).changes === 1
    return isNew ? undefined : this.find(claim.messageId)
  }

  #interruptAll(ending: ExecutionEnding): readonly Execution[] {
    const open = this.#statements.open.all()
    for (const { messageId } of open) this.finish(messageId, ending)
    return open.map(({ messageId }) => this.find(messageId) as Execution)
  }
}

/** CRC-32 of what is told of an effect: a flipped bit must not pass for its result. */
function checksumOf(outcome: string, text: string): number {
  return crc32(`${outcome}\n${text}`)
}

function toExecution({ checksum, publisher, via, finishedAt, outcome, text, ...row }: Row): Execution {
  const isIntact = outcome !== null && text !== null && checksum === checksumOf(outcome, text)
  return {
    ...row,
    publisher: publisher ?? undefined,
    via: via ?? undefined,
    finishedAt: finishedAt ?? undefined,
    outcome: outcome ?? undefined,
    text: isIntact ? text : undefined,
  }
}

function prepare(database: Database) {
  return {
    claim: database.prepare(`
      INSERT INTO execution (message_id, fingerprint, name, publisher, via, claimed_at)
      VALUES (@messageId, @fingerprint, @name, @publisher, @via, @now) ON CONFLICT DO NOTHING`),
    find: database.prepare(`${SELECT} WHERE message_id = ?`) as Statement<[string], Row>,
    open: database.prepare(`${SELECT} WHERE finished_at IS NULL ORDER BY claimed_at, rowid`) as Statement<[], Row>,
    finish: database.prepare(`
      UPDATE execution SET finished_at = @now, outcome = @outcome, text = @text, checksum = @checksum
      WHERE message_id = @messageId AND finished_at IS NULL`),
    forget: database.prepare<[number, number]>(`
      DELETE FROM execution WHERE rowid IN (
        SELECT rowid FROM execution WHERE finished_at < ? ORDER BY finished_at LIMIT ?)`),
  }
}
