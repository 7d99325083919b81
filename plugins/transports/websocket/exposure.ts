import { isIPv4 } from 'node:net'
import { type PeerSettings, slipstreamError } from '../../../core/index.ts'
import type { ResolvedOptions } from './options.ts'

/** Whether only this machine reaches that host: 127.0.0.0/8 and ::1 (RFC 1122, RFC 4291), and their name. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

/** Throws `SLP_INSECURE` when others on the network could read and write along. */
export function refuseExposedListener({ host, port, tls, allowInsecure }: ResolvedOptions): void {
  if (tls !== undefined || allowInsecure || isLoopback(host)) return
  throw slipstreamError('SLP_INSECURE', [`Listening on ${host}:${port} without TLS is open to the whole network`])
}

/** Throws `SLP_INSECURE` when it could not be known who is dialled, or who reads along. */
export function refuseExposedDial(peer: PeerSettings, allowInsecure: boolean): void {
  const { protocol, hostname, host } = new URL(peer.url)
  if (allowInsecure || isLoopback(hostname)) return
  if (protocol !== 'wss:') {
    throw slipstreamError('SLP_INSECURE', [`The link to ${host} is not encrypted; its URL should begin with wss:`])
  }
  if (peer.rejectUnauthorized === false) {
    throw slipstreamError('SLP_INSECURE', [
      `The link to ${host} would accept any certificate (rejectUnauthorized: false)`,
    ])
  }
}
