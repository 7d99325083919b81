import type { Admission } from '../admission.ts'
import { problemOf } from '../errors.ts'
import type { Hooks } from '../hooks.ts'
import type { Link } from '../links.ts'
import type { Log } from '../log.ts'
import type { Message } from '../message.ts'
import type { Answering } from '../message-type.ts'
import { type NackCode, ProtocolFault } from '../protocol/fault.ts'
import type { Received } from '../protocol/received.ts'
import { Recent } from '../recent.ts'
import { DurableRecipient } from '../recipient.ts'
import type { Recipients } from '../recipients.ts'
import { Route } from '../route.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { stampOf } from '../state/audience.ts'
import type { StateReader } from '../state.ts'
import { type Consistency, type Finding, printFindings } from './finding.ts'
import { type Found, OpenRequest } from './open-request.ts'
import { type OwnRequest, ownRequest } from './own-request.ts'
import { readReply } from './reply.ts'

export interface RequestsContext {
  readonly instanceId: string
  readonly hooks: Hooks
  readonly runtime: Runtime
  readonly log: Log
  readonly admission: Admission
  readonly recipients: Recipients
  readonly state: StateReader | undefined
  /** How requests of that type are answered here. */
  answering(type: string): Answering | undefined
  /** Resolves when what was stored for this instance by now has been applied, or the time is up. */
  applied(key: string | undefined, withinMs: number): Promise<boolean>
}

/** What plugins tell of answers that came in. */
export type Replies = Pick<Requests, 'open' | 'replied' | 'refused' | 'ask'>

/** Requests that are open at once. Beyond that, a new one is refused with BUSY. */
const MAX_OPEN = 10_000
/** Ids of requests that are remembered, so that one which comes by another way is not asked again. */
const MAX_REMEMBERED = 50_000
const DEFAULT_TIMEOUT_MS = 5_000
/** Each hop answers that much sooner than the one before it, so that what it has gathered still arrives in time. */
const SHARE_OF_TIME = 0.9

/**
 * Requests and their replies, by the echo algorithm (E. J. H. Chang, 1982): each instance asks all neighbours but the one that
 * asked it, and answers that one when all of them have answered. One that is asked a second time, by another way, has
 * nothing to add. Nothing of this is stored: whoever asks waits, and asks again.
 */
export class Requests {
  readonly #context: RequestsContext
  readonly #open = new Map<string, OpenRequest>()
  readonly #known = new Recent<true>(MAX_REMEMBERED)

