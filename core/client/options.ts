import { isId } from '../protocol/fields.ts'
import { portableRuntime } from '../runtime/portable.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { clientError } from './errors.ts'
import type { Outbox } from './outbox.ts'
import { Seen } from './seen.ts'
import type { WebSocketConstructor } from './socket.ts'

/** All times are in milliseconds. */
export interface ClientOptions {
  /**
   * With a name the instance keeps what is due while this client is away, for 7 days; without one the client gets live
   * traffic only. One client of a name at a time.
   */
  readonly name?: string
  /** What it bears: it gets messages for everybody, and those for one of these tags. */
  readonly tags?: readonly string[]
  /** False forgets what waits for the name, and keeps nothing for it from now on. Default true. */
  readonly durable?: boolean
  /** Bearer token: sent as a header by Node, in `HELLO` by a browser, never in the URL. A function is asked at each dial. */
  readonly token?: string | (() => string | Promise<string>)
  /**
   * How long a publish may wait for its ACK, over all repetitions and reconnects, before it is given up. Default 30 000; with
   * an `outbox`, no end.
   */
  readonly publishTimeoutMs?: number
  /** How long a request (`get…`, `command`) may wait for its answer. Default 5 000. */
  readonly requestTimeoutMs?: number
  /** From the first byte to an open connection. Default 5 000. */
  readonly connectTimeoutMs?: number
  /** Delay before the first reconnect, by chance between half of it and all; doubled with each failure. Default 250. */
  readonly retryDelayMs?: number
  /** The longest delay between two attempts. Default 30 000. */
  readonly maxRetryDelayMs?: number
  /** Messages that may wait for their ACK. One more is refused with `SLP_OUTBOX_FULL`. Default 10 000. */
  readonly maxPending?: number
  /** The same in UTF-16 units of their text. Default 16 Mi. */
  readonly maxPendingBytes?: number
  /** Messages that may be sent before the first of them is acknowledged. Default 1 024. */
  readonly maxInFlight?: number
  /**
   * Messages that may wait for a subscription of a client without a name; with one more it ends with `SLP_SLOW_READER`. Default
   * 10 000. To a client with a name the instance sends no more than its window.
   */
  readonly maxQueued?: number
  /** Keeps what is published until an instance has it, across crashes of this process. Default: memory only. */
  readonly outbox?: Outbox
  /**
   * What this client has received: recognises repetitions. Give one object to several clients, each connected to another
   * instance of a group, and each message is handled once. Default: one of its own that remembers 10 000 messages.
   */
  readonly seen?: Seen
  /** Closes the client when it is aborted. */
  readonly signal?: AbortSignal
  /** Default: that of the platform; in Node, the package `ws`. */
  readonly WebSocket?: WebSocketConstructor
  /** Clock, timers and chance; tests bring their own. */
  readonly runtime?: Runtime
}

/** All options, each with the value that holds. */
export interface Resolved
  extends Required<Omit<ClientOptions, 'name' | 'token' | 'outbox' | 'signal' | 'WebSocket' | 'publishTimeoutMs'>> {
  readonly urls: readonly string[]
  readonly name: string | undefined
  readonly token: ClientOptions['token'] | undefined
  readonly outbox: Outbox | undefined
  readonly publishTimeoutMs: number
}

const DEFAULTS = {
  tags: [],
  durable: true,
  requestTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
  retryDelayMs: 250,
  maxRetryDelayMs: 30_000,
  maxPending: 10_000,
  maxPendingBytes: 16 * 1024 * 1024,
  maxInFlight: 1_024,
  maxQueued: 10_000,
  runtime: portableRuntime,
} as const

const POSITIVE = [
  ...['publishTimeoutMs', 'requestTimeoutMs', 'connectTimeoutMs', 'retryDelayMs', 'maxRetryDelayMs'],
  ...['maxPending', 'maxPendingBytes', 'maxInFlight', 'maxQueued'],
] as readonly (keyof ClientOptions)[]

/** Throws `SLP_CLIENT_OPTIONS`. */
export function resolveOptions(url: string | readonly string[], options: ClientOptions): Resolved {
  const urls = typeof url === 'string' ? [url] : url
  check(urls.length > 0, 'there is no url')
  for (const one of urls) check(isWebSocketUrl(one), 'each url must begin with ws:// or wss://')
  check(options.name === undefined || isId(options.name), 'a name is 1 to 128 of the characters A-Z a-z 0-9 . _ : -')
  for (const name of POSITIVE) {
    const value = options[name]
    check(value === undefined || (typeof value === 'number' && value > 0), `${name} must be a number above 0`)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return {
    ...DEFAULTS,
    publishTimeoutMs: options.outbox ? Number.POSITIVE_INFINITY : 30_000,
    seen: options.seen ?? new Seen(),
    ...(Object.fromEntries(given) as ClientOptions),
    urls,
    name: options.name,
    token: options.token,
    outbox: options.outbox,
  }
}

function check(holds: boolean, problem: string): void {
  if (!holds) throw clientError('SLP_CLIENT_OPTIONS', [problem])
}

function isWebSocketUrl(url: string): boolean {
  try {
    return ['ws:', 'wss:'].includes(new URL(url).protocol)
  } catch {
    return false
  }
}
