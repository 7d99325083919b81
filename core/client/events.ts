import type { Level } from '../protocol/limits.ts'
import type { ClientError } from './errors.ts'

/** What a client tells of itself, by the name of the event. */
export interface ClientEvents {
  /** What waits is sent. `instanceId` is undefined where the instance does not say it; `level` is that of the protocol. */
  connected: { readonly url: string; readonly instanceId: string | undefined; readonly level: Level }
  /** The link is gone. What was not acknowledged waits for the next one. */
  disconnected: { readonly url: string; readonly code: number; readonly reason: string }
  /** The next attempt comes after so many milliseconds. */
  reconnecting: { readonly url: string; readonly attempt: number; readonly delayMs: number }
  /** Something failed that no promise tells: a dial, a handler, a message of an earlier run that was refused. */
  error: Error
  /** The client is closed for good; `error` when it was not asked to. */
  closed: { readonly error: ClientError | undefined }
}

export type Listener<Name extends keyof ClientEvents> = (event: ClientEvents[Name]) => void

/** Listeners by the name of the event. */
export class Events {
  readonly #listeners = new Map<keyof ClientEvents, Set<Listener<never>>>()

  /** Returns what takes the listener away again. */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  emit<Name extends keyof ClientEvents>(name: Name, event: ClientEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        ;(listener as Listener<Name>)(event)
      } catch (error) {
        // It is the application's, and must not keep the client from going on.
        void Promise.reject(error)
      }
    }
  }
}
