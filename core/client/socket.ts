/** What a client needs of a WebSocket: that of a browser, of Bun, or of the package `ws`. */
export interface SocketLike {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  /** Which of the subprotocols that were offered the instance chose. */
  readonly protocol: string
  send(frame: string): void
  close(code?: number, reason?: string): void
  /** Gives the socket up without waiting for the other end, where that can be done. */
  terminate?(): void
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => SocketLike

/** How sockets are made here, and whether they can bear the token in a header. */
export interface Dialling {
  open(url: string, protocols: string[], token: string | undefined): SocketLike
  readonly bearsToken: boolean
}
