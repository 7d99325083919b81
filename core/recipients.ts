import type { Deliverer } from './deliverer.ts'
import { problemOf } from './errors.ts'
import { CloseCode, type Introduction, type PeerSettings } from './link.ts'
import type { Link } from './links.ts'
import type { Outbox } from './outbox.ts'
import type { Reach } from './reach.ts'
import {
  DurableRecipient,
  LiveRecipient,
  type Recipient,
  type RecipientContext,
  type StoredRecipient,
} from './recipient.ts'
import { SELF, type SelfRecipient } from './self.ts'
import type { Collapsed, RecipientKey, RecipientRecord, SavedRecipient, Store, Weighed } from './store.ts'
import { isOfUnknownType, type UnknownTypes } from './unknown-types.ts'

/** How long to wait before asking a store again that could not change a recipient, in milliseconds. */
const TRY_AGAIN_MS = 1_000

/** Deliveries that are looked at in a row when a backlog is collapsed: some milliseconds. */
const COLLAPSE_AT_ONCE = 200
/** Deliveries that are weighed in a row: some milliseconds. */
const WEIGHED_AT_ONCE = 2_000

type Between = <Result>(task: () => Promise<Result>) => Promise<Result>

/** Everyone who is known: remembered, configured or connected. */
export class Recipients {
  readonly #store: Store
  readonly #context: RecipientContext
  readonly #between: Between
  readonly #durable = new Map<string, DurableRecipient>()
  readonly #live = new Map<Link, LiveRecipient>()
  readonly self: SelfRecipient
  /** This instance as the recipient of messages of types that it does not know. */
  readonly unknownTypes: UnknownTypes
  #closed = false
  #candidates: readonly (DurableRecipient | LiveRecipient)[] | undefined

  /** `between` runs what changes keys while no group of messages is being stored. */
  constructor(
    store: Store,
    context: RecipientContext,
    own: { readonly self: SelfRecipient; readonly unknownTypes: UnknownTypes },
    between: Between,
  ) {
    this.#store = store
    this.#context = context
    this.self = own.self
    this.unknownTypes = own.unknownTypes
    this.#between = between
  }

  /** What the store remembers, and what the configuration names: a peer is a recipient before it was ever seen. */
  async load(saved: readonly SavedRecipient[], peers: readonly PeerSettings[]): Promise<void> {
    for (const one of saved) {
      if (one.name !== SELF && !isOfUnknownType(one.name)) this.#keep(new DurableRecipient(one, this.#context))
    }
    for (const peer of peers) await this.#configured(peer)
  }

  all(): readonly Recipient[] {
    return [this.self, ...this.unknownTypes.all(), ...this.connectedOrDurable()]
  }

  /** Everyone but this instance itself, as the starting point of a route. The same list until somebody comes or goes. */
  connectedOrDurable(): readonly (DurableRecipient | LiveRecipient)[] {
    this.#candidates ??= [...this.#durable.values(), ...this.#live.values()]
    return this.#candidates
  }

