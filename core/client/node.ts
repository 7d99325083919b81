/** `slipstream/client` for Node, where sockets come from the package `ws` and the token goes in a header. */
import { Client } from './client.ts'
import { diallingWith } from './index.ts'
import { NodeSocket } from './node-socket.ts'
import type { ClientOptions } from './options.ts'
import type { Dialling } from './socket.ts'

export * from './index.ts'

const dialling: Dialling = {
  bearsToken: true,
  open: (url, protocols, token) => new NodeSocket(url, protocols, token),
}

/**
 * A client of the instance at that URL, or at the first of several that answers. It connects by itself, now and whenever it must;
 * what is published before waits. Throws `SLP_CLIENT_OPTIONS`.
 */
export function connect(url: string | readonly string[], options: ClientOptions = {}): Client {
  return new Client(url, options, options.WebSocket ? diallingWith(options.WebSocket) : dialling)
}
