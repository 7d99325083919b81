import { Admission } from './admission.ts'
import { Applier } from './applier.ts'
import { AtOnce } from './at-once.ts'
import { Clocks } from './clocks.ts'
import { Dialer } from './dialer.ts'
import { Entrance } from './entrance.ts'
import { problemOf, slipstreamError } from './errors.ts'
import type { DueDelivery } from './events.ts'
import { Forwarder } from './forwarder.ts'
import { FrameReader } from './frame-reader.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Guard } from './guard.ts'
import type { Hooks } from './hooks.ts'
import { HybridClock } from './hybrid-clock.ts'
import { inTime } from './in-time.ts'
import { Journey } from './journey.ts'
import { CloseCode, type Introduction, type PeerSettings, type Transport } from './link.ts'
import { type Link, Links } from './links.ts'
import type { Parts } from './parts.ts'
import { isId } from './protocol/fields.ts'
import { type Reach, reachable } from './reach.ts'
import { DurableRecipient } from './recipient.ts'
import { Recipients } from './recipients.ts'
import { Requests } from './requests/requests.ts'
import { WaysBack } from './requests/ways-back.ts'
import type { Runtime } from './runtime/runtime.ts'
import { Schedule } from './schedule.ts'
import { SELF, SelfRecipient } from './self.ts'
import type { Settings } from './settings.ts'
import { Sightings } from './sightings.ts'
import { Lateness } from './state/lateness.ts'
import { type StateUpkeep, stateUpkeep } from './state/upkeep.ts'
import type { StateEntry, StateOutcome } from './state.ts'
import type { RecipientKey, SavedRecipient, Store, StoreState } from './store.ts'
import type { StoreHealth } from './store-health.ts'
import { Subscribers } from './subscribers.ts'
import { claimKnownTypes, UnknownTypes } from './unknown-types.ts'

const DRAIN_POLL_MS = 20

export interface MeshContext {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly hooks: Hooks
  readonly guard: Guard
  readonly parts: Parts
  readonly group: GroupCommit
  readonly decided: WeakSet<DueDelivery>
  readonly storeHealth: StoreHealth
  readonly draining: () => boolean
  readonly fail: (error: Error) => void
}

/** What waits for this instance itself. */
interface OwnDeliveries {
  readonly key: RecipientKey
  readonly pending: number
  /** Where messages of types wait that are not known. */
  readonly unknown: readonly SavedRecipient[]
}

/** An instance's place among the others: its identity and store, everyone it knows, and the links to them. */
export class Mesh {
  readonly instanceId: string
  readonly recipients: Recipients
  readonly links: Links
  readonly clock: HybridClock
  readonly clocks: Clocks
  /** The epoch of the store's own sequence. */
  readonly epoch: string
  readonly journey: Journey
  readonly requests: Requests
  readonly upkeep: StateUpkeep
  readonly ways: WaysBack
  readonly subscribers: Subscribers
  readonly addresses: string[] = []
  readonly #context: MeshContext
  readonly #store: Store
  readonly #schedule: Schedule
  readonly #dialers: readonly Dialer[]
  readonly #sightings: Sightings
  readonly #lateness = new Lateness()

  /** Opens the store and the state, and calls to mind whom the store remembers. No socket is opened yet. */
  static async open(context: MeshContext): Promise<Mesh> {
    const { settings, runtime, parts } = context
    const { store, state: backend, types } = parts
    if (settings.instanceId !== undefined && !isId(settings.instanceId))
      throw slipstreamError('SLP_INSTANCE_ID_INVALID', [])
    try {
      const state = await store.open({ runtime, instanceId: settings.instanceId })
      const selfKey = await store.saveRecipient({
        name: SELF,
        role: 'instance',
        tags: settings.tags,
        clusterGroupId: settings.clusterGroupId,
        url: undefined,
        lastSeenAt: runtime.now(),
      })
      await backend?.open({ runtime, joinedBy: (space) => types.joinOf(space) })
      const own = await claimKnownTypes(store, state.recipients, types)
      const mesh = new Mesh(context, state, { key: selfKey, ...own })
      await mesh.recipients.load(state.recipients, settings.peers)
      return mesh
    } catch (error) {
      await backend?.close()
      await store.close()
      throw error
    }
  }

