import type { Plugin } from '../../../core/index.ts'
import { optionsSchema, type WebsocketOptions } from './options.ts'
import { WebSocketTransport } from './transport.ts'

export type { TlsSettings, WebsocketOptions } from './options.ts'
export { WebSocketTransport, type WebSocketTransportDependencies } from './transport.ts'

/**
 * Links over WebSockets: listens on `settings.host`:`settings.port` with `settings.tls`, and dials peers whose URL
 * begins with ws: or wss:.
 */
export function websocket(options: WebsocketOptions = {}): Plugin {
  return {
    name: 'websocket',
    options,
    optionsSchema,
    apply(kernel) {
      const { settings, runtime, log } = kernel
      kernel.transport(new WebSocketTransport({ settings, options, runtime, log }))
    },
  }
}
