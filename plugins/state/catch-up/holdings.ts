import { hash } from 'node:crypto'
import {
  bucketOf,
  type Kernel,
  publicPart,
  remembers,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateReader,
} from '../../../core/index.ts'
import { Snapshot } from './snapshot.ts'

/** What is read of the state at once: some milliseconds. */
const PAGE: StateLimit = Object.freeze({ entries: 500, bytes: 1024 * 1024 })

/** What this instance holds of what is for everybody. */
export class Holdings {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Digests of all entries, and of what these remember, which the digests of the backend leave out. */
  async snapshot(): Promise<Snapshot> {
    const digests = (await this.#state.digests()).slice()
    for await (const entry of this.#state.remembered()) {
      const shown = publicPart(entry)
      if (shown && remembers(shown)) digests[bucketOf(shown)] = (digests[bucketOf(shown)] ?? 0n) ^ digestOfGone(shown)
    }
    return new Snapshot(digests)
  }

  /** All entries of these buckets, page by page. */
  async *in(buckets: readonly number[]): AsyncGenerator<StateEntry> {
    let after: StateKey | undefined
    for (;;) {
      const page = await this.#state.entriesIn(buckets, after, PAGE)
      after = page.at(-1)
      if (!after) return
      for (const entry of page) {
        const shown = publicPart(entry)
        if (shown) yield shown
      }
    }
  }

  async read(keys: readonly StateKey[]): Promise<readonly StateEntry[]> {
    const entries = await this.#state.read(keys)
    return entries.map((entry) => entry && publicPart(entry)).filter((entry) => entry !== undefined)
  }

  /** Joins what the other side gave; resolves to how much of it changed something, or holds already. */
  async join(entries: readonly StateEntry[]): Promise<number> {
    const outcomes = await this.#kernel.joinState(entries)
    return outcomes.filter((outcome) => outcome === 'applied').length
  }

  get #state(): StateReader {
    if (!this.#kernel.state) throw new Error('nothing keeps state here')
    return this.#kernel.state
  }
}

/** 64 bits, of that part of an entry that only remembers what is gone. */
function digestOfGone(entry: StateEntry): bigint {
  const { space, key, shape, version } = entry
  const gone =
    entry.shape === 'weights'
      ? [
          entry.floor,
          entry.members.filter(({ weight }) => weight === null).map(({ member, version }) => [member, version]),
        ]
      : [version]
  return BigInt(`0x${hash('sha256', JSON.stringify([space, key, shape, gone]), 'hex').slice(0, 16)}`)
}