  private constructor(context: MeshContext, state: StoreState, own: OwnDeliveries) {
    const { settings, runtime, hooks, guard, parts, group, decided, storeHealth, draining } = context
    const { instanceId, epoch, lastSequence, lastVersion } = state
    const { log, types } = parts
    const { clusterGroupId, retryDelayMs } = settings
    this.#context = context
    this.#store = parts.store
    this.instanceId = instanceId
    this.epoch = epoch
    this.upkeep = stateUpkeep({
      lateness: this.#lateness,
      backend: () => parts.state ?? missingState(),
      failed: (error) => this.#stateFailed(error),
    })
    const clock = new HybridClock(runtime, instanceId, lastVersion)
    this.clock = clock
    const mayDeliver = () => !group.isBehind
    const shared = { store: parts.store, runtime, hooks, log, retryDelayMs, decided, mayDeliver }
    const applier = new Applier({
      types,
      hooks,
      guard,
      state: parts.state,
      lateness: this.#lateness,
      fail: context.fail,
    })
    const settle = (recipient: RecipientKey, seq: number, superseded: boolean) => {
      group.settle(superseded ? { recipient, seq, superseded } : { recipient, seq })
    }
    const self = new SelfRecipient(own.key, own.pending, settings.tags, {
      ...shared,
      types,
      guard,
      applier,
      clock,
      settle,
    })
    const unknownTypes = new UnknownTypes({ store: parts.store, runtime, tags: settings.tags }, own.unknown)
    this.clocks = new Clocks({ runtime, clock, links: () => this.links.all() })
    parts.healthChecks.push(self.outbox.check, this.clocks.check)
    this.recipients = new Recipients(
      parts.store,
      {
        ...shared,
        isStrict: ({ message }) => types.isStrict(message.type),
        spaces: () => types.replacing(),
        circuit: (url) => this.#dialers.find(({ peer }) => peer.url === url)?.circuit,
      },
      { self, unknownTypes },
      (task) => group.between(task),
    )
    const between = group.between.bind(group)
    this.subscribers = new Subscribers({ store: parts.store, recipients: this.recipients, between, fail: context.fail })
    group.whenCaughtUp(() => this.recipients.pump())
    const isLate = (type: string, version: string) => types.deletes(type) && this.#lateness.isLate(version)
    const admission = new Admission({ instanceId, clusterGroupId, epoch, lastSequence, clock, runtime, isLate })
    const { store } = parts
    const atOnce = new AtOnce({ store, types, applier, hooks, clock, runtime, lateness: this.#lateness })
    const forwarder = new Forwarder({ instanceId, recipients: this.recipients, types, applier, atOnce, runtime })
    const storeFailed = (error: unknown) => this.#storeFailed(error)
    const forwardingFailed = (error: unknown) => this.#forwardingFailed(error)
    this.#schedule = new Schedule({
      ...{ store: parts.store, runtime, log, retryDelayMs, draining, mayStamp: () => !this.clocks.isOff },
      release: (scheduled, publisher) => this.journey.release(scheduled, this.recipients.named(publisher)),
    })
    this.requests = new Requests({
      ...{ instanceId, hooks, runtime, log, admission, recipients: this.recipients, state: parts.state },
      answering: (type) => types.answering(type),
      applied: (key, withinMs) => this.applied(key, withinMs),
    })
    this.ways = new WaysBack({ instanceId, hooks, runtime, types, recipients: this.recipients })
    const entrance = new Entrance({ group, clocks: this.clocks, storeHealth, draining })
    this.journey = new Journey({
      ...{ hooks, runtime, log, types, entrance, admission, forwarder, atOnce, group, clocks: this.clocks },
      ...{ requests: this.requests, ways: this.ways, schedule: this.#schedule, storeHealth },
      ...{ storeFailed, forwardingFailed },
    })
    const reading = { journey: this.journey, types, hooks, runtime, log }
    const reader = (link: Link) => new FrameReader(link, reading)
    this.links = new Links({ instanceId, recipients: this.recipients, hooks, runtime, log, reader })
    this.#dialers = settings.peers.map((peer) => this.#dialer(peer))
    this.#sightings = new Sightings({ store: parts.store, runtime, log, linked: () => this.recipients.linked() })
    hooks.linkUp.tap('kernel', (link) => this.#sightings.note(link.recipient))
    hooks.linkDown.tap('kernel', (link) => {
      this.#sightings.note(link.recipient)
      for (const dialer of this.#dialers) dialer.wake()
    })
  }

  /** Opens the listening sockets, dials the peers, applies what waited for this instance itself, and releases what is due. */
  async connect(): Promise<void> {
    for (const transport of this.#context.parts.transports) {
      const address = await transport.listen(
        (towards) => this.#introduction(towards),
        (connection) => this.links.accept(connection),
      )
      if (address) this.addresses.push(address)
    }
    for (const dialer of this.#dialers) dialer.start()
    this.#sightings.start()
    this.recipients.self.outbox.pump()
    this.#schedule.start()
  }

  /**
   * Resolves to whether everything that is stored for this instance by now is applied or put aside within that time: of an
   * ordering key, or of all.
   */
  async applied(key: string | undefined, withinMs: number): Promise<boolean> {
    const { runtime, group } = this.#context
    const deadline = runtime.monotonic() + withinMs
    // What was acknowledged a moment ago may not have been offered yet.
    const committed = group.between(async () => {}).then(() => true)
    if (!(await inTime(runtime, committed, withinMs))) return false
    return this.recipients.self.outbox.applied(key, deadline - runtime.monotonic())
  }

  /** Joins what another instance holds. The clock follows it; what is too far ahead of it is left out. */
  async joinState(entries: readonly StateEntry[]): Promise<readonly (StateOutcome | 'ahead')[]> {
    const { parts } = this.#context
    const inTime = entries.filter(({ version }) => this.clock.dueAt(version) === undefined)
    for (const { version } of inTime) this.clock.observe(version)
    try {
      const joined = (await parts.state?.join(inTime)) ?? []
      const outcomes = new Map(joined.map((outcome, index) => [inTime[index], outcome]))
      return entries.map((entry) => outcomes.get(entry) ?? 'ahead')
    } catch (error) {
      this.#stateFailed(error)
      throw error
    }
  }

  async announced({ recipient }: Link, reach: Reach): Promise<void> {
    if (recipient instanceof DurableRecipient) await this.recipients.announced(recipient, reach)
  }

  /**
   * Forgets a recipient and what waits for it, linked or not. Returns whether it was known; a configured peer is refused
   * with `SLP_PEER_CONFIGURED`, for it would be back at once.
   */
  async forget(name: string): Promise<boolean> {
    const recipient = this.recipients.durable(name)
    if (!recipient && !this.recipients.unknownTypes.get(name)) return false
    if (recipient && this.#context.settings.peers.some(({ url }) => url === recipient.url)) {
      throw slipstreamError('SLP_PEER_CONFIGURED', [name])
    }
    recipient?.link?.close(CloseCode.POLICY, 'this name was forgotten by an operator')
    await this.recipients.forget(name)
    return true
  }

  /** Lets nobody new in, and waits until what is in flight is acknowledged, or the time is up. */
  async drain(timeoutMs: number): Promise<void> {
    const { runtime, parts, group } = this.#context
    for (const dialer of this.#dialers) dialer.stop()
    for (const transport of parts.transports) await transport.stopListening()
    const deadline = runtime.monotonic() + timeoutMs
    while (this.#busy() && runtime.monotonic() < deadline) {
      await new Promise<void>((resolve) => runtime.after(DRAIN_POLL_MS, resolve))
    }
    await group.idle()
  }

  async disconnect(): Promise<void> {
    for (const dialer of this.#dialers) dialer.stop()
    await this.#sightings.close()
    // First, so that no link that is closed here counts as one that was lost.
    this.recipients.close()
    this.requests.close()
    this.#schedule.close()
    for (const transport of this.#context.parts.transports) await transport.close()
    await this.#context.group.idle()
  }

  async close(): Promise<void> {
    const { group, parts } = this.#context
    group.close()
    await parts.state?.close()
    await this.#store.close()
  }

  #busy(): boolean {
    return this.recipients.all().some(({ inFlight, connected }) => connected && inFlight > 0)
  }

  #introduction(towards: string | undefined): Introduction {
    const { settings, parts } = this.#context
    const { tags, clusterGroupId } = settings
    return {
      instanceId: this.instanceId,
      role: 'instance',
      tags: [...reachable(tags, this.recipients.all(), towards).keys()],
      clusterGroupId,
      durable: true,
      announces: true,
      // Where no state is kept, there is nothing to compare.
      syncs: parts.state !== undefined && parts.types.knows('SYNC'),
    }
  }

  #dialer(peer: PeerSettings): Dialer {
    const { settings, runtime, parts } = this.#context
    const transport = transportFor(peer.url, parts.transports)
    const recipient = () => this.recipients.byUrl(peer.url)
    return new Dialer(peer, {
      runtime,
      log: parts.log,
      firstDelayMs: settings.retryDelayMs,
      quickAttempts: settings.connectionRetryAttempts,
      dial: (signal) => transport.dial(peer, this.#introduction(recipient()?.name), signal),
      join: (connection, ended) => this.links.join(connection, 'out', peer, ended),
      linked: () => recipient()?.connected ?? false,
    })
  }

  /** Nothing was acknowledged and nothing is claimed: publishers repeat, and what became of deliveries is written again. */
  #storeFailed(error: unknown): void {
    const { parts, storeHealth, fail } = this.#context
    storeHealth.failed(error)
    parts.log.critical('store failed', { reason: problemOf(error), error })
    this.recipients.doubt()
    if ((error as { code?: unknown }).code === 'SLP_STORE_LOST') fail(error as Error)
  }

  /** What can be trusted no more ends the instance. */
  #stateFailed(error: unknown): void {
    if ((error as { code?: unknown }).code === 'SLP_STORE_LOST') this.#context.fail(error as Error)
  }

  /** The messages are on disk: everyone's outbox finds there what it was not offered. */
  #forwardingFailed(error: unknown): void {
    this.#context.parts.log.error('forwarding failed', { reason: problemOf(error), error })
    this.recipients.doubt()
  }
}

function missingState(): never {
  throw slipstreamError('SLP_STATE_FAILED', ['no plugin keeps it'])
}

function transportFor(url: string, transports: readonly Transport[]): Transport {
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined
  const transport = transports.find(({ protocols }) => protocol !== undefined && protocols.includes(protocol))
  if (!transport) throw slipstreamError('SLP_TRANSPORT_UNKNOWN', [url])
  return transport
}
