import assert from 'node:assert/strict'
import { type JoinTexts, weightsOf } from '../state/join.ts'
import {
  SHARED_SPACE,
  type StateBackend,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateOutcome,
  type ValueEntry,
  type WeightsEntry,
} from '../state.ts'
import { ManualRuntime } from './manual-runtime.ts'

/** Data of its own for one case of the suite. */
export interface StateUnderTest {
  /**
   * A backend over the data, not opened yet. Each call gives another instance over the same data; a backend that lives in
   * one object gives that object again.
   */
  instance(): StateBackend
  /** Removes the data. Every instance has been closed. */
  destroy(): Promise<void>
}

export interface StateCase {
  /** What is promised. */
  readonly name: string
  /** Rejects when the promise is broken. */
  run(): Promise<void>
}

/** A case in the making: what it promises, and what must then hold of an opened backend. */
export type TryingState = (trial: StateTrial) => Promise<void>

/** The space of a type whose texts are joined: sorted letters, each once. */
export const LETTERS = 'letters'

export const ALL: StateLimit = Object.freeze({ entries: 1_000, bytes: 10_000_000 })

/** A stamp: later numbers are later writes. */
export const at = (n: number) => `${String(n).padStart(13, '0')}-00000-origin`

export const place = (key: string, space = SHARED_SPACE): StateKey => ({ space, key })

export const value = (key: string, n: number, text = `"${key} ${n}"`): ValueEntry => ({
  ...place(key),
  shape: 'value',
  version: at(n),
  value: text,
})

export const array = (key: string, n: number, text = `["${key}",${n}]`): ValueEntry => ({
  ...value(key, n, text),
  shape: 'array',
})

export const deleted = (key: string, n: number): StateEntry => ({ ...place(key), shape: 'tombstone', version: at(n) })

/** Members as one write sets them: `{ a: '1', b: null }`. */
export function weights(key: string, n: number, members: Readonly<Record<string, string | null>>): WeightsEntry {
  const written = Object.entries(members).map(([member, weight]) => ({ member, weight, version: at(n) }))
  return weightsOf(SHARED_SPACE, key, written) ?? assert.fail('no members')
}

export const letters = (key: string, n: number, text: string): ValueEntry => ({
  ...place(key, LETTERS),
  shape: 'own',
  version: at(n),
  value: JSON.stringify(text),
})

const joinLetters: JoinTexts = (one, other) =>
  JSON.stringify([...new Set(`${one}${other}`)].sort().join('').replaceAll('"', ''))

export const joinedBy = (space: string) => (space === LETTERS ? joinLetters : undefined)

/** A backend at work, with the words in which the cases speak of it. */
export class StateTrial {
  readonly runtime = new ManualRuntime()
  readonly #subject: StateUnderTest
  readonly #opened = new Set<StateBackend>()
  #backend: StateBackend | undefined

  constructor(subject: StateUnderTest) {
    this.#subject = subject
  }

  get backend(): StateBackend {
    return this.#backend ?? assert.fail('the case has not opened the backend')
  }

  async open(): Promise<StateBackend> {
    const backend = this.#subject.instance()
    await backend.open({ runtime: this.runtime, joinedBy })
    this.#opened.add(backend)
    this.#backend = backend
    return backend
  }

  async reopen(): Promise<StateBackend> {
    await this.backend.close()
    return this.open()
  }

  async end(): Promise<void> {
    for (const backend of this.#opened) await backend.close()
    await this.#subject.destroy()
  }

  join(...deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    return this.backend.join(deltas)
  }

  /** Joins one after the other, each by itself. */
  async joinEach(...deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    const outcomes: StateOutcome[] = []
    for (const delta of deltas) outcomes.push(...(await this.join(delta)))
    return outcomes
  }

  async read(key: string, space?: string): Promise<StateEntry | undefined> {
    const [entry] = await this.backend.read([place(key, space)])
    return entry
  }

  /** The digests of buckets that hold something, by bucket. */
  async digests(): Promise<ReadonlyMap<number, bigint>> {
    const digests = await this.backend.digests()
    return new Map(
      [...digests].map((digest, bucket) => [bucket, digest] as const).filter(([, digest]) => digest !== 0n),
    )
  }

  /** Everything there is, page by page. */
  async all(limit: StateLimit = ALL): Promise<readonly StateEntry[]> {
    return this.#pages((after) => this.backend.scan(after, limit))
  }

  async allIn(buckets: readonly number[], limit: StateLimit = ALL): Promise<readonly StateEntry[]> {
    return this.#pages((after) => this.backend.entriesIn(buckets, after, limit))
  }

  async #pages(next: (after: StateKey | undefined) => Promise<readonly StateEntry[]>): Promise<readonly StateEntry[]> {
    const all: StateEntry[] = []
    for (;;) {
      const page = await next(all.at(-1))
      if (page.length === 0) return all
      all.push(...page)
    }
  }
}

/** Cases that each run on fresh data. */
export function stateCases(
  makeState: () => StateUnderTest,
  tries: Readonly<Record<string, TryingState>>,
): readonly StateCase[] {
  return Object.entries(tries).map(([name, attempt]) => ({
    name,
    async run() {
      const trial = new StateTrial(makeState())
      try {
        await attempt(trial)
      } finally {
        await trial.end()
      }
    },
  }))
}
