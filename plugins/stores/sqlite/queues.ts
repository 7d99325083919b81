import type { RecipientKey } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'

/**
 * Under which number the deliveries of each recipient stand. Forgetting them gives the recipient another number, or none:
 * at once, however many they are. What stands under a number of nobody is found by nobody but `purge`.
 */
export class Queues {
  readonly #statements: ReturnType<typeof prepare>
  #numbers: ReadonlyMap<RecipientKey, number> = new Map()

  constructor(database: Database) {
    this.#statements = prepare(database)
    this.reload()
  }

  /** Undefined for a recipient that is not remembered (any more). */
  of(recipient: RecipientKey): number | undefined {
    return this.#numbers.get(recipient)
  }

  /** Takes note of what a transaction has changed, committed or not. */
  reload(): void {
    this.#numbers = new Map(this.#statements.all.all())
  }

  /** Gives a recipient its number, unless it has one; within a transaction. */
  open(recipient: RecipientKey): void {
    this.#statements.open.run(recipient)
  }

  /** Leaves what stands under a recipient's number to nobody; within a transaction. */
  leave(recipient: RecipientKey): void {
    this.#statements.leave.run(recipient)
  }

  /** Removes deliveries of nobody, as many at most; within a transaction. Returns how many. */
  purge(limit: number): number {
    const { orphan, removeSome, close } = this.#statements
    const queue = orphan.get()
    if (queue === undefined) return 0
    const { changes } = removeSome.run({ queue, limit })
    if (changes < limit) close.run(queue)
    return changes
  }
}

function prepare(database: Database) {
  return {
    all: database
      .prepare<[], [RecipientKey, number]>('SELECT recipient, number FROM queue WHERE recipient IS NOT NULL')
      .raw() as Statement<[], [RecipientKey, number]>,
    open: database.prepare<[RecipientKey]>('INSERT INTO queue (recipient) VALUES (?) ON CONFLICT DO NOTHING'),
    leave: database.prepare<[RecipientKey]>('UPDATE queue SET recipient = NULL WHERE recipient = ?'),
    orphan: database
      .prepare<[], number>('SELECT number FROM queue WHERE recipient IS NULL LIMIT 1')
      .pluck() as Statement<[], number>,
    removeSome: database.prepare<[{ queue: number; limit: number }]>(`
      DELETE FROM delivery WHERE queue = @queue AND seq <= (
        SELECT max(seq) FROM (SELECT seq FROM delivery WHERE queue = @queue ORDER BY seq LIMIT @limit))`),
    close: database.prepare<[number]>('DELETE FROM queue WHERE number = ?'),
  }
}
