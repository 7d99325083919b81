import type { GroupCommit } from './group-commit.ts'
import { linkLimits } from './protocol/limits.ts'
import { scanMembers } from './protocol/scan.ts'
import type { Recipients } from './recipients.ts'
import type { FrozenReplay, ReplayEnding, ReplayId, ReplayJob, ReplayOrder } from './replay.ts'
import type { DeadLetterFilter, DeadLetterId, DeadLetterList, DeadLetterPage, RecipientKey, Store } from './store.ts'

export interface DeadLettersContext {
  readonly store: () => Store
  readonly recipients: () => Recipients
  readonly group: GroupCommit
}

/** Deliveries that were given up, for those who decide what becomes of them. */
export class DeadLetters {
  readonly #context: DeadLettersContext

  constructor(context: DeadLettersContext) {
    this.#context = context
  }

  /** Those that match, oldest first, without values; and how many match in all. */
  list(filter: DeadLetterFilter, page: DeadLetterPage): Promise<DeadLetterList> {
    return this.#store.deadLetters(filter, page)
  }

  /** The JSON of the `value` of its message, as it was published; undefined when there is none. Not for logs. */
  async value(id: DeadLetterId): Promise<string | undefined> {
    const text = await this.#store.deadLetterText(id)
    const value = text === undefined ? undefined : scanMembers(text, linkLimits.maxDepth).get('value')
    return value && text?.slice(value.valueStart, value.end)
  }

  /** Forgets them for good. Resolves to how many there were. */
  discard(ids: readonly DeadLetterId[]): Promise<number> {
    return this.#store.discardDeadLetters(ids)
  }

  /** Selects dead letters that are to be delivered again, and freezes the selection: a job, of which nothing is done yet. */
  freeze(order: ReplayOrder): Promise<FrozenReplay> {
    return this.#store.createReplay(order)
  }

  /**
   * Delivers the next ones of a job's selection again, `limit` at most, with their original ids, to the recipients that they
   * were for. When the store fails, it is open which of them; nothing is lost by asking again, and nothing goes twice. Does
   * nothing as long as it is open what is dead, because the store could not say.
   */
  replayNext(replay: ReplayId, limit: number): Promise<void> {
    // A death of which this side is not told yet would be confused with the new life of that delivery.
    return this.#context.group.between(() => this.#replayNext(replay, limit))
  }

  /** Ends a job before it is done. What is left of its selection stays dead. */
  endReplay(replay: ReplayId, ending: ReplayEnding): Promise<void> {
    return this.#store.endReplay(replay, ending)
  }

  /** Replay jobs, newest first: the unfinished ones, and the newest that have ended. */
  replays(): Promise<readonly ReplayJob[]> {
    return this.#store.replays()
  }

  /** One replay job, as it stands; undefined when it is not known (any more). */
  replayJob(replay: ReplayId): Promise<ReplayJob | undefined> {
    return this.#store.replayJob(replay)
  }

  async #replayNext(replay: ReplayId, limit: number): Promise<void> {
    if (this.#context.group.isDoubtful) return
    const recipients = this.#context.recipients()
    const selected = await this.#store.replaySelection(replay, limit)
    const places = placesOf(selected)
    for (const key of places.keys()) recipients.outboxOf(key)?.awaitRevival()
    // As long as the store has not said otherwise, each of them may be a delivery.
    let revived = places
    try {
      const ids = selected.map(({ id }) => id)
      revived = placesOf(await this.#store.reviveDeadLetters(replay, ids))
    } finally {
      for (const key of places.keys()) recipients.outboxOf(key)?.revive(revived.get(key) ?? [])
    }
  }

  get #store(): Store {
    return this.#context.store()
  }
}

interface Placed {
  readonly recipient: RecipientKey
  readonly seq: number | undefined
}

function placesOf(deliveries: readonly Placed[]): ReadonlyMap<RecipientKey, readonly number[]> {
  const places = new Map<RecipientKey, number[]>()
  for (const { recipient, seq } of deliveries) {
    if (seq === undefined) continue
    const known = places.get(recipient)
    if (known) known.push(seq)
    else places.set(recipient, [seq])
  }
  return places
}
