import type { NackCode } from '../protocol/fault.ts'
import { linkLimits } from '../protocol/limits.ts'
import { scanItems } from '../protocol/scan.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { Deadlines, type Expiring } from './deadlines.ts'
import { ClientError, clientError } from './errors.ts'
import { ReceivedMessage } from './received.ts'
import type { Refused, Wire } from './wire.ts'

/** Who is asked, and which answers are waited for: see the protocol, "Requests". */
export type Consistency = 'local' | 'first' | 'newest' | 'all'

export interface RequestOptions {
  /** Default `first`. */
  readonly consistency?: Consistency
  /** For those who bear at least one of these. Default: for everybody. */
  readonly tags?: readonly string[]
  /** The only instance that is asked. */
  readonly target?: string
  /** How long to wait for the answer, in milliseconds. Default: the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What is known of a key, or what a command has come to. */
export interface Reading<Value = unknown> {
  /** Null when the key was never written, or is deleted. Numbers that JavaScript cannot hold have lost digits. */
  readonly value: Value | null
  /** The exact JSON of the value: `9007199254740993`. */
  readonly text: string
  /** Stamp of the write that made it so; undefined when there was none. */
  readonly version: string | undefined
  /** False when somebody has not answered in time. */
  readonly complete: boolean
  /** With `all`: what each of them knows. */
  readonly values: readonly Finding<Value>[]
}

export interface Finding<Value = unknown> {
  readonly value: Value | null
  readonly text: string
  readonly version: string | undefined
  readonly instanceId: string | undefined
}

/** Refusals after which it is worth asking again. */
const ASK_AGAIN: ReadonlySet<string> = new Set(['BUSY', 'STORE_UNAVAILABLE', 'CLOCK_SKEW'])
const ASK_AGAIN_AFTER_MS = 250
/** An instance takes no longer time limits, in milliseconds. */
const MAX_TIMEOUT_MS = 60_000

interface Request extends Expiring {
  /** Writes the frame, with the time that is left. */
  readonly write: (messageId: string, timeoutMs: number) => string
  /** Of a command: the same each time, so that it runs once. A question gets a new one, for the old one may be under way. */
  readonly fixedId: string | undefined
  readonly timeoutMs: number
  readonly settle: (error: unknown, reading?: Reading) => void
  id: string
}

/** Questions, until they are answered. On a new connection they are asked again. */
export class Requests {
  readonly #runtime: Runtime
  readonly #maxOpen: number
  readonly #open = new Map<string, Request>()
  readonly #deadlines: Deadlines
  #wire: Wire | undefined
  #ending: ClientError | undefined

  constructor(runtime: Runtime, maxOpen: number) {
    this.#runtime = runtime
    this.#maxOpen = maxOpen
    this.#deadlines = new Deadlines(runtime, (now) => this.#expire(now))
  }

  ask<Value>(
    write: Request['write'],
    { timeoutMs, signal, fixedId }: { timeoutMs: number; signal?: AbortSignal | undefined; fixedId?: string },
  ): Promise<Reading<Value>> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#ending) throw this.#ending
      if (this.#open.size >= this.#maxOpen) {
        throw clientError('SLP_OUTBOX_FULL', [`${this.#maxOpen} requests`], { retryable: true })
      }
      const abort = () => this.#settle(request, signal?.reason)
      const settle: Request['settle'] = (error, reading) => {
        signal?.removeEventListener('abort', abort)
        if (reading) resolve(reading as Reading<Value>)
        else reject(error)
      }
      const deadline = this.#runtime.monotonic() + timeoutMs
      const request: Request = { write, fixedId, timeoutMs, settle, deadline, id: fixedId ?? this.#runtime.id() }
      signal?.addEventListener('abort', abort, { once: true })
      this.#open.set(request.id, request)
      this.#deadlines.by(deadline)
      this.#send(request)
    })
  }

  attach(wire: Wire): void {
    this.#wire = wire
    for (const request of [...this.#open.values()]) this.#askAgain(request)
  }

  detach(): void {
    this.#wire = undefined
  }

  replied(reply: ReceivedMessage): void {
    const request = this.#open.get(reply.string('correlationId') ?? '')
    if (request) this.#settle(request, errorIn(reply), readingOf(reply))
  }

  /** Whether it was about one of these. */
  refused({ messageId, code, reason, retryable, retryAfterMs = ASK_AGAIN_AFTER_MS }: Refused): boolean {
    const request = messageId === undefined ? undefined : this.#open.get(messageId)
    if (!request) return false
    if (ASK_AGAIN.has(code) && this.#runtime.monotonic() + retryAfterMs < request.deadline) {
      this.#runtime.after(retryAfterMs, () => this.#askAgain(request))
    } else {
      this.#settle(request, new ClientError(code as NackCode, reason, { messageId, retryable, retryAfterMs }))
    }
    return true
  }

  end(error: ClientError): void {
    this.#ending = error
    this.#deadlines.stop()
    for (const request of [...this.#open.values()]) this.#settle(request, error)
  }

  #askAgain(request: Request): void {
    if (!this.#open.delete(request.id)) return
    request.id = request.fixedId ?? this.#runtime.id()
    this.#open.set(request.id, request)
    this.#send(request)
  }

  #send(request: Request): void {
    const left = Math.min(Math.ceil(request.deadline - this.#runtime.monotonic()), MAX_TIMEOUT_MS)
    if (left > 0) this.#wire?.ask(request.id, request.write(request.id, left))
  }

  #settle(request: Request, error: unknown, reading?: Reading): void {
    if (this.#open.delete(request.id)) request.settle(error, error === undefined ? reading : undefined)
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const request of [...this.#open.values()]) {
      if (request.deadline > now) next = Math.min(next, request.deadline)
      else this.#settle(request, clientError('SLP_UNANSWERED', [request.timeoutMs], { retryable: true }))
    }
    return next
  }
}

/** A command may have failed where it ran. */
function errorIn({ body }: ReceivedMessage): ClientError | undefined {
  const { error } = body
  if (typeof error !== 'object' || error === null) return undefined
  const { code, reason, message } = error as Readonly<Record<string, unknown>>
  return new ClientError((code as NackCode) ?? 'INTERNAL', String(reason ?? message ?? 'it failed'))
}

function readingOf(reply: ReceivedMessage): Reading {
  const values = reply.raw('values')
  const items = values === undefined ? [] : scanItems(values, linkLimits.maxDepth)
  const text = reply.raw('value') ?? 'null'
  return {
    value: reply.body.value ?? null,
    text,
    version: reply.string('version'),
    complete: reply.body.complete !== false,
    values: items.map(findingOf),
  }
}

function findingOf(text: string): Finding {
  const item = new ReceivedMessage(text, JSON.parse(text) as Record<string, unknown>)
  return {
    value: item.body.value ?? null,
    text: item.raw('value') ?? 'null',
    version: item.string('version'),
    instanceId: item.string('instanceId'),
  }
}
