import { slipstreamError } from '../../../core/index.ts'
import type { Access } from './access.ts'
import { HttpProblem } from './problem.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface HttpRequest {
  /** What stood in place of `:name` in the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The body of a write, parsed; undefined when there is none. Nothing about it has been checked. */
  readonly body: unknown
  /** Whether it comes from this very machine, and from no page of another site: for what not even a token opens. */
  readonly local: boolean
}

/** `body` goes out as JSON, `text` as it is; with neither, the answer is 204. */
export interface Answer {
  readonly status?: number
  readonly body?: unknown
  readonly text?: string
  readonly contentType?: string
}

export type Handler = (request: HttpRequest) => Answer | Promise<Answer>

export interface HttpRoute {
  readonly method: Method
  readonly path: string
  readonly access: Access
  readonly handler: Handler
}

export interface Match extends HttpRoute {
  readonly params: Readonly<Record<string, string>>
}

/** Finds who serves a request. Of two paths that both fit, the one that was added first does. */
export class Router {
  readonly #routes: (HttpRoute & { readonly segments: readonly string[] })[] = []

  /** Throws `SLP_ROUTE_TAKEN`. */
  add(route: HttpRoute): void {
    const { method, path } = route
    if (this.#routes.some((other) => other.method === method && other.path === path)) {
      throw slipstreamError('SLP_ROUTE_TAKEN', [method, path])
    }
    this.#routes.push({ ...route, segments: path.split('/') })
  }

  /** Throws the problem 404, 405 or 400. */
  find(method: string, path: string): Match {
    const segments = path.split('/')
    const fitting = this.#routes.filter((route) => fits(route.segments, segments))
    if (fitting.length === 0) throw new HttpProblem(404, 'NOT_FOUND', 'nothing is served at this path')
    const route = fitting.find((one) => one.method === (method === 'HEAD' ? 'GET' : method))
    if (!route) throw notAllowed(fitting.map((one) => one.method))
    return { ...route, params: paramsOf(route.segments, segments) }
  }
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false
  return pattern.every((part, index) => (part.startsWith(':') ? segments[index] !== '' : part === segments[index]))
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): Readonly<Record<string, string>> {
  const params: Record<string, string> = {}
  for (const [index, part] of pattern.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = decoded(segments[index] ?? '')
  }
  return params
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new HttpProblem(400, 'BAD_REQUEST', 'the path is not properly percent-encoded')
  }
}

function notAllowed(methods: readonly Method[]): HttpProblem {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
  return new HttpProblem(405, 'METHOD_NOT_ALLOWED', `this path takes ${allow}`, { allow })
}
