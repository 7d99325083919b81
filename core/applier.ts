import { slipstreamError } from './errors.ts'
import type { Guard } from './guard.ts'
import type { Hooks } from './hooks.ts'
import type { Message } from './message.ts'
import type { AnyMessageType, ApplyContext } from './message-type.ts'
import type { Lateness } from './state/lateness.ts'
import { type StateChange, TrackedState } from './state/type-state.ts'
import type { StateBackend } from './state.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface ApplierContext {
  readonly types: TypeRegistry
  readonly hooks: Hooks
  readonly guard: Guard
  readonly state: StateBackend | undefined
  readonly lateness: Lateness
  /** The state cannot be trusted any more. */
  readonly fail: (error: Error) => void
}

/** Hands messages that are for this instance to their types, each with its view of the state. */
export class Applier {
  readonly #context: ApplierContext

  constructor(context: ApplierContext) {
    this.#context = context
  }

  /** Whether messages of that type are handled here. One that keeps state is not where nothing can keep it. */
  applies(name: string): boolean {
    const { types, state } = this.#context
    const { apply, change } = types.stored(name) ?? {}
    return (apply ?? change) !== undefined && (state !== undefined || !types.keepsState(name))
  }

  /**
   * Resolves when all of them are handled, to those that came too late; they are of one type. Rejects with what that threw,
   * or when it takes too long.
   */
  async apply(name: string, messages: readonly Message[]): Promise<ReadonlySet<Message>> {
    const { types, hooks, guard, state, lateness, fail } = this.#context
    const type = types.stored(name)
    const owner = types.owner(name)
    if (!owner || !this.applies(name)) return NONE
    const view = state && new TrackedState(state, types.spaceOf(name), lateness)
    try {
      await guard.call(owner.name, `apply of ${name}`, () =>
        handle(type, messages as readonly Message<never>[], contextOf(name, view)),
      )
    } catch (error) {
      if ((error as { code?: unknown }).code === 'SLP_STORE_LOST') fail(error as Error)
      throw error
    }
    const superseded = view?.superseded ?? NONE
    hooks.applied.call({ type: name, messages, superseded })
    return superseded
  }
}

const NONE: ReadonlySet<Message> = new Set()

function handle(type: AnyMessageType | undefined, messages: readonly Message<never>[], context: ApplyContext<never>) {
  const { change } = type ?? {}
  if (!change) return type?.apply?.(messages, context)
  return context.state.join(messages.map((message) => change(message) as StateChange<never>))
}

function contextOf(name: string, view: TrackedState | undefined): ApplyContext<never> {
  return {
    get state() {
      if (!view) throw slipstreamError('SLP_STATE_MISSING', [name])
      return view
    },
  }
}
