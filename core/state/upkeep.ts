import type { StateBackend, StateEntry } from '../state.ts'
import type { Lateness } from './lateness.ts'

/**
 * What the one plugin may do to the state that sees to it that instances hold the same, and that what was deleted is
 * forgotten one day. Rejects as the backend does; `SLP_STATE_FAILED` when there is none.
 */
export interface StateUpkeep {
  /**
   * Writes that are older than this version and come as messages from now on are superseded, whatever stands there; publishers
   * of such are told `STALE`. Resolves when what came before that is joined. Never goes back; a restart forgets it.
   */
  promise(before: string): Promise<void>
  swap: StateBackend['swap']
  purgeTombstones: StateBackend['purgeTombstones']
  note: StateBackend['note']
  keepNote: StateBackend['keepNote']
}

export interface StateUpkeepContext {
  readonly lateness: Lateness
  /** Throws when there is none. */
  readonly backend: () => StateBackend
  readonly failed: (error: unknown) => void
}

export function stateUpkeep({ lateness, backend, failed }: StateUpkeepContext): StateUpkeep {
  const on = async <Result>(work: (backend: StateBackend) => Promise<Result>): Promise<Result> => {
    try {
      return await work(backend())
    } catch (error) {
      failed(error)
      throw error
    }
  }
  return Object.freeze({
    promise: (before: string) => lateness.promise(before),
    swap: (expected: StateEntry | undefined, next: StateEntry | undefined) => {
      return on((state) => state.swap(expected as StateEntry, next as undefined))
    },
    purgeTombstones: (before: string, limit: number) => on((state) => state.purgeTombstones(before, limit)),
    note: (name: string) => on((state) => state.note(name)),
    keepNote: (name: string, text: string) => on((state) => state.keepNote(name, text)),
  })
}
