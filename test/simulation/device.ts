import { slipstreamError } from '../../core/index.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** How the disk below a store behaves. */
export interface DiskConditions {
  /** Usual time of a sync, in milliseconds. */
  readonly syncMs: number
  /** Chance that a write fails: half of these are on disk all the same. */
  readonly writeFailure: number
  readonly readFailure: number
}

interface Job {
  readonly label: string
  /** Makes it durable. */
  apply(): Promise<() => void>
  fail(error: Error): void
}

/**
 * What lies between one life of an instance and what it has on disk: it takes its time, one write after the other. What is
 * not synced when the instance crashes is lost, but for what the disk had taken and had not said so. A failure says nothing
 * about what is on disk.
 */
export class Device {
  readonly #world: World
  readonly #random: Random
  readonly #name: string
  readonly #conditions: () => DiskConditions
  readonly #jobs: Job[] = []
  #busy = false
  #gone = false

  constructor(world: World, name: string, conditions: () => DiskConditions) {
    this.#world = world
    this.#random = world.random.fork()
    this.#name = name
    this.#conditions = conditions
  }

  /** Whether this life is over. */
  get gone(): boolean {
    return this.#gone
  }

  /** Reads what is durable, either when it is asked or when it answers. */
  read<Result>(label: string, read: () => Promise<Result>): Promise<Result> {
    const early = this.#random.chance(0.5) ? read() : undefined
    return new Promise((resolve, reject) => {
      this.#later(this.#random.heavyTail(1), `reads ${label}`, () => {
        if (this.#random.chance(this.#conditions().readFailure)) reject(slipstreamError('SLP_STORE_FAILED', ['EIO']))
        else resolve(early ?? read())
      })
    })
  }

  /** Resolves to what `run` does, once that is durable. */
  write<Result>(label: string, run: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const apply = async () => {
        try {
          const result = await run()
          return () => resolve(result)
        } catch (error) {
          return () => reject(error)
        }
      }
      this.#jobs.push({ label, apply, fail: reject })
      this.#next()
    })
  }

  /** The process ends in good order. */
  close(): void {
    this.#gone = true
  }

  /** The process is gone. Of what was under way, the disk may have taken the beginning. */
  async crash(): Promise<void> {
    this.#gone = true
    const taken = this.#random.chance(0.3) ? this.#random.integer(0, this.#jobs.length) : 0
    for (const job of this.#jobs.slice(0, taken)) {
      this.#world.note(`${this.#name} had taken ${job.label}`)
      await job.apply()
    }
  }

  #next(): void {
    const job = this.#jobs[0]
    if (!job || this.#busy) return
    this.#busy = true
    this.#later(this.#random.heavyTail(this.#conditions().syncMs), `syncs ${job.label}`, () => void this.#sync(job))
  }

  async #sync(job: Job): Promise<void> {
    const fails = this.#random.chance(this.#conditions().writeFailure)
    const answer = fails && this.#random.chance(0.5) ? () => {} : await job.apply()
    this.#jobs.shift()
    this.#later(this.#random.heavyTail(0.2), fails ? `fails ${job.label}` : `has ${job.label}`, () => {
      this.#busy = false
      if (fails) job.fail(slipstreamError('SLP_STORE_FAILED', ['EIO']))
      else answer()
      this.#next()
    })
  }

  #later(milliseconds: number, label: string, run: () => void): void {
    this.#world.after(milliseconds, `${this.#name} ${label}`, () => {
      if (!this.#gone) run()
    })
  }
}
