import { SUBPROTOCOLS } from '../protocol/limits.ts'
import { member } from '../protocol/text.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { ClientClock } from './clock.ts'
import { Connector } from './connector.ts'
import { membersOf, type PublishOptions, textOf } from './draft.ts'
import { ClientError, clientError } from './errors.ts'
import { type ClientEvents, Events, type Listener } from './events.ts'
import { type Filter, union } from './filter.ts'
import { Inbox } from './inbox.ts'
import { LinkedWire } from './linked.ts'
import type { Message, TypedBody } from './message.ts'
import { type ClientOptions, type Resolved, resolveOptions } from './options.ts'
import type { Receipt } from './pending.ts'
import { PlainWire } from './plain.ts'
import { Publisher } from './publisher.ts'
import { type Reading, type RequestOptions, Requests } from './requests.ts'
import type { Dialling, SocketLike } from './socket.ts'
import { type SubscribeOptions, Subscription } from './subscription.ts'
import type { Acknowledged, Refused, Wire, WireHandlers } from './wire.ts'

/** The longest that a command may be allowed to take, in milliseconds. */
const MAX_RUNNING_MS = 600_000
/** How long an instance that is asked to tell the time may take before this machine's clock counts, in milliseconds. */
const HELLO_PATIENCE_MS = 1_000

export interface CommandOptions {
  /** How long the command may wait to be run, in milliseconds. Default: as long as its answer is waited for. */
  readonly expiresInMs?: number
  /** The same as a time, in milliseconds since the epoch. */
  readonly expiresAt?: number
  /**
   * Default: a new one. The same command again, with the same id, `expiresAt` and `timeoutMs`, runs nothing anew: it is answered
   * what the first has come to. Anything else under an id that was used is a `CONFLICT`.
   */
  readonly messageId?: string
  readonly tags?: readonly string[]
  readonly target?: string
  /** How long to wait for the answer, in milliseconds. Default: the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** An application's end of the bus: publishes, asks, subscribes, and stays connected. Made by `connect`. */
export class Client {
  readonly #options: Resolved
  readonly #runtime: Runtime
  readonly #events = new Events()
  readonly #clock: ClientClock
  readonly #connector: Connector
  readonly #publisher: Publisher
  readonly #requests: Requests
  readonly #inbox: Inbox
  #subscriptions: readonly Subscription<string>[] = []
  #wire: Wire | undefined
  #url = ''
  #instanceId: string | undefined
  #patience: Timer | undefined
  #isAttached = false
  /** Subscriptions of which the instance was told, by the id of the SUBSCRIBE. */
  #asked: { readonly messageId: string; readonly subscriptions: readonly Subscription<string>[] } | undefined
  #closing: Promise<void> | undefined

