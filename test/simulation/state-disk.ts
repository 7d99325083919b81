import type { StateBackend, StateContext, StateEntry, StateOutcome } from '../../core/index.ts'

/** What an observer is told of the state of an instance: only what has become durable. */
export interface StateObserver {
  joined(host: string, deltas: readonly StateEntry[]): void
  /** There is nothing on it any more. */
  wiped(host: string): void
}

/** The state that one instance has on disk. It survives every crash, and is gone when the disk is. */
export class StateDisk {
  readonly host: string
  readonly #make: () => StateBackend
  readonly #observer: StateObserver
  #context: StateContext | undefined
  backend: StateBackend
  /** Whether it may have changed since that was last asked. */
  changed = true

  constructor(host: string, make: () => StateBackend, observer: StateObserver) {
    this.host = host
    this.#make = make
    this.#observer = observer
    this.backend = make()
  }

  async open(context: StateContext): Promise<void> {
    this.#context = context
    await this.backend.open(context)
  }

  async join(deltas: readonly StateEntry[]): Promise<readonly StateOutcome[]> {
    const outcomes = await this.backend.join(deltas)
    this.#observer.joined(this.host, deltas)
    this.changed = true
    return outcomes
  }

  async swap(expected: StateEntry | undefined, next: StateEntry | undefined): Promise<boolean> {
    this.changed = true
    return this.backend.swap(expected as StateEntry, next as undefined)
  }

  async purgeTombstones(beforeVersion: string, limit: number): Promise<number> {
    this.changed = true
    return this.backend.purgeTombstones(beforeVersion, limit)
  }

  /** All of it, also while the instance is down. */
  async entries(): Promise<readonly StateEntry[]> {
    if (!this.#context) return []
    await this.backend.open(this.#context)
    return this.backend.scan(undefined, { entries: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY })
  }

  wipe(): void {
    this.backend = this.#make()
    this.changed = true
    this.#observer.wiped(this.host)
  }
}
