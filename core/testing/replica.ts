import { Applier } from '../applier.ts'
import { slipstreamError } from '../errors.ts'
import { Guard } from '../guard.ts'
import { createHooks } from '../hooks.ts'
import { type KernelContext, kernelFor } from '../kernel.ts'
import { type Message, SINGLETON_GROUP } from '../message.ts'
import type { Answer } from '../message-type.ts'
import { Parts } from '../parts.ts'
import type { Plugin } from '../plugin.ts'
import { defaultSettings } from '../settings.ts'
import { Lateness } from '../state/lateness.ts'
import type { StateBackend, StateEntry, StateKey } from '../state.ts'
import { readStored } from '../stored-message.ts'
import { ManualRuntime } from './manual-runtime.ts'

/** A message's type and the members of its body. */
export type Written = Readonly<Record<string, unknown>> & { readonly type: string }

const PAGE = Object.freeze({ entries: 256, bytes: 1024 * 1024 })

/** One instance as far as its state goes: types that are applied, without a network and without a store of messages. */
export class Replica {
  readonly backend: StateBackend
  readonly #parts: Parts
  readonly #applier: Applier

  /** Applies the plugins and opens the backend. Of the kernel, they find what registers types and hooks. */
  static async open(plugins: readonly Plugin[], backend: StateBackend): Promise<Replica> {
    const runtime = new ManualRuntime()
    const hooks = createHooks()
    const guard = new Guard(runtime, defaultSettings.tapBudgetMs, () => {})
    const parts = new Parts(() => {})
    const context = { settings: defaultSettings, runtime, hooks, guard, parts, instanceId: () => 'replica' }
    for (const plugin of plugins) await plugin.apply(kernelFor(plugin, context as unknown as KernelContext))
    await backend.open({ runtime, joinedBy: (space) => parts.types.joinOf(space) })
    return new Replica(
      backend,
      parts,
      new Applier({ types: parts.types, hooks, guard, state: backend, lateness: new Lateness(), fail: () => {} }),
    )
  }

  private constructor(backend: StateBackend, parts: Parts, applier: Applier) {
    this.backend = backend
    this.#parts = parts
    this.#applier = applier
  }

  /** Applies messages in this order. Resolves to those of which nothing holds, because something newer was there. */
  async apply(...messages: readonly Message[]): Promise<ReadonlySet<Message>> {
    const superseded = new Set<Message>()
    for (const message of messages) {
      for (const late of await this.#applier.apply(message.type, [message])) superseded.add(late)
    }
    return superseded
  }

  /** Applies messages of one type together. */
  applyTogether(messages: readonly Message[]): Promise<ReadonlySet<Message>> {
    const [first] = messages
    return first ? this.#applier.apply(first.type, messages) : Promise.resolve(new Set())
  }

  async read(key: StateKey): Promise<StateEntry | undefined> {
    const [entry] = await this.backend.read([key])
    return entry
  }

  /** Asks a type that answers. Undefined: nothing is known here. */
  async ask(request: Written): Promise<Answer | undefined> {
    const answering = this.#parts.types.answering(request.type)
    if (!answering) throw slipstreamError('SLP_BUS_STATE', [`knows no requests of type ${request.type}`])
    return answering.answer(written(request, { messageId: 'request', version: '' }) as Message<never>, this.backend)
  }

  /** Everything there is, in an order that says nothing of how it came. */
  async entries(): Promise<readonly StateEntry[]> {
    const all: StateEntry[] = []
    for (;;) {
      const page = await this.backend.scan(all.at(-1), PAGE)
      if (page.length === 0) return all.sort(byPlace)
      all.push(...page)
    }
  }

  /** Takes over what another one has, as linked instances do. */
  async joinAll(entries: readonly StateEntry[]): Promise<void> {
    await this.backend.join(entries)
  }

  close(): Promise<void> {
    return this.backend.close()
  }
}

/** A message as the store gives it to whom it is for. */
export function written(
  { type, ...body }: Written,
  { messageId, version }: { readonly messageId: string; readonly version: string },
): Message {
  const bus = { messageId, originInstanceId: 'origin', originSequence: 'epoch.1', version }
  const text = JSON.stringify({ type, ...body, ...bus })
  return readStored({ type, messageId, clusterGroupId: SINGLETON_GROUP, path: ['origin'], text })
}

function byPlace(one: StateEntry, other: StateEntry): number {
  const [place, otherPlace] = [JSON.stringify([one.space, one.key]), JSON.stringify([other.space, other.key])]
  return place < otherPlace ? -1 : 1
}
