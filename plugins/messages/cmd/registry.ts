import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { problemOf, slipstreamError } from '../../../core/index.ts'

/** What a handler is given beside the args. */
export interface CommandContext {
  /** Aborted when its time is over or the instance goes down: what it returns after that is dropped. */
  readonly signal: AbortSignal
  /** Of the command: to make what it does elsewhere bear repetition. */
  readonly messageId: string
  /** Where it runs. */
  readonly instanceId: string
}

/** A command that can be run by its name. */
export interface CommandHandler {
  /** JSON Schema of the args; without it, there may be none. */
  readonly args?: Readonly<Record<string, unknown>>
  /** How long it may take, in milliseconds: 30,000 if not given, 600,000 at most. A sender may allow it less. */
  readonly timeoutMs?: number
  /**
   * Does it, once. What it resolves to is the `value` of the REPLY, as JSON of 256 KiB at most. What it throws is told to whoever asked, without
   * what it has in common with the args.
   */
  run(args: unknown, context: CommandContext): unknown
}

/** A command as it was registered. */
export interface Registered {
  readonly handler: CommandHandler
  readonly timeoutMs: number
  /** What is wrong with args, and where, without what they say; undefined: nothing. */
  fault(args: unknown): string | undefined
}

/** Names as they are on the wire, and of handlers: those have a dot. */
export const COMMAND_PATTERN = '^[A-Za-z0-9_-]{1,64}(\\.[A-Za-z0-9_-]{1,64})*$'
export const MAX_NAME = 128
export const MAX_TIMEOUT_MS = 600_000
const DEFAULT_TIMEOUT_MS = 30_000
/** Commands that can be registered. */
const MAX_COMMANDS = 1_000
const NAME = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64})+$/

/** The commands of one instance, by their names, each with the validator of its args. */
export class CommandRegistry {
  readonly #ajv = new Ajv({ allErrors: false, strict: true, strictTypes: false, allowUnionTypes: true })
  readonly #commands = new Map<string, Registered>()

  /** Throws `SLP_COMMAND_TAKEN` or `SLP_COMMAND_INVALID`. */
  register(name: string, handler: CommandHandler): void {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = handler
    if (this.#commands.has(name)) throw slipstreamError('SLP_COMMAND_TAKEN', [name])
    if (!NAME.test(name) || name.length > MAX_NAME) throw invalid(name, NAME_RULE)
    if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) throw invalid(name, TIMEOUT_RULE)
    if (this.#commands.size >= MAX_COMMANDS) throw invalid(name, `there are ${MAX_COMMANDS} commands already`)
    this.#commands.set(name, { handler, timeoutMs, fault: this.#faultOf(name, handler) })
  }

  get names(): readonly string[] {
    return [...this.#commands.keys()]
  }

  get(name: string): Registered | undefined {
    return this.#commands.get(name)
  }

  #faultOf(name: string, { args }: CommandHandler): Registered['fault'] {
    if (args === undefined) return (given) => (given === undefined ? undefined : 'it takes no args')
    const validate = this.#compile(name, args)
    return (given) => (validate(given === undefined ? {} : given) ? undefined : describe(validate.errors?.[0]))
  }

  #compile(name: string, schema: object): ValidateFunction {
    try {
      return this.#ajv.compile(schema)
    } catch (error) {
      throw slipstreamError('SLP_COMMAND_INVALID', [name, `its schema does not compile: ${problemOf(error)}`], {
        cause: error,
      })
    }
  }
}

const NAME_RULE = `a name is 2 or more parts with dots between them, ${MAX_NAME} characters at most, such as "shop.reprice"`
const TIMEOUT_RULE = `timeoutMs is from 1 to ${MAX_TIMEOUT_MS}`

function invalid(name: string, problem: string): Error {
  return slipstreamError('SLP_COMMAND_INVALID', [name, problem])
}

/** Ajv's words hold names and bounds of the schema, never what was sent. */
function describe(error: ErrorObject | undefined): string {
  return error ? `args${error.instancePath} ${error.message ?? 'is invalid'}` : 'args do not fit their schema'
}
