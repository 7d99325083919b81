import type { AsyncHook, FullTap, Hook } from 'tapable'
import { problemOf, SlipstreamError, slipstreamError } from './errors.ts'
import type { HookName, Hooks } from './hooks.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Runtime, Timer } from './runtime/runtime.ts'

/** What a plugin costs, and how often it failed. */
export interface PluginAccount {
  milliseconds: number
  calls: number
  faults: number
}

type TapOptions = { readonly stage?: number }
type SyncTap<Of> = Of extends { tap(options: never, fn: infer Fn): void } ? Fn : never
type PromiseTap<Of> = Of extends { tapPromise(options: never, fn: infer Fn): void } ? Fn : never
type CallbackTap<Of> = Of extends { tapAsync(options: never, fn: infer Fn): void } ? Fn : never

/** One hook as a plugin sees it: it can be tapped, under the plugin's name, and nothing else. */
export interface GuardedHook<Of> {
  tap(fn: SyncTap<Of>, options?: TapOptions): void
  /** For hooks that wait. The promise must settle within `settings.tapBudgetMs`. */
  tapPromise(fn: PromiseTap<Of>, options?: TapOptions): void
  /** For hooks that wait. The first call of the callback counts, any other is ignored. */
  tapAsync(fn: CallbackTap<Of>, options?: TapOptions): void
}

export type GuardedHooks = { readonly [Name in HookName]: GuardedHook<Hooks[Name]> }

type AnyFunction = (...args: unknown[]) => unknown
type Callback = (error?: unknown, result?: unknown) => void

/** Hooks whose taps decide something: what they throw must be known to whoever asked. All other taps only take part. */
const DECIDING: ReadonlySet<string> = new Set<HookName>(['onReceive', 'route', 'persist', 'start'])

/**
 * Stands between the hooks and every tap, from the moment of its registration: errors name plugin and hook and keep their
 * cause, time is measured, waiting has an end, and a callback counts once (tapable would run all later taps again). Where
 * taps only take part, one that fails is reported and keeps nobody else from their turn.
 */
export class Guard {
  readonly #runtime: Runtime
  readonly #budgetMs: number
  readonly #report: (error: SlipstreamError) => void
  readonly #accounts = new Map<string, PluginAccount>()

  constructor(runtime: Runtime, budgetMs: number, report: (error: SlipstreamError) => void) {
    this.#runtime = runtime
    this.#budgetMs = budgetMs
    this.#report = report
  }

