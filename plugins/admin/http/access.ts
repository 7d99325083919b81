import type { IncomingHttpHeaders } from 'node:http'
import { isLoopback } from './loopback.ts'
import { HttpProblem } from './problem.ts'
import type { TokenCheck } from './token.ts'

/** Who may ask: everyone; who may look; who may change something. */
export type Access = 'public' | 'read' | 'write'

/** What is known of whoever asks. */
export interface Visitor {
  readonly headers: IncomingHttpHeaders
  readonly remoteAddress: string | undefined
}

/** Throws the problem for which that visitor is sent away (§4 of the protocol). */
export function checkAccess(visitor: Visitor, access: Access, token: TokenCheck | undefined): void {
  if (access === 'public') return
  if (token) requireToken(visitor, token)
  else requireThisMachine(visitor)
  if (access === 'write') requireJson(visitor)
}

function requireToken({ headers }: Visitor, token: TokenCheck): void {
  const presented = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (presented !== undefined && token(presented)) return
  const message = 'this path takes the admin token: Authorization: Bearer, then what adminTokenFile holds'
  throw new HttpProblem(401, 'UNAUTHENTICATED', message, { 'www-authenticate': 'Bearer' })
}

function requireThisMachine(visitor: Visitor): void {
  const problem = strangeness(visitor)
  if (problem !== undefined) throw forbidden(problem)
}

/** Whether the operator of this very machine asks, with a token or without one. */
export function isThisMachine(visitor: Visitor): boolean {
  return strangeness(visitor) === undefined
}

/**
 * Whoever can connect from this machine may do what its operator may, except for pages in a browser: one that has
 * rebound its name to loopback shows in `Host` (DNS rebinding), one of another site in `Origin` (CSRF).
 */
function strangeness({ headers, remoteAddress }: Visitor): string | undefined {
  if (!isLoopback(remoteAddress ?? '') || wasForwarded(headers)) {
    return 'without an admin token this path serves its own machine only; configure adminTokenFile'
  }
  const host = headers.host ?? ''
  if (!isLoopback(hostName(host))) return 'Host must name loopback, such as localhost'
  const { origin } = headers
  return origin === undefined || origin === `http://${host}` ? undefined : 'Origin is another site'
}

/** A proxy on this machine speaks for somebody elsewhere. */
function wasForwarded(headers: IncomingHttpHeaders): boolean {
  return headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined
}

function hostName(host: string): string {
  const url = `http://${host}`
  return URL.canParse(url) ? new URL(url).hostname : ''
}

/** No form in a browser can send this type without asking first. */
function requireJson({ headers }: Visitor): void {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type === 'application/json') return
  throw new HttpProblem(415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Type must be application/json')
}

function forbidden(message: string): HttpProblem {
  return new HttpProblem(403, 'FORBIDDEN', message)
}
