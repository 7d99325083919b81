import type { Meeting, SessionFigures } from './session.ts'

/** Peers of which it is remembered what was compared last. The oldest is forgotten first, and compared with anew. */
const MAX_PEERS = 1_024

/** What catch-up has done since the start. */
export interface CatchUpFigures extends Readonly<SessionFigures> {
  /** Sessions that this instance began and that are not over. */
  readonly running: number
  readonly completed: number
  readonly failed: number
}

interface Known {
  readonly meeting: Meeting
  readonly at: number
}

export const newFigures = (): SessionFigures => ({ received: 0, applied: 0, sent: 0, tooLarge: 0, bytes: 0 })

/** What came of the sessions with each peer. */
export class Progress {
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  readonly #running = new Set<SessionFigures>()
  /** Of sessions that are over, and of what others gave in theirs. */
  readonly #past = newFigures()
  #begun = 0
  #completed = 0
  #failed = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get figures(): CatchUpFigures {
    const sums = { ...this.#past }
    for (const figures of this.#running) add(sums, figures)
    return { ...sums, running: this.#running.size, completed: this.#completed, failed: this.#failed }
  }

  /** When the last session with that peer was completed, in milliseconds since the epoch. */
  completedAt(peer: string): number | undefined {
    return this.#known.get(peer)?.at
  }

  /** What the last session with that peer began with, if it was completed. */
  last(peer: string): Meeting | undefined {
    return this.#known.get(peer)?.meeting
  }

  /** The figures of a session that begins; it fills them in as it goes. */
  begin(): { readonly figures: SessionFigures; readonly number: number } {
    const figures = newFigures()
    this.#running.add(figures)
    return { figures, number: this.#begun++ }
  }

  completed(peer: string, meeting: Meeting, figures: SessionFigures): void {
    this.#end(figures)
    this.#completed++
    this.#known.delete(peer)
    this.#known.set(peer, { meeting, at: this.#now() })
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_PEERS && oldest !== undefined) this.#known.delete(oldest)
  }

  failed(figures: SessionFigures): void {
    this.#end(figures)
    this.#failed++
  }

  /** Somebody else gave these in a session of its own. */
  received(entries: number, applied: number): void {
    this.#past.received += entries
    this.#past.applied += applied
  }

  #end(figures: SessionFigures): void {
    this.#running.delete(figures)
    add(this.#past, figures)
  }
}

function add(sums: SessionFigures, { received, applied, sent, tooLarge, bytes }: SessionFigures): void {
  sums.received += received
  sums.applied += applied
  sums.sent += sent
  sums.tooLarge += tooLarge
  sums.bytes += bytes
}
