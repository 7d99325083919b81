import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { DeadLetterFilter, DeadLetterId, DeadReason, ReplayId } from '../../../core/index.ts'
import type { HttpRequest } from '../http/index.ts'
import { HttpProblem } from '../http/problem.ts'

/** The compiler holds this table to the reasons of the store's contract. */
export const REASONS = Object.keys({
  REJECTED: 0,
  ATTEMPTS_EXHAUSTED: 0,
  EXPIRED: 0,
  POISON: 0,
  INTEGRITY: 0,
  RECIPIENT_FORGOTTEN: 0,
} satisfies Record<DeadReason, 0>) as readonly DeadReason[]

/** Which dead letters are meant, as it comes over the network: all that is given must hold. */
interface Wish extends Omit<DeadLetterFilter, 'diedBefore'> {
  readonly olderThanSeconds?: number
}

/** One page of a list. */
export interface ListWish extends Wish {
  readonly limit?: number
  /** The last id of the page before. */
  readonly after?: DeadLetterId
}

/** What is to be changed. */
export interface ChangeWish extends Wish {
  /** Instead of a filter: every dead letter there is. */
  readonly all?: boolean
  /** Only says how many are meant. */
  readonly dryRun?: boolean
}

/** What is to be delivered again, and how fast. */
export interface ReplayRequest extends ChangeWish {
  readonly perSecond?: number
  readonly maxFailures?: number
}

/** Which replay jobs are meant. */
export interface JobsWish {
  readonly limit?: number
  /** The last number of the page before. */
  readonly before?: ReplayId
}

const filter = {
  ids: { type: 'array', items: { type: 'integer', minimum: 1 } },
  recipient: { type: 'string', minLength: 1 },
  type: { type: 'string', minLength: 1 },
  keyPrefix: { type: 'string', minLength: 1 },
  reason: { type: 'string', enum: REASONS },
  olderThanSeconds: { type: 'number', minimum: 0 },
}
const list = {
  ...filter,
  limit: { type: 'integer', minimum: 1, maximum: 1_000 },
  after: { type: 'integer', minimum: 0 },
}
const jobs = { limit: list.limit, before: { type: 'integer', minimum: 1 } }
const one = { value: { type: 'boolean' } }
const change = { ...filter, all: { type: 'boolean' }, dryRun: { type: 'boolean' } }
const replay = {
  ...change,
  perSecond: { type: 'integer', minimum: 1, maximum: 10_000 },
  maxFailures: { type: 'integer', minimum: 0 },
}

/** A query is all text: what stands for a number there is one. */
const queries = new Ajv({ coerceTypes: true })
const bodies = new Ajv()

const listQuery = closed<ListWish>(queries, list)
const jobsQuery = closed<JobsWish>(queries, jobs)
const oneQuery = closed<{ readonly value?: boolean }>(queries, one)
const changes = { query: closed<ChangeWish>(queries, change), body: closed<ChangeWish>(bodies, change) }
const replays = { query: closed<ReplayRequest>(queries, replay), body: closed<ReplayRequest>(bodies, replay) }

/** What a request to list asks for. Throws the problem 400. */
export function listWish({ query }: HttpRequest): ListWish {
  return checked(listQuery, valuesOf(query), 'query')
}

/** Which replay jobs a request is about. Throws the problem 400. */
export function jobsWish({ query }: HttpRequest): JobsWish {
  return checked(jobsQuery, valuesOf(query), 'query')
}

/** Whether a request asks for the value. Throws the problem 400. */
export function wantsValue({ query }: HttpRequest): boolean {
  return checked(oneQuery, valuesOf(query), 'query').value === true
}

/** What a request to discard asks for: in its body, or in its query. Throws the problem 400. */
export function changeWish(request: HttpRequest): ChangeWish {
  return filtered(request, changes)
}

/** What a request to replay asks for: in its body, or in its query. Throws the problem 400. */
export function replayWish(request: HttpRequest): ReplayRequest {
  return filtered(request, replays)
}

interface Places<Wished> {
  readonly query: ValidateFunction<Wished>
  readonly body: ValidateFunction<Wished>
}

/** Given once, and with a filter or the word that everything is meant. */
function filtered<Wished extends ChangeWish>({ query, body }: HttpRequest, places: Places<Wished>): Wished {
  if (body !== undefined && query.size > 0) throw wrong('INVALID', 'give the filter once: in the body or in the query')
  const wish = body === undefined ? checked(places.query, valuesOf(query), 'query') : checked(places.body, body, 'body')
  const isFiltered = Object.keys(filter).some((name) => Object.hasOwn(wish, name))
  if (isFiltered === (wish.all === true)) throw wrong('FILTER_REQUIRED', FILTER_REQUIRED)
  return wish
}

const FILTER_REQUIRED = `say which dead letters are meant, by ${Object.keys(filter).join(', ')}; or all: true, and nothing beside`

/** The number that stands in the path. Throws the problem 404: nothing else is the number of anything. */
export function numberIn({ params }: HttpRequest): number {
  if (!/^[1-9]\d{0,14}$/.test(params.id ?? '')) throw new HttpProblem(404, 'UNKNOWN', 'nothing has this number')
  return Number(params.id)
}

/** The filter of a wish, by the time that is given. */
export function filterOf(wish: Wish, now: number): DeadLetterFilter {
  const { ids, recipient, type, keyPrefix, reason, olderThanSeconds } = wish
  return {
    ...(ids !== undefined && { ids }),
    ...(recipient !== undefined && { recipient }),
    ...(type !== undefined && { type }),
    ...(keyPrefix !== undefined && { keyPrefix }),
    ...(reason !== undefined && { reason }),
    ...(olderThanSeconds !== undefined && { diedBefore: now - olderThanSeconds * 1_000 }),
  }
}

function closed<Wished>(ajv: Ajv, properties: Readonly<Record<string, object>>): ValidateFunction<Wished> {
  return ajv.compile<Wished>({ type: 'object', additionalProperties: false, properties })
}

/** A name that is given twice is a list, which fits none but `ids`. */
function valuesOf(query: URLSearchParams): Record<string, unknown> {
  const names = [...new Set(query.keys())]
  return Object.fromEntries(
    names.map((name) => {
      const values = query.getAll(name)
      if (name === 'ids') return [name, values.flatMap((value) => value.split(','))]
      return [name, values.length === 1 ? values[0] : values]
    }),
  )
}

function checked<Wished>(validate: ValidateFunction<Wished>, given: unknown, place: string): Wished {
  if (validate(given)) return given
  const [error] = validate.errors ?? []
  throw wrong('INVALID', error ? problemIn(place, error, validate) : `${place} is wrong`)
}

/** Names and bounds of the schema, never what was sent. */
function problemIn(
  place: string,
  { instancePath, message, params, keyword }: ErrorObject,
  of: ValidateFunction,
): string {
  const problem = `${place}${instancePath} ${message ?? 'is wrong'}`
  if (keyword === 'enum') return `${problem}: ${(params.allowedValues as readonly string[]).join(', ')}`
  if (keyword !== 'additionalProperties') return problem
  const { properties } = of.schema as { readonly properties: object }
  return `${problem}; it takes ${Object.keys(properties).join(', ')}`
}

function wrong(code: string, message: string): HttpProblem {
  return new HttpProblem(400, code, message)
}
