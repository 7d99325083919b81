import { Backlog } from './backlog.ts'
import type { Deliverer } from './deliverer.ts'
import type { LinkCircuit } from './dialer.ts'
import type { PeerSettings } from './link.ts'
import type { Link } from './links.ts'
import { Outbox, type OutboxContext } from './outbox.ts'
import type { Reach } from './reach.ts'
import type { RecipientKey, RecipientRecord, SavedRecipient, Spaces } from './store.ts'
import type { Subscription } from './subscription.ts'

/** Someone whom messages may be for. */
export interface Recipient {
  /** Instance id, client name, the URL of a peer that was never seen, `@self`, or a link's id for a client without a name. */
  readonly name: string
  readonly role: 'instance' | 'client' | 'self'
  /** What it bears: everything that is reachable behind it. */
  readonly tags: ReadonlySet<string>
  /** To some of these, how many links lie between it and who bears them. All others count as its own. */
  readonly hops?: ReadonlyMap<string, number>
  /** Whether what is due waits for it on disk while it is away. */
  readonly durable: boolean
  readonly connected: boolean
  /** How it stands with dialling it; undefined of those whom this instance does not dial. */
  readonly circuit: LinkCircuit | undefined
  /** Deliveries that are stored for it and not acknowledged. */
  readonly pending: number
  /** Of these, sent and awaiting their acknowledgement; of `@self`, being applied. */
  readonly inFlight: number
  /** Of these, waiting for their time: failed ones for their next attempt, and of `@self` those that are ahead of time. */
  readonly deferred: number
  /** When it was last linked, in milliseconds since the epoch: now, while it is. Undefined where nobody takes note of it. */
  readonly lastSeenAt: number | undefined
  /**
   * How far its clock is ahead of this instance's, in milliseconds, negative when it is behind. Known of linked instances
   * that let it be seen.
   */
  readonly clockAheadMs: number | undefined
  /** What it wants of what is for it; absent: everything. */
  readonly subscription?: Subscription | undefined
  /** Its key in the store; undefined when nothing is stored for it. */
  readonly key: RecipientKey | undefined
}

/** Someone for whom deliveries are kept in the store, and what brings them. */
export interface StoredRecipient extends Recipient {
  readonly key: RecipientKey
  readonly outbox: Deliverer
}

export function isStored(recipient: Recipient): recipient is StoredRecipient {
  return recipient.durable
}

export interface RecipientContext extends OutboxContext {
  /** Types of which the newest message of a key replaces the others. */
  spaces(): Spaces
  /** How it stands with dialling that URL, if it is dialled. */
  circuit(url: string): LinkCircuit | undefined
}

/** A named client or an instance: its deliveries are rows in the store until it has acknowledged them. */
export class DurableRecipient implements StoredRecipient {
  readonly durable = true
  role: 'instance' | 'client'
  readonly outbox: Outbox
  name: string
  key: RecipientKey
  clusterGroupId: string | undefined
  /** The URL under which the configuration names it. */
  url: string | undefined
  tags: ReadonlySet<string> = new Set()
  /** Kept while it is away, or its backlog would fill with what it does not want. */
  subscription: Subscription | undefined
  link: Link | undefined
  /** Set when this one, known by its URL only, turned out to be another one that was known by its id. */
  successor: DurableRecipient | undefined
  /** Set when it was known by its URL only at first: routes that were made then did not recognise it in a path. */
  renamed = false
  /** Set when it was forgotten: routes that were made before lead to nobody. */
  forgotten = false
  #seenAt: number
  #configured: readonly string[] = []
  #announced: readonly string[]
  #hops: Reach = new Map()
  readonly #context: RecipientContext

  constructor(saved: SavedRecipient, context: RecipientContext) {
    this.#context = context
    this.name = saved.name
    this.role = saved.role
    this.key = saved.key
    this.url = saved.url
    this.clusterGroupId = saved.clusterGroupId
    this.subscription = saved.subscription
    this.#announced = saved.tags
    this.#seenAt = saved.lastSeenAt
    this.#unite()
    const backlog = new Backlog(context.store, () => this.key, saved.pending)
    this.outbox = new Outbox(this, backlog, context)
  }

  get connected(): boolean {
    return this.link !== undefined
  }

  get circuit(): LinkCircuit | undefined {
    return this.url === undefined ? undefined : this.#context.circuit(this.url)
  }

  get pending(): number {
    return this.outbox.pending
  }

  get inFlight(): number {
    return this.outbox.inFlight
  }

  get deferred(): number {
    return this.outbox.deferred
  }

  get lastSeenAt(): number {
    return this.link ? this.#context.runtime.now() : this.#seenAt
  }

  get clockAheadMs(): number | undefined {
    const { runtime } = this.#context
    return this.role === 'instance' ? this.link?.clock.aheadOf(runtime.now(), runtime.monotonic()) : undefined
  }

  get hops(): Reach {
    return this.#hops
  }

  get announced(): readonly string[] {
    return this.#announced
  }

  /** Tags that the configuration gives to the link. */
  configure(peer: PeerSettings): void {
    this.url = peer.url
    this.#configured = peer.tags ?? []
    this.#unite()
  }

  /** Tags that the peer says are reachable behind it. */
  announce(reach: Reach): void {
    this.#announced = [...reach.keys()]
    this.#hops = reach
    this.#unite()
  }

  /** It is linked, or was until now. */
  seen(): void {
    this.#seenAt = this.#context.runtime.now()
  }

  record(): RecipientRecord {
    const { name, role, url, clusterGroupId, lastSeenAt, subscription } = this
    const record = { name, role, url, tags: this.#announced, clusterGroupId, lastSeenAt }
    return subscription ? { ...record, subscription } : record
  }

  #unite(): void {
    this.tags = new Set([...this.#configured, ...this.#announced])
  }
}

/** A client without a name: it is sent what comes by while it is there, and nothing is kept for it. */
export class LiveRecipient implements Recipient {
  readonly durable = false
  readonly role = 'client'
  readonly key = undefined
  readonly lastSeenAt = undefined
  readonly clockAheadMs = undefined
  readonly connected = true
  readonly circuit = undefined
  readonly pending = 0
  readonly inFlight = 0
  readonly deferred = 0
  readonly name: string
  readonly tags: ReadonlySet<string>
  readonly link: Link
  subscription: Subscription | undefined

  constructor(link: Link, tags: readonly string[]) {
    this.name = link.peer ?? link.id
    this.tags = new Set(tags)
    this.link = link
  }
}
