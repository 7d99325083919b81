import type { Clocks } from './clocks.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Deliveries } from './deliveries.ts'
import type { Executions } from './execution.ts'
import type { GuardedHooks } from './guard.ts'
import type { HealthCheck } from './health.ts'
import type { Transport } from './link.ts'
import type { Link } from './links.ts'
import type { Log, LogLevel, LogSink } from './log.ts'
import type { BodyOf } from './message.ts'
import type { MessageType } from './message-type.ts'
import type { Window } from './protocol/limits.ts'
import type { Reach } from './reach.ts'
import type { Recipient } from './recipient.ts'
import type { Replies } from './requests/requests.ts'
import type { Outcomes } from './requests/ways-back.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Settings } from './settings.ts'
import type { StateUpkeep } from './state/upkeep.ts'
import type { StateBackend, StateEntry, StateOutcome, StateReader } from './state.ts'
import type { Collapsed, LedgerRow, Purged, PurgeLimits, Shed, Store, StoreStatistics, Weighed } from './store.ts'
import type { Subscription } from './subscription.ts'

/**
 * A part of the bus: a message type, a store, a route, a transport, an exporter, anything. Plugins are plain objects,
 * made by a factory of options, and are applied in the order in which the configuration names them.
 */
export interface Plugin {
  /** Unique among the loaded plugins; packages are named `slipstream-plugin-*`. It stands on every error and metric. */
  readonly name: string
  /** The plugin's own version, for pages and dead letters. */
  readonly version?: string
  /** The range of slipstream versions it works with, such as `^1.0.0`. Another version refuses to load it. */
  readonly slipstream?: string
  /** Names of plugins that must have been applied before this one. */
  readonly requires?: readonly string[]
  /** The options it was made with, and their JSON Schema: checked before `apply`. */
  readonly options?: unknown
  readonly optionsSchema?: Readonly<Record<string, unknown>>
  /** Registers what the plugin offers. May be asynchronous; nothing is open yet. */
  apply(kernel: Kernel): void | Promise<void>
  /** Gives back what `apply` or a hook took. In reverse order of `apply`; also after an `apply` that failed halfway. */
  close?(): void | Promise<void>
}

/** Whose something is. */
export type PluginName = Pick<Plugin, 'name' | 'version'>

/**
 * Services that plugins offer to each other, by name. Empty here; a plugin that offers one adds its type by declaration
 * merging and its object by `kernel.provide`.
 */
export interface Services {}

/** What `apply` is given: one view of the bus for each plugin, so that whatever it registers bears its name. */
export interface Kernel {
  /** Known from `start` on, when the store is open. */
  readonly instanceId: string
  /** The epoch of the store: another one whenever its data began anew. Known from `start` on. */
  readonly epoch: string
  readonly settings: Settings
  readonly runtime: Runtime
  readonly log: Log
  readonly hooks: GuardedHooks
  /** Deliveries on their way, for plugins that speak for recipients or decide on repetition. */
  readonly deliveries: Deliveries
  /** Deliveries that were given up. */
  readonly deadLetters: DeadLetters
  /** Effects that happen at most once for each message id, across restarts. For use from `start` on. */
  readonly executions: Executions
  /** What time it is at the instances that are linked. Known from `start` on. */
  readonly clocks: Clocks
  /** What has become of all writes; undefined when no plugin provides a backend. Known from `start` on. */
  readonly state: StateReader | undefined
  /**
   * Joins entries that another instance holds, as `StateBackend.join` does; the clock follows their versions, as it does those of
   * messages. What is ahead of it by more than a minute is left out: `ahead`.
   */
  joinState(entries: readonly StateEntry[]): Promise<readonly (StateOutcome | 'ahead')[]>
  /** How instances come to hold the same, and forget what was deleted. Known from `start` on. */
  readonly stateUpkeep: StateUpkeep
  /** Every recipient that is known, connected or not; a fresh list. */
  recipients(): readonly Recipient[]
  /** Every connection that is open and identified. */
  links(): readonly Link[]
  /** Takes note of tags that the other end of a link announces as reachable behind it, and how far away they are. */
  announced(link: Link, reach: Reach): Promise<void>
  /** What each link may have under way to here by now: its share of what may wait for the store. */
  readonly window: Window
  /** To each message type that is known here, `version hash`: of the plugin that brings it, and of its schema. */
  typeDigests(): Readonly<Record<string, string>>
  /** The JSON Schema that messages of that type must fit, with the members that any message may have. */
  typeSchema(name: string): object | undefined
  /**
   * Takes note of what the other end of a link wants of what is for it, in place of what it wanted before; undefined:
   * everything. Known at once as `subscription` of the recipient, for taps of `route` to narrow by. Of one whose deliveries
   * are kept, it is kept as well, until it subscribes anew or is forgotten: resolves when it is on disk. Rejects when the
   * store fails: then it may not outlast a restart.
   */
  subscribe(link: Link, subscription: Subscription | undefined): Promise<void>
  /** Those who want some of what is for them only. The same list until somebody subscribes, comes or goes. */
  subscribers(): readonly Recipient[]
  /**
   * Forgets a recipient and what waits for it, for good. Resolves to whether it was known; `SLP_PEER_CONFIGURED` when it is
   * a peer that the configuration names.
   */
  forget(name: string): Promise<boolean>
  /**
   * Forgets what waits for a recipient that is away, and the recipient itself, unless it is a peer that the configuration
   * names. Resolves to how many deliveries waited; to undefined when it is not known or is linked: nothing is forgotten then.
   */
  forgetAbsent(name: string): Promise<number | undefined>
  /**
   * The bytes of the texts that wait for a recipient behind that place in the store, of some deliveries at a time, and where
   * the next call goes on. Resolves to undefined when nothing waits there.
   */
  weigh(name: string, after: number): Promise<Weighed | undefined>
  /**
   * Lets newer writes take the place of older ones among what waits for a recipient that is away, of types that allow it: of
   * each key, the newest stays. A little at a time, until `done`. Resolves to undefined when it is not known or is linked:
   * nothing is collapsed then.
   */
  collapse(name: string): Promise<Collapsed | undefined>
  /** Requests that await answers, for plugins that speak for those who answer. */
  readonly requests: Replies
  /** What comes of stored messages that are answered, for their types. */
  readonly replies: Outcomes
  /**
   * Resolves to whether every message that is stored for this instance by now has been applied, or put aside for some
   * reason: of that ordering key, or of all. False when `withinMs` (5,000) is over first. Whoever has the ACK of a write
   * and waits for this reads what was written.
   */
  selfApplied(wish?: { readonly key?: string; readonly withinMs?: number }): Promise<boolean>
  /** All loaded plugins, with what they cost and how often they failed. */
  plugins(): readonly PluginReport[]
  /** All registered health checks. */
  healthChecks(): readonly HealthCheck[]
  /** Names of all registered message types. */
  messageTypes(): readonly string[]
  /** Those whose dead letters are delivered again only by a job that names them. */
  replayedByName(): readonly string[]
  /** Figures of the store. */
  storeStatistics(): StoreStatistics
  /** The sums of each recipient: what was for it, and what became of that. */
  ledger(): readonly LedgerRow[]
  /** Forgets some of what is no longer needed. Short, so that it can be called between messages. */
  purge(limits: PurgeLimits): Promise<Purged>
  /** Gives up the texts of some messages that nobody waits for. Short, as `purge`. */
  shed(limit: number): Promise<Shed>
  /** Whether messages of that type are stored and forwarded, rather than handled where they arrive. */
  isStored(type: string): boolean
  /** Whether the bus is on its way down and takes nothing new. */
  readonly draining: boolean

