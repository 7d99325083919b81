import type { Applier } from './applier.ts'
import type { Arrival } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { HybridClock } from './hybrid-clock.ts'
import type { Message } from './message.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Lateness } from './state/lateness.ts'
import { changeOf } from './state/type-state.ts'
import type { StateEntry } from './state.ts'
import type { Store, StoreVerdict } from './store.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface AtOnceContext {
  readonly store: Pick<Store, 'joinsState'>
  readonly types: TypeRegistry
  readonly applier: Pick<Applier, 'applies'>
  readonly hooks: Pick<Hooks, 'applied'>
  readonly clock: Pick<HybridClock, 'dueAt'>
  readonly runtime: Runtime
  readonly lateness: Lateness
}

/**
 * Messages that are applied as they are stored, in one transaction, where the store can do that: what they say of the state is all
 * there is to their handling. Any other message, and one that cannot be joined, is a delivery to `@self`.
 */
export class AtOnce {
  readonly #context: AtOnceContext

  constructor(context: AtOnceContext) {
    this.#context = context
  }

  /** What a message that is for this instance says of the state; undefined: it must be delivered. */
  deltaOf(message: Message): StateEntry | undefined {
    const { store, types, applier } = this.#context
    const change = types.stored(message.type)?.change
    if (!change || !store.joinsState || !applier.applies(message.type) || types.isStrict(message.type)) return undefined
    if (!this.#isInTime(message)) return undefined
    try {
      return changeOf(types.spaceOf(message.type), change(message as Message<never>))
    } catch {
      // It fails again as it is delivered, and that is where it is dealt with.
      return undefined
    }
  }

  /** Takes note of a group while it is made and stored: what is in time as it is looked at is joined as such. */
  during<Result>(storing: Promise<Result>): Promise<Result> {
    return this.#context.lateness.during(storing)
  }

  /** Tells of those that were applied, by type. */
  tell(arrivals: readonly Arrival[], verdicts: readonly StoreVerdict[]): void {
    const byType = new Map<string, { messages: Message[]; superseded: Set<Message> }>()
    arrivals.forEach(({ message }, index) => {
      const verdict = verdicts[index]
      if (verdict?.status !== 'stored' || verdict.joined === undefined) return
      const { messages, superseded } = byType.get(message.type) ?? { messages: [], superseded: new Set() }
      if (messages.length === 0) byType.set(message.type, { messages, superseded })
      messages.push(message)
      if (verdict.joined === 'superseded') superseded.add(message)
    })
    for (const [type, applied] of byType) this.#context.hooks.applied.call({ type, ...applied })
  }

  /** Whether its stamp is neither ahead of time nor too late, and its own time not over. */
  #isInTime({ version, expiresAt }: Message): boolean {
    const { clock, runtime, lateness } = this.#context
    if (version === undefined || lateness.isLate(version) || clock.dueAt(version) !== undefined) return false
    return expiresAt === undefined || expiresAt > runtime.now()
  }
}
