import { slipstreamError } from './errors.ts'
import { failStop } from './fail-stop.ts'
import type { HealthCheck } from './health.ts'
import type { Transport } from './link.ts'
import { FanOutLog } from './log.ts'
import type { Services } from './plugin.ts'
import type { StateBackend } from './state.ts'
import type { Store } from './store.ts'
import { TypeRegistry } from './type-registry.ts'
import { Windows } from './windows.ts'

/** What the plugins of one bus have registered. Sealed when the bus starts: whatever comes later is refused. */
export class Parts {
  readonly log = new FanOutLog()
  readonly types = new TypeRegistry()
  readonly windows = new Windows()
  readonly transports: Transport[] = []
  readonly healthChecks: HealthCheck[] = []
  readonly #services = new Map<keyof Services, unknown>()
  readonly #storeLost: (error: Error) => void
  #store: { readonly owner: string; readonly store: Store } | undefined
  #state: { readonly owner: string; readonly backend: StateBackend } | undefined
  #sealed = false

  /** `storeLost` is told when the store cannot be trusted any more. */
  constructor(storeLost: (error: Error) => void) {
    this.#storeLost = storeLost
  }

  seal(): void {
    this.#sealed = true
  }

  /** Throws `SLP_PLUGIN_LATE` once the bus has started. */
  assertOpen(plugin: string): void {
    if (this.#sealed) throw slipstreamError('SLP_PLUGIN_LATE', [plugin], { plugin })
  }

  /** The store; throws `SLP_STORE_MISSING` when no plugin has brought one. */
  get store(): Store {
    if (!this.#store) throw slipstreamError('SLP_STORE_MISSING', [])
    return this.#store.store
  }

  setStore(owner: string, store: Store): void {
    if (this.#store) throw slipstreamError('SLP_STORE_TAKEN', [this.#store.owner], { plugin: owner })
    this.#store = { owner, store: failStop(store, this.#storeLost) }
  }

  /** Where state is kept; undefined when no plugin has brought anything. */
  get state(): StateBackend | undefined {
    return this.#state?.backend
  }

  setState(owner: string, backend: StateBackend): void {
    if (this.#state) throw slipstreamError('SLP_STATE_TAKEN', [this.#state.owner], { plugin: owner })
    this.#state = { owner, backend }
  }

  provide<Name extends keyof Services>(owner: string, name: Name, service: Services[Name]): void {
    if (this.#services.has(name)) throw slipstreamError('SLP_SERVICE_TAKEN', [name], { plugin: owner })
    this.#services.set(name, service)
  }

  find<Name extends keyof Services>(name: Name): Services[Name] | undefined {
    return this.#services.get(name) as Services[Name] | undefined
  }
}
