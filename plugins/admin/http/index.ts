import type { Plugin, Settings } from '../../../core/index.ts'
import type { Access } from './access.ts'
import { isLoopback } from './loopback.ts'
import { type Handler, type Method, Router } from './router.ts'
import { HttpServer } from './server.ts'
import { readToken } from './token.ts'

export type { Access } from './access.ts'
export type { Answer, Handler, HttpRequest, Method } from './router.ts'

declare module '../../../core/index.ts' {
  interface Settings {
    /** Address that metrics, health and administration listen on. Default `127.0.0.1`: only this machine. */
    readonly adminHost?: string
    /** Their port; 0 lets the system choose. Default 8080. */
    readonly adminPort?: number
    /** File with the bearer token for administration: 32 bytes or more, readable by its owner alone. */
    readonly adminTokenFile?: string
    /** Allows plain connections, and unchecked certificates, beyond loopback: for a network that is trusted. */
    readonly allowInsecure?: boolean
  }

  interface Services {
    /** The HTTP port of metrics, health and administration. */
    readonly http: HttpService
  }
}

export interface HttpService {
  /** Where it listens, such as `http://127.0.0.1:8080`; undefined before `start` and after `stop`. */
  readonly address: string | undefined
  /**
   * Serves a path, in which `:name` stands for any one segment. `public` is for everyone; `read` and `write` take the
   * token, or a request from this very machine when none is configured. Throws `SLP_ROUTE_TAKEN`.
   */
  route(method: Method, path: string, options: { readonly access: Access }, handler: Handler): void
}

/** Where a setting (`adminHost`, `adminPort`, `adminTokenFile`) is given, it counts instead of the option. */
export interface HttpOptions {
  readonly host?: string
  readonly port?: number
  readonly tokenFile?: string
}

const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    host: { type: 'string', minLength: 1 },
    port: { type: 'integer', minimum: 0, maximum: 65_535 },
    tokenFile: { type: 'string', minLength: 1 },
  },
}

/**
 * The HTTP port for what watches and steers an instance (§4 of the protocol); other plugins hang their paths into it.
 * It opens before the bus does and closes after it, so that probes see an instance come up and drain.
 */
export function http(options: HttpOptions = {}): Plugin {
  let server: HttpServer | undefined
  const close = async () => server?.close()
  return {
    name: 'http',
    options,
    optionsSchema,
    apply(kernel) {
      const { settings, log } = kernel
      const router = new Router()
      kernel.provide('http', {
        get address() {
          return server?.address
        },
        route: (method, path, { access }, handler) => router.add({ method, path, access, handler }),
      })
      kernel.hooks.start.tapPromise(async () => {
        const { host, port, tokenFile } = resolve(settings, options)
        const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
        server = new HttpServer({ host, port, token, router, log })
        await server.listen()
        log.debug('http listens', { address: server.address ?? host })
        if (token && !isLoopback(host) && !settings.allowInsecure)
          log.error('http not encrypted', { reason: UNENCRYPTED })
      })
      kernel.hooks.stop.tapPromise(close)
    },
    close,
  }
}

const UNENCRYPTED =
  'the admin token crosses the network in clear; listen on loopback behind a proxy with TLS, or say allowInsecure'

/** Settings over options over defaults. */
function resolve(settings: Settings, options: HttpOptions) {
  return {
    host: settings.adminHost ?? options.host ?? '127.0.0.1',
    port: settings.adminPort ?? options.port ?? 8080,
    tokenFile: settings.adminTokenFile ?? options.tokenFile,
  }
}
