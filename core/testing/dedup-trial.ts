import assert from 'node:assert/strict'
import type { DedupBackend, DedupContext } from '../dedup.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Data of its own for one case of the suite. */
export interface DedupUnderTest {
  /** What the backend is opened with. */
  readonly runtime: Runtime
  /**
   * A backend over the data, not opened yet. Each call gives another instance over the same data; a backend that lives in one
   * object gives that object again, which holds to what it was opened with last.
   */
  instance(): DedupBackend
  /** Resolves when so much time has passed for the backend, by whatever clock it goes. */
  pass(milliseconds: number): Promise<void>
  /** Removes the data. Every instance has been closed. */
  destroy(): Promise<void>
}

export interface DedupCase {
  /** What is promised. */
  readonly name: string
  /** Rejects when the promise is broken. */
  run(): Promise<void>
}

/** A case in the making: what it promises, and what must then hold of a backend. */
export type TryingDedup = (trial: DedupTrial) => Promise<void>

type Terms = Pick<DedupContext, 'leaseMs' | 'ttlMs'>

/** Longer than any case takes, and short enough to be waited for. */
export const LONG_MS = 60 * 60 * 1_000
export const SHORT_MS = 50

/** Backends at work, with the words in which the cases speak of them. */
export class DedupTrial {
  readonly #subject: DedupUnderTest
  readonly #opened = new Set<DedupBackend>()

  constructor(subject: DedupUnderTest) {
    this.#subject = subject
  }

  async open({ leaseMs = LONG_MS, ttlMs = LONG_MS }: Partial<Terms> = {}): Promise<DedupBackend> {
    const backend = this.#subject.instance()
    await backend.open({ runtime: this.#subject.runtime, leaseMs, ttlMs })
    this.#opened.add(backend)
    return backend
  }

  async reopen(backend: DedupBackend): Promise<DedupBackend> {
    await backend.close()
    return this.open()
  }

  pass(milliseconds: number): Promise<void> {
    return this.#subject.pass(milliseconds)
  }

  async end(): Promise<void> {
    for (const backend of this.#opened) await backend.close()
    await this.#subject.destroy()
  }
}

/** Claims a key that must be free, and returns the token. */
export async function claimed(backend: DedupBackend, key: string): Promise<number> {
  const verdict = await backend.claim(key)
  return verdict.status === 'claimed' ? verdict.token : assert.fail(`${key} is ${verdict.status}`)
}

/** Cases that each run on fresh data. */
export function dedupCases(
  makeBackend: () => DedupUnderTest,
  tries: Readonly<Record<string, TryingDedup>>,
): readonly DedupCase[] {
  return Object.entries(tries).map(([name, attempt]) => ({
    name,
    async run() {
      const trial = new DedupTrial(makeBackend())
      try {
        await attempt(trial)
      } finally {
        await trial.end()
      }
    },
  }))
}
