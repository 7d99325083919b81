import type { Timer } from '../../core/index.ts'
import { EventHeap } from './event-heap.ts'
import { Random } from './random.ts'
import { Trace } from './trace.ts'

/** More than any run needs: beyond it, something goes round in circles. */
const MAX_EVENTS = 200_000

/** A promise of the bus that did not hold. */
export interface Violation {
  readonly invariant: string
  readonly detail: string
}

/**
 * Time and everything that happens in it. One event runs at a time, and the next one only after every promise that the
 * first one settled has been followed to its end: whatever the kernel does between two awaits is one step.
 */
export class World {
  readonly seed: number
  readonly random: Random
  readonly trace = new Trace()
  /** Milliseconds since the beginning. */
  now = 0
  events = 0
  /** The first promise that broke. What comes after it may be a consequence. */
  violation: Violation | undefined
  readonly #heap = new EventHeap()
  #scheduled = 0
  #ids = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = new Random(seed)
  }

  /** Unique in this world. */
  id(): string {
    return `id-${String(++this.#ids).padStart(6, '0')}`
  }

  after(milliseconds: number, label: string, run: () => void): Timer {
    const event = { at: this.now + Math.max(0, milliseconds), order: ++this.#scheduled, label, run: run as Run }
    this.#heap.push(event)
    return {
      cancel: () => {
        event.run = undefined
      },
    }
  }

  /** Writes down something worth knowing that is no event of its own. */
  note(text: string): void {
    this.trace.add(this.now, `  ${text}`)
  }

  violate(invariant: string, detail: string): void {
    this.violation ??= { invariant, detail }
    this.note(`VIOLATION ${invariant}: ${detail}`)
  }

  /** Lets events happen until `done`, a violation or the deadline. Resolves to whether it was `done`. */
  async run(done: () => boolean, deadline: number, check: () => Promise<void>): Promise<boolean> {
    while (!this.violation && !done()) {
      const event = this.#heap.pop()
      if (!event) return done()
      if (!event.run) continue
      if (event.at > deadline) {
        this.#heap.push(event)
        this.now = deadline
        return done()
      }
      this.now = event.at
      if (++this.events > MAX_EVENTS) this.violate('it comes to rest', `${MAX_EVENTS} events`)
      this.trace.add(this.now, event.label)
      event.run()
      await promisesSettled()
      await check()
    }
    return done()
  }
}

type Run = (() => void) | undefined

/** The next turn of the real event loop begins only when no promise has anything left to do. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
