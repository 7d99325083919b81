import type { Collapsed, RecipientKey, Spaces } from '../../../core/index.ts'
import { type Shelf, type Shelved, Sweep } from '../sweep.ts'
import type { Database, Statement } from './database.ts'
import type { Ledger } from './ledger.ts'
import type { Queues } from './queues.ts'
import { isIntact, STORED_ROW, type StoredRow } from './stored-row.ts'

interface CollapseParts {
  readonly database: Database
  readonly ledger: Ledger
  readonly queues: Queues
}

/** Text that is read in a row at most, in characters. One message is always read. */
const MAX_CHARACTERS = 1024 ** 2

/** Lets newer writes take the place of older ones. One backlog at a time: turning to another one begins anew. */
export class Collapse {
  readonly #parts: CollapseParts
  readonly #last: Statement<[queue: number], number | null>
  readonly #behind: Statement<[queue: number, after: number, limit: number], StoredRow>
  readonly #at: Statement<[queue: number, seq: number], StoredRow>
  readonly #remove: Statement<[queue: number, seq: number]>
  #sweep: { readonly queue: number; readonly sweep: Sweep } | undefined

  constructor(parts: CollapseParts) {
    const { database } = parts
    this.#parts = parts
    const select = `SELECT ${STORED_ROW} FROM delivery CROSS JOIN message USING (seq) WHERE queue = ?`
    this.#last = database.prepare('SELECT max(seq) FROM delivery WHERE queue = ?').pluck() as Statement<
      [number],
      number | null
    >
    this.#behind = database.prepare(`${select} AND seq > ? ORDER BY seq LIMIT ?`)
    this.#at = database.prepare(`${select} AND seq = ?`)
    this.#remove = database.prepare('DELETE FROM delivery WHERE queue = ? AND seq = ?')
  }

  run(recipient: RecipientKey, spaces: Spaces, limit: number): Collapsed {
    const { ledger, queues } = this.#parts
    const queue = queues.of(recipient)
    if (queue === undefined) return { deliveries: 0, pending: 0, done: true }
    const sweep = this.#sweepOf(queue)
    const { deliveries, done } = ledger.change((tally) => {
      const step = sweep.step(this.#shelf(queue), spaces, limit)
      if (step.deliveries > 0) tally.leave(recipient, 'collapsed', step.deliveries)
      return step
    })
    if (done) this.#sweep = undefined
    return { deliveries, pending: ledger.of(recipient).pending, done }
  }

  #sweepOf(queue: number): Sweep {
    if (this.#sweep?.queue !== queue) this.#sweep = { queue, sweep: new Sweep() }
    return this.#sweep.sweep
  }

  #shelf(queue: number): Shelf {
    return {
      last: () => this.#last.get(queue) ?? 0,
      read: (after, limit) => this.#read(queue, after, limit),
      at: (seq) => {
        const row = this.#at.get(queue, seq)
        return row && waitingOf(row)
      },
      remove: (seq) => this.#remove.run(queue, seq),
    }
  }

  #read(queue: number, after: number, limit: number): readonly Shelved[] {
    const waiting: Shelved[] = []
    let characters = 0
    for (const row of this.#behind.iterate(queue, after, limit)) {
      waiting.push(waitingOf(row))
      characters += row.text.length
      if (characters >= MAX_CHARACTERS) break
    }
    return waiting
  }
}

/** One that was altered on disk is not delivered: neither may it replace another one, nor is it known what it says. */
function waitingOf(row: StoredRow): Shelved {
  return { seq: row.seq, type: row.type, text: isIntact(row) ? row.text : undefined }
}
