import type {
  Attempts,
  DeadLetter,
  DeadLetterFilter,
  DeadLetterId,
  DeadLetterList,
  DeadLetterPage,
  DeadReason,
  RecipientKey,
  ReplayId,
  SelectedLetter,
  StoredMessage,
} from '../../../core/index.ts'
import type { Selectable } from './replays.ts'

/** What is kept of a delivery that was given up. */
export interface Grave {
  readonly recipient: RecipientKey
  readonly seq: number | undefined
  /** The one that it died in. */
  readonly lane: number
  readonly reason: DeadReason
  readonly error: string
  readonly attempts: Attempts
  readonly plugin: string
  readonly pluginVersion: string | undefined
  readonly diedAt: number
  readonly count: number
  /** The unfinished job that has selected it. */
  readonly replay?: ReplayId | undefined
}

/** How the message and the name of a dead letter are found. */
export interface Lookup {
  message(seq: number): StoredMessage
  name(key: RecipientKey): string
}

/** The dead letters, by their id, oldest first. */
export class KeptDeadLetters implements Selectable {
  readonly #graves = new Map<DeadLetterId, Grave>()
  readonly #lookup: Lookup
  #lastId = 0

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get size(): number {
    return this.#graves.size
  }

  get all(): Iterable<Grave> {
    return this.#graves.values()
  }

  at(id: DeadLetterId): Grave | undefined {
    return this.#graves.get(id)
  }

  add(grave: Grave): void {
    this.#graves.set(++this.#lastId, grave)
  }

  remove(ids: readonly DeadLetterId[]): number {
    return ids.filter((id) => this.#graves.delete(id)).length
  }

  /** Those of one key belong to another one from now on. */
  move(from: RecipientKey, to: RecipientKey): void {
    for (const [id, grave] of this.#graves)
      if (grave.recipient === from) this.#graves.set(id, { ...grave, recipient: to })
  }

  diedBefore(time: number, limit: number): DeadLetterId[] {
    const ids = [...this.#graves].filter(([, { diedAt }]) => diedAt < time).map(([id]) => id)
    return ids.slice(0, limit)
  }

  list(filter: DeadLetterFilter, { after = 0, limit }: DeadLetterPage): DeadLetterList {
    const matching = this.#matching(filter)
    return { total: matching.length, items: matching.filter(({ id }) => id > after).slice(0, limit) }
  }

  free(filter: DeadLetterFilter): readonly DeadLetterId[] {
    const ids = this.#matching(filter).map(({ id }) => id)
    return this.#inOrder(ids.filter((id) => this.at(id)?.replay === undefined)).map(({ id }) => id)
  }

  select(ids: readonly DeadLetterId[], replay: ReplayId | undefined): void {
    for (const id of ids) this.#graves.set(id, { ...(this.at(id) as Grave), replay })
  }

  selected(replay: ReplayId): readonly SelectedLetter[] {
    return this.#inOrder([...this.#graves.keys()].filter((id) => this.at(id)?.replay === replay))
  }

  release(ids: readonly DeadLetterId[]): void {
    this.select(ids, undefined)
  }

  #matching(filter: DeadLetterFilter): readonly DeadLetter[] {
    const letters = [...this.#graves].map(([id, grave]) => this.#letter(id, grave))
    return letters.filter((letter) => matches(letter, filter))
  }

  /** Those with the oldest places first; before them, what has none. */
  #inOrder(ids: readonly DeadLetterId[]): readonly SelectedLetter[] {
    const letters = ids.map((id) => ({ id, ...(this.at(id) as Grave) }))
    letters.sort((one, other) => (one.seq ?? 0) - (other.seq ?? 0) || one.id - other.id)
    return letters.map(({ id, recipient, seq }) => ({ id, recipient, seq }))
  }

  #letter(id: DeadLetterId, { seq, recipient, lane: _, replay: __, ...rest }: Grave): DeadLetter {
    const message = seq === undefined ? undefined : this.#lookup.message(seq)
    return {
      id,
      messageId: message?.messageId,
      clusterGroupId: message?.clusterGroupId,
      type: message?.type,
      orderingKey: message?.orderingKey,
      path: message?.path ?? [],
      recipient: this.#lookup.name(recipient),
      ...rest,
    }
  }
}

function matches(
  letter: DeadLetter,
  { ids, recipient, type, exceptTypes = [], keyPrefix, reason, diedBefore }: DeadLetterFilter,
): boolean {
  return (
    (ids === undefined || ids.includes(letter.id)) &&
    (recipient === undefined || letter.recipient === recipient) &&
    (type === undefined || letter.type === type) &&
    !exceptTypes.includes(letter.type ?? '') &&
    (keyPrefix === undefined || letter.orderingKey?.startsWith(keyPrefix) === true) &&
    (reason === undefined || letter.reason === reason) &&
    (diedBefore === undefined || letter.diedAt < diedBefore)
  )
}
