import { problemOf } from './errors.ts'
import type { Hooks } from './hooks.ts'
import { CloseCode, type Connection, type Introduction, type Lane, type PeerSettings } from './link.ts'
import type { Log } from './log.ts'
import { PeerClock } from './peer-clock.ts'
import type { Codec, FrameEvents, OnItsWay } from './protocol/codec.ts'
import type { Hello } from './protocol/hello.ts'
import type { Level } from './protocol/limits.ts'
import { LinkedCodec } from './protocol/linked.ts'
import { PlainCodec } from './protocol/plain.ts'
import type { DurableRecipient, LiveRecipient } from './recipient.ts'
import type { Recipients } from './recipients.ts'
import type { Runtime } from './runtime/runtime.ts'

/**
 * Names of clients, and of instances that the configuration does not name, whose backlog is kept at once: whoever connects
 * chooses them. An operator forgets one to make room, or time does.
 */
const MAX_NAMES = Object.freeze({ client: 100, instance: 256 })
/** What a client without a name may leave unread before it is sent away, in bytes. */
const MAX_UNREAD_BYTES = 1024 * 1024

/** A connection whose other end is known as far as it said who it is. */
export class Link {
  /** Unique in this process, for logs and pages. */
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly role: 'instance' | 'client'
  /** The other end's name; undefined for a client without one. */
  readonly peer: string | undefined
  readonly connection: Connection
  /** How things are said to it. */
  readonly codec: Codec
  readonly connectedAt: number
  /** What is known of the time at the other end. */
  readonly clock = new PeerClock()
  /** Undefined until it is identified. */
  recipient: DurableRecipient | LiveRecipient | undefined
  /** What the other end has said of itself on a linked connection. */
  hello: Hello = {}
  #listeningSince: number | undefined = Number.NEGATIVE_INFINITY

  constructor({ id, direction, connection, peer, now, codec }: LinkParts) {
    this.id = id
    this.direction = direction
    this.connection = connection
    this.codec = codec
    this.role = roleBehind(connection, direction)
    this.peer = peer
    this.connectedAt = now
  }

  get address(): string {
    return this.connection.address
  }

  /**
   * Since when it is read from, by the clock that only grows; undefined while it is not. Whoever is not listened to can be
   * blamed for no silence.
   */
  get listeningSince(): number | undefined {
    return this.#listeningSince
  }

  /** Reads nothing from it for now. */
  pause(): void {
    this.#listeningSince = undefined
    this.connection.pause()
  }

  /** Reads on, from `now` by the clock that only grows. */
  resume(now: number): void {
    this.#listeningSince = now
    this.connection.resume()
  }

  get level(): Level {
    return this.codec.level
  }

  /**
   * Sends a frame of the plain level, on whichever level the connection is. Answers and announcements go as `control`, ahead of
   * messages that still wait.
   */
  send(frame: string, lane: Lane = 'bulk'): void {
    this.codec.say(frame, lane)
  }

  /** Sends live traffic to a client without a name, or sends the client away when it does not keep up. */
  sendLive(message: OnItsWay): void {
    if (this.connection.bufferedBytes + this.codec.waitingBytes > MAX_UNREAD_BYTES) {
      this.close(CloseCode.TRY_AGAIN_LATER, 'too slow for live traffic; connect with a name to have it kept')
    } else {
      this.codec.pass(message, 'bulk')
    }
  }

  close(code: number, reason: string): void {
    this.codec.flush()
    this.connection.close(code, reason)
  }
}

interface LinkParts {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly connection: Connection
  readonly peer: string | undefined
  readonly now: number
  readonly codec: Codec
}

function roleBehind({ remote }: Connection, direction: 'in' | 'out'): 'instance' | 'client' {
  return direction === 'out' ? 'instance' : remote.role
}

export interface LinksContext {
  readonly instanceId: string
  readonly recipients: Recipients
  readonly hooks: Hooks
  readonly runtime: Runtime
  readonly log: Log
  /** Takes what the frames of a link say. */
  reader(link: Link): FrameEvents
}

/** How a connection that was dialled ended up: in use, or standing by because the peer's own dial is the one that stays. */
export type Joined = 'kept' | 'standing by' | 'refused'

/**
 * Every open connection, and who is behind it. Of two links with one peer, exactly one stays, and both ends choose the
 * same one without a word.
 */
export class Links {
  readonly #context: LinksContext
  readonly #links = new Set<Link>()
  #count = 0

  constructor(context: LinksContext) {
    this.#context = context
  }

