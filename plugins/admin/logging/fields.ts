import { type LogFields, problemOf } from '../../../core/index.ts'
import { redact } from './redact.ts'

const MAX_NAME = 256
const MAX_TEXT = 500

type Writer = (value: unknown) => unknown

const name: Writer = (value) => redact(String(value), MAX_NAME)
const text: Writer = (value) => redact(String(value), MAX_TEXT)
const number: Writer = (value) => (Number.isFinite(value) ? value : undefined)

/** Every field that a line may have, and how it is written. What is not in this table is in no log. */
const WRITERS: { readonly [Field in keyof Required<LogFields>]: Writer } = {
  messageId: name,
  type: name,
  command: name,
  recipient: name,
  peer: name,
  address: name,
  plugin: name,
  hook: name,
  code: (value) => (typeof value === 'number' ? number(value) : name(value)),
  reason: text,
  status: text,
  job: number,
  session: number,
  count: number,
  received: number,
  sent: number,
  bytes: number,
  milliseconds: number,
  attempt: number,
  error: writeError,
}

const ALLOWED = Object.entries(WRITERS) as [keyof LogFields, Writer][]

/** The fields of a line, fit to be written: only what the list allows, cut and masked. */
export function writable(fields: LogFields): Record<string, unknown> {
  const line: Record<string, unknown> = {}
  for (const [field, write] of ALLOWED) {
    const value = fields[field]
    if (value !== undefined) line[field] = write(value)
  }
  return line
}

/** What an error is, without its stack and without whatever else somebody hung on it. */
function writeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: text(error) }
  const { code, plugin, hook } = error as { code?: unknown; plugin?: unknown; hook?: unknown }
  return {
    name: name(error.name),
    code: optional(code),
    message: text(error.message),
    plugin: optional(plugin),
    hook: optional(hook),
    cause: error.cause === undefined ? undefined : text(problemOf(error.cause)),
  }
}

function optional(value: unknown): unknown {
  return typeof value === 'string' || typeof value === 'number' ? name(value) : undefined
}
