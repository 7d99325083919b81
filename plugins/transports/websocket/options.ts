import { type Settings, SUBPROTOCOLS } from '../../../core/index.ts'

declare module '../../../core/index.ts' {
  interface Settings {
    /** Address to listen on. Default `127.0.0.1`: only this machine. */
    readonly host?: string
    /** Port to listen on; 0 lets the system choose. Default 7070. */
    readonly port?: number
    /** TLS of the listening side. */
    readonly tls?: TlsSettings
    /** Allows plain connections, and unchecked certificates, beyond loopback: for a network that is trusted. */
    readonly allowInsecure?: boolean
  }
}

/** Each is PEM text or the path of a PEM file. */
export interface TlsSettings {
  readonly cert: string
  readonly key: string
  /** When given, whoever connects must show a certificate signed by it (mutual TLS). */
  readonly ca?: string
}

/** Where a setting of the same name is given, it counts instead of the option. */
export interface WebsocketOptions {
  readonly host?: string
  readonly port?: number
  readonly tls?: TlsSettings
  readonly allowInsecure?: boolean
  /**
   * What is spoken here, best first, as WebSocket subprotocols. Default `slipstream.v2`, `slipstream.v1`. Where one of them is
   * left out, nobody is spoken to in that way.
   */
  readonly protocols?: readonly string[]
  /** Milliseconds between two pings on each connection. Default 15 000. */
  readonly heartbeatMs?: number
  /** Milliseconds without any frame after which a connection counts as dead. Default 30 000. */
  readonly deadAfterMs?: number
  /** Connections taken at most; who comes after is answered 503. Default 512. */
  readonly maxConnections?: number
  /** Values of the `Origin` header that are let in. Default none: no page in a browser reaches the bus unasked. */
  readonly allowedOrigins?: readonly string[]
}

/** All options, each with the value that holds. */
export type ResolvedOptions = Required<Omit<WebsocketOptions, 'tls'>> & { readonly tls: TlsSettings | undefined }

/** Settings over options over defaults. */
export function resolveOptions(settings: Settings, options: WebsocketOptions): ResolvedOptions {
  return {
    host: settings.host ?? options.host ?? '127.0.0.1',
    port: settings.port ?? options.port ?? 7070,
    tls: settings.tls ?? options.tls,
    allowInsecure: settings.allowInsecure ?? options.allowInsecure ?? false,
    protocols: options.protocols ?? [SUBPROTOCOLS.linked, SUBPROTOCOLS.plain],
    heartbeatMs: options.heartbeatMs ?? 15_000,
    deadAfterMs: options.deadAfterMs ?? 30_000,
    maxConnections: options.maxConnections ?? 512,
    allowedOrigins: options.allowedOrigins ?? [],
  }
}

const text = { type: 'string', minLength: 1 }
const milliseconds = { type: 'integer', minimum: 1 }

export const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    host: text,
    port: { type: 'integer', minimum: 0, maximum: 65_535 },
    tls: {
      type: 'object',
      additionalProperties: false,
      required: ['cert', 'key'],
      properties: { cert: text, key: text, ca: text },
    },
    allowInsecure: { type: 'boolean' },
    protocols: { type: 'array', minItems: 1, uniqueItems: true, items: { enum: Object.values(SUBPROTOCOLS) } },
    heartbeatMs: milliseconds,
    deadAfterMs: milliseconds,
    maxConnections: { type: 'integer', minimum: 1 },
    allowedOrigins: { type: 'array', items: text },
  },
}