  all(): readonly Link[] {
    return [...this.#links]
  }

  /** A connection somebody opened to us. */
  accept(connection: Connection): void {
    this.join(connection, 'in').catch((error: unknown) => {
      this.#context.log.error('link failed', { address: connection.address, reason: problemOf(error), error })
      connection.close(CloseCode.TRY_AGAIN_LATER, 'cannot be served now')
    })
  }

  /** Identifies the other end and puts the link to use, unless another one with the same peer stays. */
  async join(
    connection: Connection,
    direction: 'in' | 'out',
    peer?: PeerSettings,
    ended?: () => void,
  ): Promise<Joined> {
    const { remote } = connection
    const { runtime } = this.#context
    const name = remote.instanceId ?? peer?.instanceId ?? peer?.url
    const codec = this.#codecFor(connection, direction)
    const id = `link-${++this.#count}`
    const link = new Link({ id, direction, connection, peer: name, now: runtime.now(), codec })
    const events = this.#context.reader(link)
    let open = true
    connection.handle({
      frame: (text, bytes) => codec.read(text, bytes, events),
      closed: (code, reason) => {
        open = false
        this.#gone(link, code, reason)
        ended?.()
      },
    })
    // Nothing is read until it is known whom it comes from.
    connection.pause()
    const refusal = this.#refusal(link, peer)
    if (refusal) {
      connection.close(refusal.code, refusal.reason)
      return 'refused'
    }
    const recipient = await this.#identify(link, peer)
    if (!open) return 'refused'
    if (recipient.durable && recipient.forgotten) {
      link.close(CloseCode.TRY_AGAIN_LATER, 'this name has just been forgotten; connect again')
      return 'refused'
    }
    if (recipient.durable && !this.#prevails(link, recipient)) {
      link.close(CloseCode.REPLACED, 'the link that the other side dialled stays')
      return 'standing by'
    }
    const kept = recipient.durable && this.#announced(recipient, remote)
    this.#use(link, recipient)
    await kept
    return 'kept'
  }

  #codecFor(connection: Connection, direction: 'in' | 'out'): Codec {
    const { instanceId, runtime } = this.#context
    const send = (frame: string, lane: Lane) => connection.send(frame, lane)
    const byteLength = (text: string) => Buffer.byteLength(text)
    if (connection.level !== 'linked') return new PlainCodec({ instanceId, send, byteLength })
    const defer = (task: () => void) => runtime.defer(task)
    const tellsMore = roleBehind(connection, direction) === 'client'
    return new LinkedCodec({ name: instanceId, tellsMore, send, defer, byteLength })
  }

  #refusal(link: Link, peer: PeerSettings | undefined): { code: number; reason: string } | undefined {
    const { instanceId, recipients } = this.#context
    const { remote } = link.connection
    if (remote.instanceId === instanceId) {
      return {
        code: CloseCode.POLICY,
        reason: 'this is the instance itself; remove the peer, or give it an id of its own',
      }
    }
    if (peer?.instanceId && remote.instanceId && remote.instanceId !== peer.instanceId) {
      return { code: CloseCode.FORBIDDEN, reason: 'another instance is configured at this address' }
    }
    const namesake = link.peer === undefined ? undefined : recipients.durable(link.peer)
    if (link.role === 'client' && namesake?.role === 'instance') {
      return { code: CloseCode.FORBIDDEN, reason: 'this name belongs to an instance; take another one' }
    }
    const isNewcomer = link.peer && !namesake && !peer && (remote.durable || link.role === 'instance')
    if (!isNewcomer || recipients.strangers(link.role) < MAX_NAMES[link.role]) return undefined
    const remedy = link.role === 'client' ? 'forget one, or connect with durable=false' : 'forget one, or configure it'
    return { code: CloseCode.POLICY, reason: `${MAX_NAMES[link.role]} names are taken; ${remedy}` }
  }

  async #identify(link: Link, peer: PeerSettings | undefined): Promise<DurableRecipient | LiveRecipient> {
    const { recipients } = this.#context
    const { remote } = link.connection
    if (link.peer && (remote.durable || link.role === 'instance')) {
      return recipients.identify(link.peer, { ...remote, role: link.role }, peer)
    }
    const namesake = link.peer === undefined ? undefined : recipients.durable(link.peer)
    if (namesake?.role === 'client') {
      if (namesake.link) this.#replace(namesake.link)
      await recipients.forget(namesake.name)
    }
    return recipients.addLive(link, remote.tags)
  }

  /**
   * A handshake may be older than what a peer has announced over another link since: both hold until it announces again,
   * which it does as soon as the link is up. A client says what it bears in its handshake alone.
   */
  #announced(recipient: DurableRecipient, { tags, clusterGroupId, announces, role }: Introduction): Promise<void> {
    const known = announces && role === 'instance' ? [...recipient.announced, ...tags] : tags
    const reach = new Map(known.map((tag) => [tag, recipient.hops.get(tag) ?? 0]))
    return this.#context.recipients.announced(recipient, reach, clusterGroupId)
  }

  /**
   * Whether a new link takes the place of the one in use. Two instances that dial each other keep the link that the
   * smaller id dialled; otherwise the newer one is the living one (§2 of the protocol).
   */
  #prevails(link: Link, recipient: DurableRecipient): boolean {
    const current = recipient.link
    if (!current) return true
    const duel = link.role === 'instance' && link.direction !== current.direction
    const ours = this.#context.instanceId < recipient.name
    if (duel && (link.direction === 'out') !== ours) return false
    this.#replace(current)
    return true
  }

  #replace(link: Link): void {
    this.#retire(link)
    link.close(CloseCode.REPLACED, 'another connection of the same name took its place')
  }

  #use(link: Link, recipient: DurableRecipient | LiveRecipient): void {
    for (const other of this.#links) if (isSameClient(other, link)) this.#replace(other)
    link.recipient = recipient
    this.#links.add(link)
    if (recipient.durable) recipient.link = link
    this.#context.log.debug('link up', { peer: recipient.name, address: link.address })
    this.#context.hooks.linkUp.call(link)
    link.connection.resume()
    if (recipient.durable) recipient.outbox.attach(link)
  }

  /** A link that is no longer used for deliveries, closed or about to be. */
  #retire(link: Link): void {
    const { recipient } = link
    if (!this.#links.delete(link) || !recipient) return
    if (recipient.durable && recipient.link === link) {
      recipient.link = undefined
      recipient.outbox.detach()
    } else {
      this.#context.recipients.removeLive(link)
    }
    this.#context.hooks.linkDown.call(link)
  }

  #gone(link: Link, code: number, reason: string): void {
    this.#context.recipients.removeLive(link)
    this.#retire(link)
    this.#context.log.debug('link down', { peer: link.peer ?? link.id, address: link.address, code, reason })
  }
}

function isSameClient(one: Link, other: Link): boolean {
  return one.role === 'client' && other.role === 'client' && one.peer !== undefined && one.peer === other.peer
}
