import type { Runtime } from './runtime/runtime.ts'

/**
 * What the author of a backend of a deduplicator writes: where it is kept what a receiver has handled. Every sentence here is
 * a test of the conformance suite in `slipstream/testing`.
 *
 * Of each key it is known whether somebody is at work on it (claimed) or has done it (confirmed). Whoever claims it gets a
 * token, which is greater than that of every earlier claim of the key, and holds it for `leaseMs`: what a process that died
 * held is free again after that. Many processes work over the same data at once, each through an instance of its own, unless
 * a backend says that it is for one process alone.
 *
 * A rejected promise says nothing about what was done. Asking again does no harm.
 */
export interface DedupBackend {
  readonly name: string

  /** Opens or creates the data. What was confirmed before is known again; opening again changes `leaseMs` and `ttlMs`. */
  open(context: DedupContext): Promise<void>

  /**
   * Takes a key that is neither confirmed nor held by somebody: of many who ask at once, one gets it. Rejects with
   * `SLP_DEDUP_FULL` when there is no room for it.
   */
  claim(key: string): Promise<DedupVerdict>

  /**
   * Begins the lease anew, also when it is over. Resolves to whether the claim is still there: nobody has claimed the key
   * since, and it was neither confirmed nor released.
   */
  extend(key: string, token: number): Promise<boolean>

  /**
   * Remembers for `ttlMs` that it is done, as surely as the backend remembers anything, also when the lease is over. Resolves
   * to whether the claim was still there, as for `extend`, or was confirmed under this token before.
   */
  confirm(key: string, token: number): Promise<boolean>

  /** Gives the key back, so that it can be claimed at once; does nothing if the claim is no longer there. */
  release(key: string, token: number): Promise<void>

  /** What is known of a key. Changes nothing. A claim whose lease is over is none. */
  find(key: string): Promise<'claimed' | 'confirmed' | undefined>

  /** Closes cleanly; what was claimed stays so until its lease is over. Closing twice does nothing. */
  close(): Promise<void>
}

export interface DedupContext {
  readonly runtime: Runtime
  /** For how long a key is held that was claimed or extended, in milliseconds. */
  readonly leaseMs: number
  /** For how long it is remembered what was confirmed, in milliseconds. Claims that are over are forgotten after that too. */
  readonly ttlMs: number
}

export type DedupVerdict =
  | { readonly status: 'claimed'; readonly token: number }
  /** It was confirmed. */
  | { readonly status: 'duplicate' }
  /** Somebody holds it, for so long if it is not extended, in milliseconds. */
  | { readonly status: 'busy'; readonly forMs: number }
