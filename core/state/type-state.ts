import type { Message } from '../message.ts'
import type { StateBackend, StateEntry, StateOutcome } from '../state.ts'
import { versionOf, versionOfBoth } from './audience.ts'
import { bodyText } from './body-text.ts'
import { weightsOf } from './join.ts'
import type { Lateness } from './lateness.ts'
import { update } from './update.ts'

/** The state as one message type writes it: the keys of its space. */
export interface TypeState<Body = Readonly<Record<string, unknown>>> {
  /**
   * Of each key, keeps the value with the greatest version. The value is the message's member `value` as it was published,
   * or, of a type without one, its body; unless `textOf` gives another JSON text.
   */
  putNewest(
    messages: readonly Message<Body>[],
    keyOf: (message: Message<Body>) => string,
    textOf?: (message: Message<Body>) => string,
  ): Promise<readonly StateOutcome[]>
  /** Joins what messages say of keys; resolves to what became of each. */
  join(changes: readonly StateChange<Body>[]): Promise<readonly StateOutcome[]>
  /**
   * Changes the value of a key by what it is, with compare-and-set. `change` is given the JSON text that is there and gives
   * the next one; undefined, or the same, changes nothing. It may be called several times.
   */
  update(
    key: string,
    change: (current: string | undefined) => string | undefined,
    message: Message<Body>,
  ): Promise<StateOutcome>
  /** What is known of a key; a tombstone, if it was deleted. */
  read(key: string): Promise<StateEntry | undefined>
}

/** What a message says of a key. Texts are JSON, as they were published. */
export type StateChange<Body = Readonly<Record<string, unknown>>> = {
  /** Its version counts. */
  readonly message: Message<Body>
  readonly key: string
} & (
  | { readonly shape: 'value' | 'array' | 'own'; readonly value: string }
  | { readonly shape: 'tombstone' }
  | { readonly shape: 'weights'; readonly members: readonly MemberChange[] }
)

export interface MemberChange {
  readonly member: string
  /** The text of a number; null removes the member. */
  readonly weight: string | null
}

/** One type's view for one call of its `apply`, with a note of the messages that came too late. */
export class TrackedState implements TypeState<never> {
  readonly #backend: StateBackend
  readonly #space: string
  readonly #lateness: Lateness
  readonly #said: Said[] = []

  constructor(backend: StateBackend, space: string, lateness: Lateness) {
    this.#backend = backend
    this.#space = space
    this.#lateness = lateness
  }

  /** Messages of which nothing holds, whatever keys they spoke of, because something newer was there. */
  get superseded(): ReadonlySet<Message> {
    const late = new Set<Message>()
    // Hardly ever is any: nothing is noted of those that apply.
    if (!this.#said.some(({ outcomes }) => outcomes.includes('superseded'))) return late
    for (const said of this.#said) for (const message of thoseOf(said, 'superseded')) late.add(message)
    for (const said of this.#said) for (const message of thoseOf(said, 'applied')) late.delete(message)
    return late
  }

  putNewest(
    messages: readonly Message<never>[],
    keyOf: (message: Message<never>) => string,
    textOf: (message: Message<never>) => string = bodyText,
  ): Promise<readonly StateOutcome[]> {
    const space = this.#space
    return this.#join(
      messages,
      messages.map((message) =>
        changeOf(space, { message, key: keyOf(message), shape: 'value', value: textOf(message) }),
      ),
    )
  }

  join(changes: readonly StateChange<never>[]): Promise<readonly StateOutcome[]> {
    return this.#join(
      changes.map(({ message }) => message),
      changes.map((change) => changeOf(this.#space, change)),
    )
  }

  async update(
    key: string,
    change: (current: string | undefined) => string | undefined,
    message: Message<never>,
  ): Promise<StateOutcome> {
    const space = this.#space
    const version = versionOf(message)
    let isRepetition = false
    const changed = await update(this.#backend, { space, key }, (current) => {
      const before = current && 'value' in current ? current.value : undefined
      const value = change(before)
      isRepetition = current?.version === version
      if (value === undefined || value === before) return undefined
      return { space, key, shape: 'own', version: versionOfBoth(current?.version ?? '', version), value }
    })
    const outcome = changed || isRepetition ? 'applied' : 'superseded'
    this.#said.push({ messages: [message], outcomes: [outcome] })
    return outcome
  }

  async read(key: string): Promise<StateEntry | undefined> {
    const [entry] = await this.#backend.read([{ space: this.#space, key }])
    return entry
  }

  /** Joins what each of the messages says, unless it is too late; nothing is what one says of no member. */
  async #join(
    messages: readonly Message[],
    deltas: readonly (StateEntry | undefined)[],
  ): Promise<readonly StateOutcome[]> {
    const said = deltas.filter((delta) => delta !== undefined)
    const late = new Set(said.filter(({ shape, version }) => shape !== 'own' && this.#lateness.isLate(version)))
    const inTime = said.filter((delta) => !late.has(delta))
    const joined = await this.#lateness.during(this.#backend.join(inTime))
    let next = 0
    const outcomes = deltas.map((delta) => {
      if (!delta) return 'applied'
      return late.has(delta) ? 'superseded' : (joined[next++] as StateOutcome)
    })
    this.#said.push({ messages, outcomes })
    return outcomes
  }
}

/** What one call has made of each message. */
interface Said {
  readonly messages: readonly Message[]
  readonly outcomes: readonly StateOutcome[]
}

function thoseOf({ messages, outcomes }: Said, outcome: StateOutcome): readonly Message[] {
  return messages.filter((_, index) => outcomes[index] === outcome)
}

/** The write that it is; undefined when it says nothing. */
export function changeOf(space: string, change: StateChange<unknown>): StateEntry | undefined {
  const { key, message } = change
  const version = versionOf(message)
  if (change.shape === 'tombstone') return { space, key, shape: 'tombstone', version }
  if (change.shape !== 'weights') return { space, key, shape: change.shape, version, value: change.value }
  return weightsOf(
    space,
    key,
    change.members.map((member) => ({ ...member, version })),
  )
}
