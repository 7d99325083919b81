import { readFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { type PeerSettings, problemOf, slipstreamError } from '../../../core/index.ts'
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts'
import type { TlsSettings } from './options.ts'

/** Both ends must speak at least this (RFC 8996 retires what came before). */
const MIN_VERSION = 'TLSv1.2'

/** How the listening side does TLS; with a `ca`, who connects must show a certificate of it. Throws `SLP_TLS`. */
export function listenTls(settings: TlsSettings): ServerOptions {
  const mutual = settings.ca !== undefined
  return {
    ...readMaterial('this instance', settings),
    requestCert: mutual,
    rejectUnauthorized: mutual,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  }
}

/** How that peer is dialled over TLS. Files are read anew for each dial: a renewed one counts. Throws `SLP_TLS`. */
export function dialTls(peer: PeerSettings): SecureContextOptions & { rejectUnauthorized: boolean } {
  const material = readMaterial(`the link to ${new URL(peer.url).host}`, peer)
  // Said in full: left out, NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would decide.
  return { ...material, rejectUnauthorized: peer.rejectUnauthorized ?? true }
}

function readMaterial(whose: string, { ca, cert, key }: Partial<TlsSettings>): SecureContextOptions {
  const material: SecureContextOptions = {
    minVersion: MIN_VERSION,
    ...(ca !== undefined && { ca: readPem(`ca of ${whose}`, ca) }),
    ...(cert !== undefined && { cert: readPem(`cert of ${whose}`, cert) }),
    ...(key !== undefined && { key: readPem(`key of ${whose}`, key) }),
  }
  try {
    createSecureContext(material)
  } catch (cause) {
    throw slipstreamError('SLP_TLS', [`the certificates of ${whose} are not usable (${problemOf(cause)})`], { cause })
  }
  return material
}

/** The value stays out of the message and its cause: it may be a key that lost its first line. */
function readPem(what: string, value: string): string {
  if (value.includes('-----BEGIN ')) return value
  try {
    return readFileSync(value, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw slipstreamError('SLP_TLS', [`the ${what} is neither PEM text nor the path of a readable file (${code})`])
  }
}
