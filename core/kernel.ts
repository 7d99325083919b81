import type { Clocks } from './clocks.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deliveries } from './deliveries.ts'
import { slipstreamError } from './errors.ts'
import type { DueDelivery } from './events.ts'
import type { Executions } from './execution.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Guard } from './guard.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { Parts } from './parts.ts'
import type { Kernel, Plugin, PluginReport, WindowDeclarations } from './plugin.ts'
import type { Window } from './protocol/limits.ts'
import type { Recipient } from './recipient.ts'
import type { Recipients } from './recipients.ts'
import type { Replies } from './requests/requests.ts'
import type { WaysBack } from './requests/ways-back.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Settings } from './settings.ts'
import type { StateUpkeep } from './state/upkeep.ts'
import type { Collapsed, Store, Weighed } from './store.ts'
import type { Subscribers } from './subscribers.ts'
import type { Span, Windows } from './windows.ts'

/** How long to wait for pending applies when nobody says how long, in milliseconds. */
const APPLIED_WITHIN_MS = 5_000

/** What of a bus its plugins can see. */
export interface KernelContext {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly guard: Guard
  readonly parts: Parts
  readonly group: GroupCommit
  readonly decided: WeakSet<DueDelivery>
  readonly instanceId: () => string
  readonly epoch: () => string
  readonly joinState: Kernel['joinState']
  readonly upkeep: () => StateUpkeep
  readonly draining: () => boolean
  readonly recipients: () => readonly Recipient[]
  readonly everyone: () => Recipients
  readonly clocks: () => Clocks
  readonly links: () => readonly Link[]
  readonly requests: () => Replies
  readonly ways: () => WaysBack
  readonly announced: Kernel['announced']
  readonly subscribers: () => Subscribers
  readonly window: () => Window
  readonly forget: (name: string) => Promise<boolean>
  readonly weigh: (name: string, after: number) => Promise<Weighed | undefined>
  readonly collapse: (name: string) => Promise<Collapsed | undefined>
  readonly forgetAbsent: (name: string) => Promise<number | undefined>
  readonly applied: (key: string | undefined, withinMs: number) => Promise<boolean>
  readonly plugins: () => readonly PluginReport[]
}

/** The bus as one plugin sees it: whatever it registers bears its name. */
export function kernelFor(plugin: Plugin, context: KernelContext): Kernel {
  const { name: owner } = plugin
  const { parts, guard, hooks } = context
  const assertOpen = () => parts.assertOpen(owner)
  return Object.freeze({
    settings: context.settings,
    runtime: context.runtime,
    log: parts.log,
    hooks: guard.hooksFor(owner, hooks, assertOpen),
    deliveries: new Deliveries(context, plugin),
    deadLetters: new DeadLetters({ store: () => parts.store, recipients: context.everyone, group: context.group }),
    executions: executionsOf(() => parts.store),
    get instanceId() {
      return context.instanceId()
    },
    get epoch() {
      return context.epoch()
    },
    joinState: context.joinState,
    get stateUpkeep() {
      return context.upkeep()
    },
    get draining() {
      return context.draining()
    },
    get clocks() {
      return context.clocks()
    },
    get state() {
      return parts.state
    },
    get requests() {
      return context.requests()
    },
    get replies() {
      return context.ways()
    },
    recipients: context.recipients,
    links: context.links,
    announced: context.announced,
    get window() {
      return context.window()
    },
    typeDigests: () => parts.types.digests(),
    typeSchema: (name) => parts.types.schemaOf(name),
    subscribe: (link, subscription) => context.subscribers().subscribe(link, subscription),
    subscribers: () => context.subscribers().all(),
    forget: context.forget,
    weigh: context.weigh,
    collapse: context.collapse,
    forgetAbsent: context.forgetAbsent,
    selfApplied: ({ key, withinMs = APPLIED_WITHIN_MS } = {}) => context.applied(key, withinMs),
    plugins: context.plugins,
    healthChecks: () => parts.healthChecks,
    storeStatistics: () => parts.store.statistics(),
    ledger: () => parts.store.ledger(),
    purge: (limits) => parts.store.purge(limits),
    shed: (limit) => parts.store.shed(limit),
    isStored: (type) => parts.types.receiver(type) === undefined,
    messageTypes: () => parts.types.names(),
    replayedByName: () => parts.types.replayedByName(),
    messageType(name, type) {
      assertOpen()
      parts.types.register(plugin, name, type)
    },
    store(store) {
      assertOpen()
      parts.setStore(owner, store)
    },
    windows: windowsOf(owner, parts.windows, assertOpen),
    stateBackend(backend) {
      assertOpen()
      parts.setState(owner, backend)
    },
    transport(transport) {
      assertOpen()
      parts.transports.push(transport)
    },
    healthCheck(check) {
      assertOpen()
      parts.healthChecks.push(check)
    },
    logSink(write, enabled) {
      assertOpen()
      parts.log.attach(write, enabled)
    },
    provide(name, service) {
      assertOpen()
      parts.provide(owner, name, service)
    },
    use(name) {
      const service = parts.find(name)
      if (service === undefined) throw slipstreamError('SLP_SERVICE_MISSING', [name], { plugin: owner })
      return service
    },
    find: (name) => parts.find(name),
  } satisfies Kernel)
}

function executionsOf(store: () => Store): Executions {
  return Object.freeze({
    claim: (claims) => store().claimExecutions(claims),
    finish: (messageId, ending) => store().finishExecution(messageId, ending),
    interrupt: (ending) => store().interruptExecutions(ending),
    find: (messageId) => store().execution(messageId),
    forget: (finishedBefore, limit) => store().forgetExecutions(finishedBefore, limit),
  } satisfies Executions)
}

function windowsOf(owner: string, windows: Windows, assertOpen: () => void): WindowDeclarations {
  const declare = (relation: (subject: string, span: Span) => void) => {
    return (subject: string, milliseconds: number, option: string) => {
      assertOpen()
      relation.call(windows, subject, { milliseconds, from: `${option} of ${owner}` })
    }
  }
  return Object.freeze({
    remembers: declare(windows.remembers),
    repeats: declare(windows.repeats),
    keeps: declare(windows.keeps),
  })
}
