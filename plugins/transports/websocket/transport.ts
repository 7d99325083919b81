import {
  type Accept,
  CloseCode,
  type Connection,
  type Introduce,
  type Introduction,
  type Log,
  type PeerSettings,
  type Runtime,
  type Settings,
  SlipstreamError,
  slipstreamError,
  type Transport,
} from '../../../core/index.ts'
import type { Surroundings, WebSocketConnection } from './connection.ts'
import { open, problemOfDial } from './dial.ts'
import { refuseExposedDial, refuseExposedListener } from './exposure.ts'
import { Listener } from './listener.ts'
import { resolveOptions, type WebsocketOptions } from './options.ts'

const GOING_AWAY = 'going away'

export interface WebSocketTransportDependencies {
  readonly settings: Settings
  readonly options: WebsocketOptions
  readonly runtime: Runtime
  readonly log: Log
}

/** Slipstream over WebSockets (§2 of the protocol): listens, dials, and gives every socket back. */
export class WebSocketTransport implements Transport {
  readonly name = 'websocket'
  readonly protocols: readonly string[] = ['ws:', 'wss:']

  readonly #surroundings: Surroundings
  readonly #connections = new Set<WebSocketConnection>()
  readonly #closing = new AbortController()
  #listener: Listener | undefined

  constructor({ settings, options, runtime, log }: WebSocketTransportDependencies) {
    this.#surroundings = { options: resolveOptions(settings, options), runtime, log }
  }

  /** Rejects with `SLP_INSECURE`, `SLP_TLS` or `SLP_LISTEN`. */
  async listen(introduce: Introduce, accept: Accept): Promise<string> {
    refuseExposedListener(this.#surroundings.options)
    const listener = new Listener(this.#surroundings, introduce, (connection) => {
      this.#keep(connection)
      accept(connection)
    })
    const address = await listener.listen()
    this.#listener = listener
    return address
  }

  /** Rejects with `SLP_INSECURE`, `SLP_TLS` or `SLP_DIAL`, or with the signal's reason. */
  async dial(peer: PeerSettings, self: Introduction, signal: AbortSignal): Promise<Connection> {
    const signals = [signal, this.#closing.signal]
    for (const { aborted, reason } of signals) if (aborted) throw reason
    refuseExposedDial(peer, this.#surroundings.options.allowInsecure)
    try {
      return this.#keep(await open(peer, self, this.#surroundings, signals))
    } catch (cause) {
      if (cause instanceof SlipstreamError || signals.some(({ aborted }) => aborted)) throw cause
      throw slipstreamError('SLP_DIAL', [addressIn(peer.url), problemOfDial(cause)], { cause })
    }
  }

  async stopListening(): Promise<void> {
    this.#listener?.stop()
  }

  async close(): Promise<void> {
    this.#listener?.stop()
    this.#closing.abort(slipstreamError('SLP_BUS_STATE', ['is going away and dials nobody']))
    for (const connection of this.#connections) connection.close(CloseCode.GOING_AWAY, GOING_AWAY)
    await Promise.all([...this.#connections].map((connection) => connection.gone))
    await this.#listener?.close()
  }

  #keep(connection: WebSocketConnection): WebSocketConnection {
    this.#connections.add(connection)
    void connection.gone.then(() => this.#connections.delete(connection))
    // It opened in the very turn in which the transport was told to close.
    if (this.#closing.signal.aborted) connection.close(CloseCode.GOING_AWAY, GOING_AWAY)
    return connection
  }
}

/** Without credentials and query. */
function addressIn(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
