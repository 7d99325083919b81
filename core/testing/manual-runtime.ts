import type { Runtime, Timer } from '../runtime/runtime.ts'

export interface ManualRuntimeOptions {
  /** Where the wall clock begins, in milliseconds since the epoch. */
  readonly now?: number
  /** Decides what `random` and `id` give: runtimes of different seeds draw different ids. */
  readonly seed?: number
}

interface Waiting {
  readonly due: number
  readonly task: () => void
}

const START = Date.UTC(2026, 0, 1)

/** A runtime whose clock stands still until a test moves it, and whose chance is the same each time. */
export class ManualRuntime implements Runtime {
  readonly #seed: number
  #now: number
  #monotonic = 0
  #state: number
  #ids = 0
  #waiting: readonly Waiting[] = []
  #deferred: (() => void)[] = []

  constructor({ now = START, seed = 1 }: ManualRuntimeOptions = {}) {
    this.#now = now
    this.#seed = seed
    this.#state = seed
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  /** mulberry32: small, and even enough for jitter. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }

  /** Shaped like a UUIDv7: ordered by time, then by when it was drawn. */
  id(): string {
    const time = hex(this.#now, 12)
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8${hex(this.#seed % 0x1000, 3)}-${hex(++this.#ids, 12)}`
  }

  after(milliseconds: number, task: () => void): Timer {
    const waiting = { due: this.#monotonic + Math.max(0, milliseconds), task }
    this.#waiting = [...this.#waiting, waiting]
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
      },
    }
  }

  defer(task: () => void): void {
    this.#deferred.push(task)
  }

  /**
   * Runs what was deferred, then lets time pass: each timer that falls due is fired at its own time, those of one time in
   * the order in which they were set. What awaits promises goes on once the caller itself awaits.
   */
  advance(milliseconds: number): void {
    const end = this.#monotonic + milliseconds
    this.#runDeferred()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== next)
      this.#pass(next.due - this.#monotonic)
      next.task()
      this.#runDeferred()
    }
    this.#pass(end - this.#monotonic)
  }

  /** Sets the wall clock forward or back, as an operator or a time server does; no timer notices. */
  step(milliseconds: number): void {
    this.#now += milliseconds
  }

  #pass(milliseconds: number): void {
    this.#now += milliseconds
    this.#monotonic += milliseconds
  }

  #next(end: number): Waiting | undefined {
    let next: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (waiting.due <= end && (!next || waiting.due < next.due)) next = waiting
    }
    return next
  }

  #runDeferred(): void {
    for (let task = this.#deferred.shift(); task; task = this.#deferred.shift()) task()
  }
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}
