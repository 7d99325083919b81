import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'

const RECONNECT_AFTER_MS = 50

export type Body = Readonly<Record<string, unknown>> & { readonly type: string; readonly messageId: string }

export interface Handlers {
  opened(): void
  read(body: Body): void
  closed?(): void
}

/** A WebSocket that comes back until it is ended. */
export class Connection {
  #socket: WebSocket | undefined
  #ended = false
  readonly #url: string
  readonly #handlers: Handlers

  constructor(url: string, handlers: Handlers) {
    this.#url = url
    this.#handlers = handlers
    void this.#persist()
  }

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  send(body: object): void {
    if (this.open) this.#socket?.send(JSON.stringify(body))
  }

  end(): void {
    this.#ended = true
    this.#socket?.terminate()
  }

  async #persist(): Promise<void> {
    while (!this.#ended) {
      const socket = new WebSocket(this.#url)
      this.#socket = socket
      socket.on('open', () => this.#handlers.opened())
      socket.on('message', (data) => this.#handlers.read(JSON.parse(String(data))))
      // A killed instance breaks its connections; the close that follows says all that matters.
      socket.on('error', () => {})
      await new Promise((resolve) => socket.once('close', resolve))
      this.#handlers.closed?.()
      await pause(RECONNECT_AFTER_MS)
    }
  }
}