  /** What the plugin knows of deduplication that rests on a window of time. */
  readonly windows: WindowDeclarations

  /** Registers a message type. Its name may be claimed once (`SLP_TYPE_TAKEN`). */
  messageType<Name extends string>(name: Name, type: MessageType<BodyOf<Name>>): void
  /** Registers the store; exactly one plugin does (`SLP_STORE_TAKEN`, `SLP_STORE_MISSING`). */
  store(store: Store): void
  /** Registers where state is kept; one plugin at most does (`SLP_STATE_TAKEN`). */
  stateBackend(backend: StateBackend): void
  /** Registers a transport. */
  transport(transport: Transport): void
  /** Registers a check that health and readiness report. */
  healthCheck(check: HealthCheck): void
  /** Sends log records somewhere. */
  logSink(write: LogSink, enabled?: (level: LogLevel) => boolean): void
  /** Offers a service to plugins that are applied later. */
  provide<Name extends keyof Services>(name: Name, service: Services[Name]): void
  /** The service of that name; `SLP_SERVICE_MISSING` when no earlier plugin offers it. */
  use<Name extends keyof Services>(name: Name): Services[Name]
  /** The service of that name when there is one. */
  find<Name extends keyof Services>(name: Name): Services[Name] | undefined
}

/**
 * Where repetitions of something are recognised for a time only, whoever has a part in it says how long, with the option that
 * this comes from. Before a socket opens all are compared: the shortest window must be longer than repetitions can come
 * (`SLP_WINDOW_TOO_SHORT`), and what it rests on must be kept for as long (`SLP_WINDOW_NOT_KEPT`).
 */
export interface WindowDeclarations {
  /** A repetition is recognised for so many milliseconds after the first. */
  remembers(subject: string, milliseconds: number, option: string): void
  /** A repetition may come for so many milliseconds after the first. */
  repeats(subject: string, milliseconds: number, option: string): void
  /** That by which repetitions are recognised is kept for so many milliseconds. */
  keeps(subject: string, milliseconds: number, option: string): void
}

export interface PluginReport {
  readonly name: string
  readonly version: string | undefined
  /** Milliseconds spent in its taps. */
  readonly milliseconds: number
  readonly calls: number
  readonly faults: number
}

/**
 * Where in a hook a tap stands: lower stages run first, taps of one stage in order of registration. Numbers, not names of
 * other plugins: a misspelt name would silently go first.
 */
export const Stage = Object.freeze({
  LIMITS: -300,
  IDENTITY: -200,
  VALIDATE: -100,
  DEFAULT: 0,
  HINT: 100,
  LATE: 200,
})
