import { problemOf, slipstreamError } from './errors.ts'
import type { DueDelivery } from './events.ts'
import { GroupCommit } from './group-commit.ts'
import { Guard } from './guard.ts'
import { createHooks } from './hooks.ts'
import { type KernelContext, kernelFor } from './kernel.ts'
import type { Link } from './links.ts'
import { Mesh, type MeshContext } from './mesh.ts'
import { Parts } from './parts.ts'
import type { Plugin, PluginReport } from './plugin.ts'
import { checkPlugins } from './plugins.ts'
import type { Recipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import { systemRuntime } from './runtime/system.ts'
import { defaultSettings, type Settings } from './settings.ts'
import { StoreHealth } from './store-health.ts'
import { validation } from './validation.ts'
import { PUBLISHER_IDS } from './windows.ts'

const REPEAT_SETTING = 'the setting publishersRepeatHours'

export interface BusOptions {
  readonly plugins: readonly Plugin[]
  /** What differs from `defaultSettings`. */
  readonly settings?: Partial<Settings>
  /** Clock, chance and event loop; the machine's own when not given. */
  readonly runtime?: Runtime
}

/** One instance of slipstream. Several may live in one process; they share nothing. */
export interface Bus {
  /** Known once started. */
  readonly instanceId: string
  /** Where peers and clients can dial, once started. */
  readonly addresses: readonly string[]
  /** Resolves, with the reason, when the bus can no longer keep its promises and must be stopped. */
  readonly failed: Promise<Error>
  /** Applies the plugins, opens the store, then the sockets. Whatever fails is undone before the promise rejects. */
  start(): Promise<void>
  /** Takes nothing new, flushes what is under way for `settings.drainTimeoutMs` at most, then closes all in reverse. */
  stop(): Promise<void>
  recipients(): readonly Recipient[]
  links(): readonly Link[]
  plugins(): readonly PluginReport[]
}

/** Makes a bus of plugins. Nothing is checked or opened before `start`. */
export function createBus(options: BusOptions): Bus {
  return new SlipstreamBus(options)
}

class SlipstreamBus implements Bus {
  readonly #plugins: readonly Plugin[]
  readonly #settings: Settings
  readonly #runtime: Runtime
  readonly #hooks = createHooks()
  readonly #parts = new Parts((error) => this.#fail(error))
  readonly #guard: Guard
  readonly #group: GroupCommit
  readonly #decided = new WeakSet<DueDelivery>()
  readonly #storeHealth: StoreHealth
  readonly #applied: Plugin[] = []
  #mesh: Mesh | undefined
  #draining = false
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #fail: (error: Error) => void = () => {}
  readonly failed: Promise<Error>

  constructor({ plugins, settings = {}, runtime = systemRuntime }: BusOptions) {
    this.#plugins = plugins
    this.#settings = Object.freeze({ ...defaultSettings, ...settings })
    this.#runtime = runtime
    this.#guard = new Guard(runtime, this.#settings.tapBudgetMs, (error) => {
      const { plugin = 'kernel', hook = 'unknown', message: reason } = error
      this.#parts.log.error('plugin failed', { plugin, hook, reason, error })
    })
    this.#guard.watch(this.#hooks)
    this.#group = new GroupCommit(runtime, (arrivals, changes) => this.#running.journey.commit(arrivals, changes))
    this.#storeHealth = new StoreHealth(runtime)
    this.#parts.healthChecks.push(this.#storeHealth.check)
    this.failed = new Promise((resolve) => {
      this.#fail = resolve
    })
  }

  get instanceId(): string {
    return this.#running.instanceId
  }

  get addresses(): readonly string[] {
    return this.#running.addresses
  }

  recipients(): readonly Recipient[] {
    return this.#mesh?.recipients.all() ?? []
  }

  links(): readonly Link[] {
    return this.#mesh?.links.all() ?? []
  }

  plugins(): readonly PluginReport[] {
    return this.#plugins.map(({ name, version }) => ({ name, version, ...this.#guard.account(name) }))
  }

  start(): Promise<void> {
    if (this.#starting || this.#stopping) {
      return Promise.reject(slipstreamError('SLP_BUS_STATE', ['was started or stopped already; create another one']))
    }
    this.#starting = this.#open()
    return this.#starting
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drainAndClose()
    return this.#stopping
  }

  async #open(): Promise<void> {
    try {
      checkPlugins(this.#plugins)
      await this.#apply()
      this.#mesh = await Mesh.open(this.#meshContext())
      await this.#hooks.start.promise()
      if (this.#draining) throw slipstreamError('SLP_BUS_STATE', ['was stopped while it started'])
      await this.#mesh.connect()
      this.#hooks.ready.call()
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  async #apply(): Promise<void> {
    const context = this.#kernelContext()
    const { windows } = this.#parts
    windows.repeats(PUBLISHER_IDS, { milliseconds: this.#settings.publishersRepeatMs, from: REPEAT_SETTING })
    this.#hooks.onReceive.tap(...validation(this.#parts.types))
    for (const plugin of this.#plugins) {
      this.#applied.push(plugin)
      await this.#guard.step(plugin.name, 'apply', () => plugin.apply(kernelFor(plugin, context)))
    }
    const { store } = this.#parts
    this.#hooks.persist.tapPromise(store.name, (entries, changes) => {
      const lastVersion = entries.length > 0 ? this.#running.clock.last : undefined
      return store.write({ entries, lastVersion, ...changes })
    })
    this.#parts.seal()
    windows.check()
  }

  async #drainAndClose(): Promise<void> {
    this.#draining = true
    // Whoever started it is told what failed.
    await this.#starting?.catch(() => {})
    if (this.#closing) return this.#closing
    await this.#quietly('drain', () => this.#hooks.drain.promise())
    await this.#quietly('drain', () => this.#mesh?.drain(this.#settings.drainTimeoutMs))
    await this.#close()
  }

  /** Everything that was opened, in reverse. One thing that cannot be closed does not keep the others open. */
  #close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    await this.#quietly('disconnect', () => this.#mesh?.disconnect())
    await this.#quietly('stop', () => this.#hooks.stop.promise())
    await this.#quietly('store', () => this.#mesh?.close())
    for (const plugin of this.#applied.reverse()) {
      await this.#quietly('close', () => this.#guard.step(plugin.name, 'close', () => plugin.close?.()))
    }
  }

  async #quietly(step: string, run: () => unknown): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#parts.log.error('stop failed', { hook: step, reason: problemOf(error), error })
    }
  }

  /** What the mesh and the plugins both work with. */
  #shared() {
    return {
      settings: this.#settings,
      runtime: this.#runtime,
      hooks: this.#hooks,
      guard: this.#guard,
      parts: this.#parts,
      group: this.#group,
      decided: this.#decided,
      draining: () => this.#draining,
    }
  }

  #meshContext(): MeshContext {
    return { ...this.#shared(), storeHealth: this.#storeHealth, fail: (error) => this.#fail(error) }
  }

  #kernelContext(): KernelContext {
    return {
      ...this.#shared(),
      instanceId: () => this.instanceId,
      epoch: () => this.#running.epoch,
      joinState: (entries) => this.#running.joinState(entries),
      upkeep: () => this.#running.upkeep,
      recipients: () => this.recipients(),
      everyone: () => this.#running.recipients,
      clocks: () => this.#running.clocks,
      links: () => this.links(),
      requests: () => this.#running.requests,
      ways: () => this.#running.ways,
      announced: (link, reach) => this.#running.announced(link, reach),
      window: () => this.#group.shareOf(this.links().length),
      subscribers: () => this.#running.subscribers,
      forget: (name) => this.#running.forget(name),
      weigh: (name, after) => this.#running.recipients.weigh(name, after),
      collapse: (name) => this.#running.recipients.collapse(name),
      forgetAbsent: (name) => this.#running.recipients.forgetAbsent(name),
      applied: (key, withinMs) => this.#running.applied(key, withinMs),
      plugins: () => this.plugins(),
    }
  }

  get #running(): Mesh {
    if (!this.#mesh) throw slipstreamError('SLP_BUS_STATE', ['is not running: its store is not open'])
    return this.#mesh
  }
}
