import type { RecipientKey, Settlement } from '../../../core/index.ts'
import type { Database, Statement } from './database.ts'
import type { Queues } from './queues.ts'
import type { Tally } from './tally.ts'

/** Removes settled deliveries, neighbours with one statement: a range costs a fifth of row by row. */
export class Settlements {
  readonly #queues: Queues
  readonly #removeRun: Statement<[queue: number, first: number, last: number]>
  readonly #countSuperseded: Statement<[queue: number, seq: number]>

  constructor(database: Database, queues: Queues) {
    this.#queues = queues
    this.#removeRun = database.prepare('DELETE FROM delivery WHERE queue = ? AND seq BETWEEN ? AND ?')
    this.#countSuperseded = database.prepare(`
      UPDATE replay SET superseded = superseded + 1
      WHERE id = (SELECT replay FROM delivery WHERE queue = ? AND seq = ?)`)
  }

  /** Counts the rows that went: a delivery may have been settled before. */
  remove(settlements: readonly Settlement[], tally: Tally): void {
    for (const { recipient, seq, superseded } of settlements) if (superseded) this.#supersede(recipient, seq)
    for (const [recipient, places] of byRecipient(settlements)) {
      const queue = this.#queues.of(recipient)
      if (queue === undefined) continue
      let count = 0
      for (const [first, last] of runs(places)) count += this.#removeRun.run(queue, first, last).changes
      if (count > 0) tally.leave(recipient, 'acked', count)
    }
  }

  /** A replay job that had revived the delivery takes note. */
  #supersede(recipient: RecipientKey, seq: number): void {
    const queue = this.#queues.of(recipient)
    if (queue !== undefined) this.#countSuperseded.run(queue, seq)
  }
}

function byRecipient(settlements: readonly Settlement[]): Map<RecipientKey, number[]> {
  const places = new Map<RecipientKey, number[]>()
  for (const { recipient, seq } of settlements) {
    const known = places.get(recipient)
    if (known) known.push(seq)
    else places.set(recipient, [seq])
  }
  return places
}

/** The numbers as runs of consecutive ones. */
function* runs(numbers: number[]): Generator<[first: number, last: number]> {
  numbers.sort((one, other) => one - other)
  let first = numbers[0] as number
  let last = first
  for (const number of numbers) {
    if (number > last + 1) {
      yield [first, last]
      first = number
    }
    last = number
  }
  yield [first, last]
}
