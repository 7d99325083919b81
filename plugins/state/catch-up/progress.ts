import type { Runtime } from '../../../core/index.ts'
import type { Meeting, SessionFigures } from './session.ts'

/** Peers of which it is remembered what was compared last. The oldest is forgotten first, and compared with anew. */
const MAX_PEERS = 1_024

/** How long it is taken for granted that what is for some only has not become another, in milliseconds: finding out is a look at everything. */
const SHARED_EVERY_MS = 60 * 60 * 1_000

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
  /** With whom what is for some only was compared, and when. */
  readonly shared?: { readonly bearer: string; readonly at: number } | undefined
}

export const newFigures = (): SessionFigures => ({
  received: 0,
  applied: 0,
  sent: 0,
  dropped: 0,
  tooLarge: 0,
  bytes: 0,
})

/** What came of the sessions with each peer. */
export class Progress {
  readonly #runtime: Pick<Runtime, 'now' | 'monotonic'>
  readonly #known = new Map<string, Known>()
  readonly #running = new Set<SessionFigures>()
  /** Of sessions that are over, and of what others gave in theirs. */
  readonly #past = newFigures()
  #begun = 0
  #completed = 0
  #failed = 0

  constructor(runtime: Pick<Runtime, 'now' | 'monotonic'>) {
    this.#runtime = runtime
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

  /**
   * Whether what is for some only is to be compared with that peer: when it was not for an hour, or when the peer's data began
   * anew or it bears other tags since. What is written meanwhile comes as messages.
   */
  isSharedDue(peer: string, { epoch, tags }: Meeting): boolean {
    if (!tags) return false
    const { bearer, at = 0 } = this.#known.get(peer)?.shared ?? {}
    return bearer !== bearerOf({ epoch, tags }) || this.#runtime.monotonic() - at >= SHARED_EVERY_MS
  }

  /** What is for some only is the same as that peer's now. */
  sharedWith(peer: string, meeting: Meeting): void {
    const known = this.#known.get(peer)
    if (known) this.#known.set(peer, { ...known, shared: { bearer: bearerOf(meeting), at: this.#runtime.monotonic() } })
  }

  /** Something for some only came from that peer: all others may lack it. */
  sharedFrom(peer: string): void {
    for (const [name, known] of this.#known) if (name !== peer) this.#known.set(name, { ...known, shared: undefined })
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
    const shared = this.#known.get(peer)?.shared
    this.#known.delete(peer)
    this.#known.set(peer, { meeting, at: this.#runtime.now(), shared })
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

function add(sums: SessionFigures, { received, applied, sent, dropped, tooLarge, bytes }: SessionFigures): void {
  sums.received += received
  sums.applied += applied
  sums.sent += sent
  sums.dropped += dropped
  sums.tooLarge += tooLarge
  sums.bytes += bytes
}

function bearerOf({ epoch, tags = [] }: Pick<Meeting, 'epoch' | 'tags'>): string {
  return JSON.stringify([epoch, ...tags])
}
