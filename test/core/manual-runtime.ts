import type { Runtime } from '../../core/index.ts'

interface Waiting {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

/** A runtime whose time stands still until a test moves it, and whose chance is what the test says. */
export class ManualRuntime implements Runtime {
  chance = 0
  #now: number
  /** How far the wall clock is ahead of the other one. */
  #lead = 0
  #order = 0
  #ids = 0
  #waiting = new Set<Waiting>()
  #deferred: (() => void)[] = []

  constructor(now = 1_700_000_000_000) {
    this.#now = now
  }

  now = (): number => this.#now + this.#lead
  monotonic = (): number => this.#now
  random = (): number => this.chance
  id = (): string => `id-${++this.#ids}`

  after = (milliseconds: number, task: () => void) => {
    const waiting = { at: this.#now + milliseconds, order: ++this.#order, task }
    this.#waiting.add(waiting)
    return { cancel: () => void this.#waiting.delete(waiting) }
  }

  defer = (task: () => void): void => {
    this.#deferred.push(task)
  }

  /** How long each timer that is set has still to wait, the next one first. */
  get timers(): readonly number[] {
    return [...this.#waiting].map(({ at }) => at - this.#now).sort((one, other) => one - other)
  }

  /** Puts the wall clock somewhere else, as an operator may. Timers do not run. */
  setClock(now: number): void {
    this.#now = now
  }

  /** Sets the wall clock forward or back; the clock that only grows, and the timers, do not notice. */
  step(milliseconds: number): void {
    this.#lead += milliseconds
  }

  /** Ends this turn of the event loop. */
  async turn(): Promise<void> {
    for (const task of this.#deferred.splice(0)) task()
    await settle()
  }

  /** Lets that much time pass; what becomes due meanwhile runs in its order. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds
    for (;;) {
      const next = [...this.#waiting].filter(({ at }) => at <= until).sort(byTime)[0]
      if (!next) break
      this.#waiting.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.task()
      await settle()
    }
    this.#now = until
  }
}

function byTime(one: Waiting, other: Waiting): number {
  return one.at - other.at || one.order - other.order
}

/** Lets everything run that only waits for promises. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
