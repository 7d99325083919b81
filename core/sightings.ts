import { problemOf } from './errors.ts'
import type { Log } from './log.ts'
import type { LiveRecipient } from './recipient.ts'
import { DurableRecipient } from './recipient.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'
import type { Store } from './store.ts'

/** Sightings are collected for so long, so that many that come and go at once share one disk sync, in milliseconds. */
const TOGETHER_MS = 1_000
/** How often it is written down who is linked, in milliseconds: a crash takes away so much of what is known at most. */
const EVERY_MS = 60 * 60 * 1_000

export interface SightingsContext {
  readonly store: Pick<Store, 'noteSeen'>
  readonly runtime: Runtime
  readonly log: Log
  /** Those who are linked now. */
  linked(): readonly DurableRecipient[]
}

/**
 * Writes down who was last linked when, so that time away is known across restarts: when a link comes up, when it goes
 * down, and every hour in between.
 */
export class Sightings {
  readonly #context: SightingsContext
  /** Who was seen since it was last written down. */
  readonly #seen = new Set<DurableRecipient>()
  #soon: Timer | undefined
  #hourly: Timer | undefined
  #closed = false

  constructor(context: SightingsContext) {
    this.#context = context
  }

  start(): void {
    this.#hourly = this.#context.runtime.after(EVERY_MS, () => {
      this.#noteLinked()
      void this.#write()
      this.start()
    })
  }

  /** Somebody is linked, or was until now. */
  note(recipient: DurableRecipient | LiveRecipient | undefined): void {
    if (this.#closed || !(recipient instanceof DurableRecipient)) return
    recipient.seen()
    this.#seen.add(recipient)
    this.#soon ??= this.#context.runtime.after(TOGETHER_MS, () => void this.#write())
  }

  /** Whoever is linked is written down for the last time. */
  async close(): Promise<void> {
    this.#noteLinked()
    this.#closed = true
    this.#hourly?.cancel()
    await this.#write()
  }

  #noteLinked(): void {
    for (const recipient of this.#context.linked()) this.note(recipient)
  }

  async #write(): Promise<void> {
    const { store, runtime, log } = this.#context
    this.#soon?.cancel()
    this.#soon = undefined
    const seen = [...this.#seen]
    if (seen.length === 0) return
    this.#seen.clear()
    try {
      const keys = seen.map(({ key }) => key)
      await store.noteSeen(keys, runtime.now())
    } catch (error) {
      log.error('sightings not written down', { count: seen.length, reason: problemOf(error), error })
      // They are written with the next ones.
      for (const recipient of seen) this.#seen.add(recipient)
    }
  }
}