  /** Throws `SLP_CLIENT_OPTIONS`. */
  constructor(url: string | readonly string[], options: ClientOptions, dialling: Dialling) {
    const resolved = resolveOptions(url, options)
    const { runtime, name, outbox, seen, durable, maxPending } = resolved
    this.#options = resolved
    this.#runtime = runtime
    this.#clock = new ClientClock(runtime, name ?? `c-${runtime.id().slice(-12)}`, outbox !== undefined)
    const failed = (error: Error) => this.#events.emit('error', error)
    this.#publisher = new Publisher({ ...resolved, clock: this.#clock, failed })
    this.#requests = new Requests(runtime, maxPending)
    const acknowledges = name !== undefined && durable
    this.#inbox = new Inbox({ runtime, seen, acknowledges, subscriptions: () => this.#subscriptions })
    this.#connector = new Connector({
      options: resolved,
      dialling,
      protocols: [SUBPROTOCOLS.linked, SUBPROTOCOLS.plain],
      events: this.#events,
      opened: (socket, at, token) => this.#opened(socket, at, token),
      frame: (text) => this.#wire?.read(text),
      closed: () => this.#detach(),
      gaveUp: (error) => void this.#end(error),
    })
    options.signal?.addEventListener('abort', () => void this.close(), { once: true })
    if (options.signal?.aborted) void this.close()
    else void this.#start()
  }

  /** The id of the instance that it is connected to, if it said so. */
  get instanceId(): string | undefined {
    return this.#instanceId
  }

  get isConnected(): boolean {
    return this.#wire !== undefined
  }

  /** Messages that are published and not acknowledged. */
  get pending(): number {
    return this.#publisher.pending
  }

  /** Sets a key, at all whom it is for. Resolves when an instance has it on disk. */
  set(key: string, value: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#write('SK', key, value, options)
  }

  /** Sets a whole array. */
  setArray(key: string, value: readonly unknown[], options?: PublishOptions): Promise<Receipt> {
    return this.#write('SA', key, value, options)
  }

  /** Sets the weights of these members of a key; null removes one. */
  setWeighted(
    key: string,
    members: readonly { readonly member: string; readonly weight: number | null }[],
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#write('SW', key, members, options)
  }

  delete(key: string, options: PublishOptions = {}): Promise<Receipt> {
    return this.#publisher.publish('DEL', member('key', key), options)
  }

  /** Publishes a message of any type. Resolves when an instance has it on disk. */
  async publish<Type extends string>(
    type: Type,
    body: TypedBody<Type>,
    options: PublishOptions = {},
  ): Promise<Receipt> {
    return this.#publisher.publish(type, membersOf(body), options)
  }

  /** Asks for what `set` has set. */
  get<Value = unknown>(key: string, options?: RequestOptions): Promise<Reading<Value>> {
    return this.#ask('GK', key, options)
  }

  getArray<Item = unknown>(key: string, options?: RequestOptions): Promise<Reading<readonly Item[]>> {
    return this.#ask('GA', key, options)
  }

  getWeighted(
    key: string,
    options?: RequestOptions,
  ): Promise<Reading<readonly { readonly member: string; readonly weight: number }[]>> {
    return this.#ask('GW', key, options)
  }

  /** Runs a named command where a plugin has registered it. Resolves to what it has come to. */
  async command<Result = unknown>(
    name: string,
    args?: unknown,
    options: CommandOptions = {},
  ): Promise<Reading<Result>> {
    const { timeoutMs = this.#options.requestTimeoutMs, signal, messageId = this.#runtime.id(), target, tags } = options
    const { expiresInMs = timeoutMs, expiresAt = Math.ceil(this.#runtime.now() + expiresInMs) } = options
    const own =
      member('command', name) + (args === undefined ? '' : `,"args":${textOf(args)}`) + addressees(target, tags)
    // To the letter the same each time: anything else under its id is a conflict.
    const runsMs = Math.min(Math.max(1, Math.ceil(timeoutMs)), MAX_RUNNING_MS)
    const write = (id: string) =>
      `{"type":"CMD","messageId":"${id}"${own},"timeoutMs":${runsMs},"expiresAt":${expiresAt}}`
    return this.#requests.ask(write, { timeoutMs, signal, fixedId: messageId })
  }

  /** Messages that fit the filter: a loop over the subscription, or a handler that is called for each, one after the other. */
  subscribe<Type extends string = string>(filter?: Filter<Type>, options?: SubscribeOptions): Subscription<Type>
  subscribe<Type extends string = string>(
    filter: Filter<Type>,
    handler: (message: Message<Type>) => unknown,
    options?: SubscribeOptions,
  ): Subscription<Type>
  subscribe<Type extends string>(
    filter: Filter<Type> = {},
    second: SubscribeOptions | ((message: Message<Type>) => unknown) = {},
    third: SubscribeOptions = {},
  ): Subscription<Type> {
    const [handler, options] = typeof second === 'function' ? [second, third] : [undefined, second]
    const { name, durable, maxQueued } = this.#options
    const subscription: Subscription<Type> = new Subscription(filter, options, {
      maxQueued: name !== undefined && durable ? undefined : maxQueued,
      failed: (error) => this.#events.emit('error', error),
      ended: () => {
        const rest = this.#subscriptions.filter((other) => (other as unknown) !== subscription)
        if (rest.length === this.#subscriptions.length) return
        this.#subscriptions = rest
        this.#narrow()
      },
    })
    if (this.#closing) subscription.abandon(clientError('SLP_CLIENT_CLOSED', []))
    else {
      this.#subscriptions = [...this.#subscriptions, subscription as unknown as Subscription]
      this.#narrow()
    }
    if (handler) void subscription.run(handler)
    return subscription
  }

  /** Listens to an event of the client; returns what takes the listener away. */
  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<Name>): () => void {
    return this.#events.on(name, listener)
  }

  /** Resolves when one more message may be published without `SLP_OUTBOX_FULL`. */
  room(): Promise<void> {
    return this.#publisher.room()
  }

  /**
   * Ends gracefully: takes nothing new, waits until what was published is acknowledged and what was received is handled, then
   * closes; at the latest after `timeoutMs` (30 000 by default), or when the signal is aborted.
   */
  async drain({ timeoutMs = 30_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    this.#publisher.end(clientError('SLP_CLIENT_CLOSED', []), true)
    const all = this.#subscriptions
    for (const subscription of all) subscription.drain()
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#runtime.after(timeoutMs, resolve)
      signal?.addEventListener('abort', () => resolve(), { once: true })
      if (signal?.aborted) resolve()
    })
    const done = Promise.all([this.#publisher.idle(), ...all.map(({ finished }) => finished)])
    await Promise.race([done, late])
    timer?.cancel()
    await this.close()
  }

  /** Ends at once. What is not acknowledged rejects with `SLP_CLIENT_CLOSED`; what an outbox keeps is sent at the next start. */
  close(): Promise<void> {
    return this.#end(undefined)
  }

  async #start(): Promise<void> {
    const { outbox } = this.#options
    this.#connector.start()
    if (!outbox) return
    try {
      const kept = await outbox.open()
      if (!this.#closing) this.#publisher.restore(kept)
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      await this.#end(clientError('SLP_OUTBOX_FAILED', [problem], { cause }))
    }
  }

  #write(type: string, key: string, value: unknown, options: PublishOptions = {}): Promise<Receipt> {
    try {
      return this.#publisher.publish(type, `${member('key', key)},"value":${textOf(value)}`, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #ask<Value>(type: string, key: string, options: RequestOptions = {}): Promise<Reading<Value>> {
    const { consistency, target, tags, signal, timeoutMs = this.#options.requestTimeoutMs } = options
    const asked = consistency === undefined ? '' : `,"consistency":"${consistency}"`
    const own = member('key', key) + asked + addressees(target, tags)
    const write = (id: string, left: number) => `{"type":"${type}","messageId":"${id}"${own},"timeoutMs":${left}}`
    return this.#requests.ask(write, { timeoutMs, signal })
  }

  #opened(socket: SocketLike, url: string, token: string | undefined): void {
    this.#url = url
    const send = (frame: string) => socket.send(frame)
    const { name } = this.#options
    const isLinked = socket.protocol === SUBPROTOCOLS.linked
    const handlers = this.#handlers()
    this.#wire = isLinked
      ? new LinkedWire({ runtime: this.#runtime, name, send }, handlers)
      : new PlainWire(send, handlers)
    this.#wire.start(token)
    this.#inbox.attach(this.#wire)
    this.#narrow()
    if (this.#clock.isSet) this.#attach()
    else this.#patience = this.#runtime.after(HELLO_PATIENCE_MS, () => this.#attach())
  }

  #handlers(): WireHandlers {
    return {
      acknowledged: (answer) => this.#acknowledged(answer),
      refused: (answer) => this.#refused(answer),
      replied: (reply) => this.#requests.replied(reply),
      greeted: (instanceId, time) => this.#greeted(instanceId, time),
      granted: () => this.#publisher.granted(),
      message: (message) => {
        const version = message.string('version')
        if (version !== undefined) this.#clock.observe(version)
        this.#inbox.receive(message)
      },
      unreadable: (problem) =>
        this.#events.emit('error', new ClientError('INVALID_JSON', `The instance sent ${problem}.`)),
    }
  }

  #greeted(instanceId: string | undefined, time: number | undefined): void {
    this.#instanceId = instanceId ?? this.#instanceId
    this.#connector.alive()
    if (time !== undefined) this.#clock.told(time)
    if (this.#clock.isSet) this.#attach()
  }

  /** Connected, and the time is known or will not be told. */
  #attach(): void {
    const wire = this.#wire
    if (!wire || this.#isAttached) return
    this.#isAttached = true
    this.#patience?.cancel()
    this.#clock.trust()
    this.#publisher.attach(wire)
    this.#requests.attach(wire)
    this.#events.emit('connected', { url: this.#url, instanceId: this.#instanceId, level: wire.level })
  }

  #detach(): void {
    this.#patience?.cancel()
    this.#wire = undefined
    this.#isAttached = false
    this.#instanceId = undefined
    this.#publisher.detach()
    this.#requests.detach()
    this.#inbox.detach()
  }

  /** Tells the instance what all subscriptions want together. One of a name stays as it is while nobody subscribes. */
  #narrow(): void {
    const { name, durable } = this.#options
    if (!this.#wire || (this.#subscriptions.length === 0 && name !== undefined && durable)) return
    const subscriptions = this.#subscriptions
    const messageId = this.#runtime.id()
    this.#asked = { messageId, subscriptions }
    this.#wire.subscribe(messageId, union(subscriptions.map(({ filter }) => filter)))
  }

  /** An instance that knows no SUBSCRIBE sends everything: what does not fit is left out here. */
  #isAboutSubscriptions(messageId: string | undefined): boolean {
    if (messageId === undefined || messageId !== this.#asked?.messageId) return false
    for (const subscription of this.#asked.subscriptions) subscription.confirm()
    this.#asked = undefined
    return true
  }

  #acknowledged(answer: Acknowledged): void {
    if (!this.#isAboutSubscriptions(answer.messageId)) this.#publisher.acknowledged(answer)
  }

  #refused(answer: Refused): void {
    if (this.#isAboutSubscriptions(answer.messageId)) return
    if (this.#publisher.refused(answer) || this.#requests.refused(answer)) return
    const { code, reason, messageId, retryable } = answer
    this.#events.emit('error', new ClientError(code as ClientError['code'], reason, { messageId, retryable }))
  }

  #end(error: ClientError | undefined): Promise<void> {
    this.#closing ??= this.#close(error)
    return this.#closing
  }

  async #close(error: ClientError | undefined): Promise<void> {
    const reason = error ?? clientError('SLP_CLIENT_CLOSED', [], { retryable: true })
    this.#publisher.end(reason)
    this.#requests.end(reason)
    for (const subscription of this.#subscriptions) subscription.abandon(error)
    this.#subscriptions = []
    this.#wire?.flush()
    this.#detach()
    this.#connector.close()
    try {
      await this.#options.outbox?.close()
    } catch (failure) {
      this.#events.emit('error', failure as Error)
    }
    this.#events.emit('closed', { error })
  }
}

function addressees(target: string | undefined, tags: readonly string[] | undefined): string {
  const targeted = tags !== undefined && tags.length > 0 ? `,"targetedTags":${JSON.stringify(tags)}` : ''
  return target === undefined ? targeted : targeted + member('targetInstanceId', target)
}
