import type { Applier } from './applier.ts'
import { errorText } from './error-text.ts'
import { problemOf } from './errors.ts'
import type { Guard } from './guard.ts'
import type { Log } from './log.ts'
import { isOutage } from './outage.ts'
import type { PluginName } from './plugin.ts'
import type { PendingDelivery } from './store.ts'
import { StoredReading } from './stored-reading.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface RunsContext {
  readonly types: TypeRegistry
  readonly guard: Guard
  readonly log: Log
  readonly applier: Applier
  /** Whether the instance ends: what messages are applied to may be closed already, and its errors say nothing. */
  isClosed(): boolean
  /** Whether a delivery may still be applied: others have failed since it was taken. If not, it has been put aside. */
  mayGo(delivery: PendingDelivery): boolean
  /** `superseded`: it came too late, and changed nothing. */
  done(delivery: PendingDelivery, superseded: boolean): void
  /** It has failed alone. `plugin` is the one whose type it is. */
  failed(delivery: PendingDelivery, reason: string, plugin: PluginName | undefined): void
}

/** What came of a run: for each message whether it came too late, or why all of it failed. */
type Outcome = { readonly superseded: readonly boolean[] } | { readonly error: unknown }

/** Runs of messages of one type, which go to that type together. One that fails is split until the culprit stands alone. */
export class Runs {
  readonly #context: RunsContext

  constructor(context: RunsContext) {
    this.#context = context
  }

  /** Applies these, or as many of them as can be. Throws when nothing can be applied at the moment. */
  async apply(type: string, run: readonly PendingDelivery[]): Promise<void> {
    const free = run.filter((delivery) => this.#context.mayGo(delivery))
    const [first] = free
    if (!first) return
    const outcome = await this.#handOver(type, free)
    if ('superseded' in outcome) {
      free.forEach((delivery, index) => {
        this.#context.done(delivery, outcome.superseded[index] as boolean)
      })
    } else if (free.length === 1) {
      this.#failed(first, outcome.error)
    } else {
      const middle = free.length >> 1
      await this.apply(type, free.slice(0, middle))
      await this.apply(type, free.slice(middle))
    }
  }

  /** Resolves to which of them came too late, or to what the type threw. Throws when that says nothing about these messages. */
  async #handOver(type: string, run: readonly PendingDelivery[]): Promise<Outcome> {
    try {
      const messages = run.map(({ message }) => new StoredReading(message))
      const late = await this.#context.applier.apply(type, messages)
      return { superseded: messages.map((message) => late.has(message)) }
    } catch (error) {
      if (isOutage(error) || this.#context.isClosed()) throw error
      return { error }
    }
  }

  /** A message has failed alone: it is its own fault, or that of its type. */
  #failed(delivery: PendingDelivery, error: unknown): void {
    const { types, guard, log, failed } = this.#context
    const { type, messageId } = delivery.message
    const plugin = types.owner(type)
    const reason = errorText(problemOf(error), new StoredReading(delivery.message))
    if (plugin) guard.account(plugin.name).faults++
    log.error('apply failed', { messageId, type, reason, ...(plugin && { plugin: plugin.name }) })
    failed(delivery, reason, plugin)
  }
}
