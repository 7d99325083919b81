/** `slipstream/client` for browsers, Bun, and whoever has a WebSocket. Node has a file of its own: `node.ts`. */
import { Client } from './client.ts'
import { clientError } from './errors.ts'
import type { ClientOptions } from './options.ts'
import type { Dialling, WebSocketConstructor } from './socket.ts'

export type { BodyOf, MessageTypes } from '../message.ts'
export type { NackCode } from '../protocol/fault.ts'
export type { Runtime, Timer } from '../runtime/runtime.ts'
export { Client, type CommandOptions } from './client.ts'
export { type Json, json, type PublishOptions } from './draft.ts'
export { ClientError, type ClientErrorCode, clientErrorCodes } from './errors.ts'
export type { ClientEvents, Listener } from './events.ts'
export type { Filter } from './filter.ts'
export type { BuiltInTypes, Message, OneMessage, TypedBody } from './message.ts'
export type { ClientOptions } from './options.ts'
export type { KeptMessage, Outbox } from './outbox.ts'
export type { Receipt } from './pending.ts'
export type { Consistency, Finding, Reading, RequestOptions } from './requests.ts'
export { Seen } from './seen.ts'
export type { SocketLike, WebSocketConstructor } from './socket.ts'
export type { SubscribeOptions, Subscription } from './subscription.ts'

/**
 * A client of the instance at that URL, or at the first of several that answers. It connects by itself, now and whenever it must;
 * what is published before waits. Throws `SLP_CLIENT_OPTIONS`.
 */
export function connect(url: string | readonly string[], options: ClientOptions = {}): Client {
  return new Client(url, options, diallingWith(options.WebSocket ?? globalThis.WebSocket))
}

/** A token goes in the first frame: this kind of socket sets no headers. */
export function diallingWith(WebSocket: WebSocketConstructor | undefined): Dialling {
  if (!WebSocket) throw clientError('SLP_CLIENT_OPTIONS', ['there is no WebSocket here; give one as options.WebSocket'])
  return { bearsToken: false, open: (url, protocols) => new WebSocket(url, protocols) }
}