  /** Those whose deliveries are kept and who are linked. */
  linked(): readonly DurableRecipient[] {
    return [...this.#durable.values()].filter(({ connected }) => connected)
  }

  /** Whoever is remembered or connected under that name. */
  named(name: string | undefined): Recipient | undefined {
    return this.connectedOrDurable().find((recipient) => recipient.name === name)
  }

  durable(name: string): DurableRecipient | undefined {
    return this.#durable.get(name)
  }

  /** What brings its deliveries to whoever has that key in the store. */
  outboxOf(key: RecipientKey): Deliverer | undefined {
    return this.#stored().find((recipient) => recipient.key === key)?.outbox
  }

  /** How many of that role are remembered whom the configuration does not name. */
  strangers(role: 'client' | 'instance'): number {
    let count = 0
    for (const one of this.#durable.values()) if (one.role === role && one.circuit === undefined) count++
    return count
  }

  /** The recipient that a durable introduction speaks of, remembered from now on. */
  async identify(name: string, remote: Introduction, peer?: PeerSettings): Promise<DurableRecipient> {
    const configured = peer && this.byUrl(peer.url)
    if (configured && configured.name !== name) await this.#between(() => this.#rename(configured, name))
    const recipient = this.#durable.get(name) ?? (await this.#remember(name, remote, peer?.url))
    if (peer) recipient.configure(peer)
    if (recipient.role !== remote.role) {
      // One that came as a client before and is configured as a peer now, or says itself that it is an instance.
      recipient.role = remote.role
      recipient.subscription = undefined
      await this.#store.saveRecipient(recipient.record())
    }
    return recipient
  }

  /** Takes note of what a peer or client says of itself. In memory at once; resolves when it is kept. */
  async announced(recipient: DurableRecipient, reach: Reach, clusterGroupId = recipient.clusterGroupId): Promise<void> {
    if (recipient.forgotten) return
    const isKept = sameTags(recipient.announced, [...reach.keys()]) && recipient.clusterGroupId === clusterGroupId
    recipient.announce(reach)
    if (isKept) return
    recipient.clusterGroupId = clusterGroupId
    await this.#store.saveRecipient(recipient.record())
  }

  addLive(link: Link, tags: readonly string[]): LiveRecipient {
    const recipient = new LiveRecipient(link, tags)
    this.#live.set(link, recipient)
    this.#candidates = undefined
    return recipient
  }

  removeLive(link: Link): void {
    if (this.#live.delete(link)) this.#candidates = undefined
  }

  /** Forgets a recipient, or a type that is not known here, and what waits for it. */
  forget(name: string): Promise<void> {
    return this.#between(async () => {
      const unknownType = this.unknownTypes.get(name)
      if (unknownType) await this.#surely(() => this.unknownTypes.forget(unknownType))
      const recipient = this.#durable.get(name)
      if (recipient) await this.#forget(recipient)
    })
  }

  /**
   * Forgets what waits for a recipient that is away, and the recipient too, unless it is dialled; or a type that is not
   * known here, and what waits for it. Resolves to how many deliveries waited; to undefined if it is not known or is linked: then nothing is forgotten.
   */
  forgetAbsent(name: string): Promise<number | undefined> {
    return this.#between(async () => {
      const unknownType = this.unknownTypes.get(name)
      if (unknownType) return this.unknownTypes.forget(unknownType)
      const recipient = this.#durable.get(name)
      if (!recipient || recipient.connected) return undefined
      const count = await this.#forgetBacklog(recipient)
      if (recipient.circuit === undefined) await this.#forget(recipient)
      return count
    })
  }

  /** The store could not say what became of a group: everyone's deliveries are read anew when their turn comes. */
  doubt(): void {
    this.#each((one) => one.doubt())
  }

  /** Everyone may be sent what waits. */
  pump(): void {
    this.#each((one) => one.pump())
  }

  /** Stops every timer; what waits is on disk. */
  close(): void {
    this.#closed = true
    for (const { outbox } of this.#stored()) outbox.close()
  }

  async #configured(peer: PeerSettings): Promise<void> {
    const known = this.byUrl(peer.url) ?? (peer.instanceId ? this.#durable.get(peer.instanceId) : undefined)
    const name = peer.instanceId ?? peer.url
    const recipient =
      known ??
      (await this.#remember(name, { role: 'instance', tags: [], clusterGroupId: peer.clusterGroupId }, peer.url))
    recipient.configure(peer)
  }

  async #remember(
    name: string,
    remote: Pick<Introduction, 'role' | 'tags' | 'clusterGroupId'>,
    url: string | undefined,
  ): Promise<DurableRecipient> {
    const { role, tags, clusterGroupId } = remote
    const record: RecipientRecord = { name, role, tags, clusterGroupId, url, lastSeenAt: this.#context.runtime.now() }
    const key = await this.#store.saveRecipient(record)
    return this.#durable.get(name) ?? this.#keep(new DurableRecipient({ ...record, key, pending: 0 }, this.#context))
  }

  /**
   * Lets newer writes take the place of older ones among what waits for a recipient that is away, a little at a time.
   * Resolves to undefined if it is not known or is linked: what is under way must not be taken away.
   */
  collapse(name: string): Promise<Collapsed | undefined> {
    return this.#between(async () => {
      const recipient = this.#durable.get(name)
      if (!recipient || recipient.connected) return undefined
      const { key, outbox } = recipient
      return this.#rereading(outbox, () => this.#store.collapse(key, this.#context.spaces(), COLLAPSE_AT_ONCE))
    })
  }

  /** What some of the deliveries weigh that wait for a recipient. */
  async weigh(name: string, after: number): Promise<Weighed | undefined> {
    const recipient = this.#durable.get(name)
    return recipient && this.#store.weigh(recipient.key, after, WEIGHED_AT_ONCE)
  }

  async #forget(recipient: DurableRecipient): Promise<void> {
    await this.#surely(() => this.#store.forgetRecipient(recipient.key))
    recipient.forgotten = true
    this.#durable.delete(recipient.name)
    this.#candidates = undefined
    recipient.outbox.close()
    // It may have come back while the store was at it.
    recipient.link?.close(CloseCode.TRY_AGAIN_LATER, 'this name has just been forgotten; connect again')
  }

  async #forgetBacklog({ key, outbox }: DurableRecipient): Promise<number> {
    const { count } = await this.#rereading(outbox, async () => ({
      count: await this.#store.forgetBacklog(key),
      pending: 0,
    }))
    return count
  }

  /** Changes what waits on disk. It is read anew then, also after a failure, which leaves open what is on disk. */
  async #rereading<Result extends { readonly pending: number }>(
    outbox: Outbox,
    change: () => Promise<Result>,
  ): Promise<Result> {
    let { pending } = outbox
    try {
      const result = await change()
      pending = result.pending
      return result
    } finally {
      outbox.reload(pending)
    }
  }

  /** The id behind a URL has become known: what waited under the URL waits under the id. */
  async #rename(recipient: DurableRecipient, name: string): Promise<void> {
    const { key, pending } = await this.#surely(() => this.#store.renameRecipient(recipient.name, name))
    this.#durable.delete(recipient.name)
    const united = this.#durable.get(name) ?? recipient
    if (united !== recipient) {
      recipient.successor = united
      recipient.outbox.close()
    }
    united.name = name
    united.renamed = true
    united.key = key
    united.url = recipient.url
    united.outbox.reload(pending)
    this.#keep(united)
  }

  /**
   * Tries again until the store has an answer: while it is not known which key a recipient has, nothing can be stored for
   * it. A store that fails for a while stores nothing else either.
   */
  async #surely<Result>(change: () => Promise<Result>): Promise<Result> {
    const { runtime, log, retryDelayMs } = this.#context
    for (;;) {
      try {
        return await change()
      } catch (error) {
        if (this.#closed || (error as { code?: unknown }).code !== 'SLP_STORE_FAILED') throw error
        log.error('recipient not changed', { reason: problemOf(error), error })
        await new Promise<void>((resolve) => runtime.after(Math.min(retryDelayMs, TRY_AGAIN_MS), resolve))
      }
    }
  }

  /** Does that for everyone. What fails for one of them keeps nobody else from their turn. */
  #each(act: (one: Deliverer) => void): void {
    for (const { name, outbox } of this.#stored()) {
      try {
        act(outbox)
      } catch (error) {
        this.#context.log.error('forwarding failed', { recipient: name, reason: problemOf(error), error })
      }
    }
  }

  #stored(): readonly StoredRecipient[] {
    return [this.self, ...this.unknownTypes.all(), ...this.#durable.values()]
  }

  #keep(recipient: DurableRecipient): DurableRecipient {
    this.#durable.set(recipient.name, recipient)
    this.#candidates = undefined
    return recipient
  }

  /** The recipient that the configuration names by this URL. */
  byUrl(url: string): DurableRecipient | undefined {
    for (const recipient of this.#durable.values()) if (recipient.url === url) return recipient
    return undefined
  }
}

function sameTags(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((tag) => others.includes(tag))
}