  /** Wraps whatever is tapped into these hooks from now on. */
  watch(hooks: Hooks): void {
    for (const [name, hook] of Object.entries(hooks) as [HookName, Hook<unknown[], unknown>][]) {
      hook.intercept({ register: (tap) => ({ ...tap, fn: this.#wrap(name, tap) }) })
    }
  }

  /** The hooks as the plugin of that name may use them. */
  hooksFor(plugin: string, hooks: Hooks, mayTap: () => void): GuardedHooks {
    const guarded = Object.entries(hooks).map(([name, hook]) => [name, tappable(plugin, hook, mayTap)])
    return Object.freeze(Object.fromEntries(guarded)) as GuardedHooks
  }

  account(plugin: string): PluginAccount {
    let account = this.#accounts.get(plugin)
    if (!account) {
      account = { milliseconds: 0, calls: 0, faults: 0 }
      this.#accounts.set(plugin, account)
    }
    return account
  }

  /** Runs a step of a plugin's life within the time budget, its errors attributed to it. */
  async step<Result>(plugin: string, step: string, run: () => Result | Promise<Result>): Promise<Result> {
    try {
      return await this.#within(plugin, step, Promise.resolve(run()))
    } catch (error) {
      throw this.#attribute(plugin, step, error)
    }
  }

  /**
   * Runs something of a plugin that is neither a tap nor a step of its life: measured, and within the time budget. Rejects
   * with whatever it threw; whether that is a fault of the plugin is the caller's to say.
   */
  async call<Result>(plugin: string, what: string, run: () => Result | Promise<Result>): Promise<Result> {
    const account = this.account(plugin)
    const began = this.#runtime.monotonic()
    try {
      return await this.#within(plugin, what, Promise.resolve(run()))
    } finally {
      account.calls++
      account.milliseconds += this.#runtime.monotonic() - began
    }
  }

  #wrap(hook: string, tap: FullTap): AnyFunction {
    const fn = tap.fn as AnyFunction
    if (tap.type === 'promise') return this.#wrapPromise(hook, { name: tap.name, fn })
    if (tap.type === 'async') return this.#wrapCallback(hook, { name: tap.name, fn })
    return this.#wrapSync(hook, { name: tap.name, fn })
  }

  #wrapSync(hook: string, { name, fn }: { name: string; fn: AnyFunction }): AnyFunction {
    const account = this.account(name)
    return (...args) => {
      const began = this.#runtime.monotonic()
      try {
        return fn(...args)
      } catch (error) {
        return this.#failed(name, hook, error)
      } finally {
        account.calls++
        account.milliseconds += this.#runtime.monotonic() - began
      }
    }
  }

  #wrapPromise(hook: string, { name, fn }: { name: string; fn: AnyFunction }): AnyFunction {
    return async (...args) => {
      try {
        return await this.call(name, hook, () => fn(...args))
      } catch (error) {
        return this.#failed(name, hook, error)
      }
    }
  }

  #wrapCallback(hook: string, { name, fn }: { name: string; fn: AnyFunction }): AnyFunction {
    const asPromise = this.#wrapPromise(hook, {
      name,
      fn: (...args) =>
        new Promise((resolve, reject) => {
          const callback: Callback = (error, result) => (error ? reject(error) : resolve(result))
          fn(...args, callback)
        }),
    }) as (...args: unknown[]) => Promise<unknown>
    return (...args) => {
      const done = args.pop() as Callback
      asPromise(...args).then(
        (result) => done(null, result),
        (error: unknown) => done(error),
      )
    }
  }

  async #within<Result>(plugin: string, hook: string, work: Promise<Result>): Promise<Result> {
    let timer: Timer | undefined
    const tooLong = new Promise<never>((_, reject) => {
      timer = this.#runtime.after(this.#budgetMs, () => {
        reject(slipstreamError('SLP_PLUGIN_TIMEOUT', [plugin, hook, this.#budgetMs], { plugin, hook }))
      })
    })
    try {
      return await Promise.race([work, tooLong])
    } finally {
      timer?.cancel()
    }
  }

  #failed(plugin: string, hook: string, error: unknown): undefined {
    // What decides may refuse a message in the words of the protocol.
    if (DECIDING.has(hook)) throw error instanceof ProtocolFault ? error : this.#attribute(plugin, hook, error)
    this.#report(this.#attribute(plugin, hook, error))
  }

  /** An error of slipstream's own keeps its code; anything else becomes `SLP_PLUGIN_FAILED`, with what was thrown as cause. */
  #attribute(plugin: string, hook: string, error: unknown): SlipstreamError {
    this.account(plugin).faults++
    if (error instanceof SlipstreamError) return error
    return slipstreamError('SLP_PLUGIN_FAILED', [plugin, hook, problemOf(error)], { plugin, hook, cause: error })
  }
}

function tappable(plugin: string, hook: unknown, mayTap: () => void): GuardedHook<unknown> {
  const target = hook as AsyncHook<unknown[], unknown>
  const options = (given: TapOptions | undefined) => {
    mayTap()
    return { name: plugin, stage: given?.stage ?? 0 }
  }
  return Object.freeze({
    tap: (fn: never, given?: TapOptions) => target.tap(options(given), fn),
    tapPromise: (fn: never, given?: TapOptions) => target.tapPromise(options(given), fn),
    tapAsync: (fn: never, given?: TapOptions) => target.tapAsync(options(given), fn),
  })
}