  constructor(context: RequestsContext) {
    this.#context = context
    context.hooks.linkDown.tap('kernel', (link) => this.#lost(link))
  }

  /** How many await answers. */
  get open(): number {
    return this.#open.size
  }

  /** A request came in. Throws a `ProtocolFault` when it cannot be taken. */
  receive(received: Received, answering: Answering): void {
    const message = this.#context.admission.ask(received, answering.orderingKey(received))
    const { messageId } = message
    if (this.#known.get(messageId)) {
      this.#again(received.sender, messageId)
      return
    }
    if (this.#open.size >= MAX_OPEN) throw new ProtocolFault('BUSY', 'too many requests are open; ask again later')
    const { consistency = 'first' } = message.body as { consistency?: Consistency }
    const request = new OpenRequest({ messageId, type: message.type, asker: received.sender, consistency })
    if (!this.#begin(request, message, answering)) throw nobody()
  }

  /**
   * Asks in the name of this instance, which is asked as well. Resolves to what was found in time: to nothing, and not all of it, when
   * too many requests are open.
   */
  ask(type: string, wish: OwnRequest): Promise<Found> {
    const { runtime, instanceId, answering } = this.#context
    const handled = answering(type)
    if (!handled || this.#open.size >= MAX_OPEN) return Promise.resolve({ findings: [], complete: false })
    const message = ownRequest(type, wish, runtime.id(), instanceId)
    const { messageId } = message
    const request = new OpenRequest({ messageId, type, asker: undefined, consistency: wish.consistency })
    return new Promise((resolve) => {
      request.found = resolve
      if (!this.#begin(request, message, handled)) resolve({ findings: [], complete: true })
    })
  }

  /** A reply came in on a link. Returns whether it was awaited there. */
  replied(received: Received): boolean {
    const request = this.#open.get(received.string('correlationId') ?? '')
    if (!request?.answered(received.sender, readReply(received))) return false
    this.#look(request)
    return true
  }

  /** A neighbour refuses a request: nobody can answer there, or not in time. Returns whether it was asked. */
  refused(link: Link, messageId: string, code: string): boolean {
    const request = this.#open.get(messageId)
    const reply = code === 'NO_RESPONDERS' ? { findings: [], complete: true } : undefined
    if (!request?.answered(link, reply)) return false
    this.#look(request)
    return true
  }

  /** Ends all that is open: nobody is answered any more. */
  close(): void {
    for (const { timer, found } of this.#open.values()) {
      timer?.cancel()
      found({ findings: [], complete: false })
    }
    this.#open.clear()
  }

  /** False when there is nobody who could answer. */
  #begin(request: OpenRequest, message: Message, answering: Answering): boolean {
    const { messageId, consistency, asker } = request
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = message.body as { timeoutMs?: number }
    const withinMs = timeoutMs * SHARE_OF_TIME ** message.path.length
    const { self, links } = this.#route(message, asker, answering)
    if (!self && (links.length === 0 || consistency === 'local')) return false
    this.#known.set(messageId, true)
    this.#open.set(messageId, request)
    request.timer = this.#context.runtime.after(withinMs, () => this.#close(request))
    void this.#run(request, message, { self, links, answering, withinMs })
    return true
  }

  async #run(
    request: OpenRequest,
    message: Message,
    {
      self,
      links,
      answering,
      withinMs,
    }: { self: boolean; links: readonly Link[]; answering: Answering; withinMs: number },
  ): Promise<void> {
    const asksLater = request.consistency === 'first' && self
    if (self) request.askSelf()
    if (!asksLater && request.consistency !== 'local') this.#ask(request, message, links)
    if (self) request.selfAnswered(await this.#answer(message, answering, withinMs))
    // Who has found it itself asks nobody.
    if (asksLater && !request.isFound && this.#open.has(request.messageId)) this.#ask(request, message, links)
    this.#look(request)
  }

  #ask(request: OpenRequest, message: Message, links: readonly Link[]): void {
    const linked = links.filter((link) => link.recipient !== undefined)
    request.ask(linked)
    for (const link of linked) link.codec.pass(message, 'control')
  }

  /** Who is asked: this instance, if it is meant and can answer; neighbours, by the rules that hold for any message. */
  #route(
    message: Message,
    asker: Link | undefined,
    { needsState }: Answering,
  ): { self: boolean; links: readonly Link[] } {
    const { recipients, hooks, state } = this.#context
    const linked = recipients.connectedOrDurable().filter(({ role, connected }) => role === 'instance' && connected)
    const able = needsState && !state ? linked : [recipients.self, ...linked]
    const route = hooks.route.call(
      new Route(able).without('sender', (recipient) => recipient === asker?.recipient),
      message,
    )
    const links = route.recipients.flatMap((recipient) =>
      recipient instanceof DurableRecipient && recipient.link ? [recipient.link] : [],
    )
    return { self: route.recipients.includes(recipients.self), links }
  }

  async #answer(message: Message, { answer }: Answering, withinMs: number): Promise<Finding | undefined> {
    const { applied, state, log, instanceId } = this.#context
    try {
      // Whoever has the ACK of a write reads it.
      if (!(await applied(message.orderingKey, withinMs))) return undefined
      const found = await answer(message as Message<never>, state)
      return { instanceId, value: found?.value ?? 'null', version: found && stampOf(found.version) }
    } catch (error) {
      log.error('request failed', { type: message.type, messageId: message.messageId, reason: problemOf(error), error })
      return undefined
    }
  }

  #look(request: OpenRequest): void {
    if (request.isDecided) this.#close(request)
  }

  /** Answers whoever asked, once, with what there is. */
  #close(request: OpenRequest): void {
    const { messageId, asker, consistency, findings, complete } = request
    if (this.#open.get(messageId) !== request) return
    this.#open.delete(messageId)
    request.timer?.cancel()
    if (!asker) {
      request.found({ findings, complete })
    } else if (findings.length > 0) {
      this.#reply(asker, messageId, printFindings(findings, consistency, complete))
    } else {
      const fault = complete ? nobody() : new ProtocolFault('TIMEOUT', 'nobody has answered in time; ask again')
      this.#refuse(asker, request, fault)
    }
  }

  #reply(asker: Link, messageId: string, members: string): void {
    const { instanceId } = this.#context
    asker.send(
      `{"type":"REPLY","correlationId":"${messageId}","sourceInstanceId":"${instanceId}",` +
        `"messagePath":["${instanceId}"],${members}}`,
      'control',
    )
  }

  #refuse(asker: Link, { messageId, type }: OpenRequest, { code, message: reason }: ProtocolFault): void {
    this.#context.hooks.refused.call({ sender: asker, messageId, type, code, reason, retryable: RETRYABLE.has(code) })
  }

  /** It came by another way before: an instance has nothing to add, and a client must find another id. */
  #again(asker: Link, messageId: string): void {
    if (asker.role === 'client') {
      throw new ProtocolFault('CONFLICT', 'a request with this messageId was asked already; ask with an id of its own')
    }
    this.#reply(asker, messageId, '"complete":true')
  }

  #lost(link: Link): void {
    for (const request of [...this.#open.values()]) {
      if (request.asker === link) {
        request.timer?.cancel()
        this.#open.delete(request.messageId)
      } else if (request.answered(link, undefined)) {
        this.#look(request)
      }
    }
  }
}

const RETRYABLE: ReadonlySet<NackCode> = new Set(['NO_RESPONDERS', 'TIMEOUT'])

function nobody(): ProtocolFault {
  return new ProtocolFault('NO_RESPONDERS', 'no instance that can answer is reachable; check tags, target and links')
}
