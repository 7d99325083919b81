import { hash } from 'node:crypto'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { problemOf, slipstreamError } from './errors.ts'
import type { Answering, AnyMessageType } from './message-type.ts'
import type { PluginName } from './plugin.ts'
import { envelopeProperties, toleratedProperties } from './protocol/fields.ts'
import type { Received } from './protocol/received.ts'
import type { JoinTexts } from './state/join.ts'
import type { Spaces } from './store.ts'

interface Registered {
  readonly owner: PluginName
  readonly type: AnyMessageType
  readonly validate: ValidateFunction
}

/** The message types that this instance knows, each with its validator, compiled once. */
export class TypeRegistry {
  readonly #ajv = new Ajv({ allErrors: false, strict: true, strictTypes: false, allowUnionTypes: true })
  readonly #types = new Map<string, Registered>()
  readonly #envelope = this.#ajv.compile({ type: 'object', properties: envelopeProperties })

  /** Throws `SLP_TYPE_TAKEN` or `SLP_TYPE_SCHEMA`. */
  register(owner: PluginName, name: string, type: AnyMessageType): void {
    const taken = this.#types.get(name)
    if (taken) throw slipstreamError('SLP_TYPE_TAKEN', [name, taken.owner.name], { plugin: owner.name })
    this.#types.set(name, { owner, type, validate: this.#compile(owner.name, name, type.schema) })
  }

  /** How a type whose messages are stored is handled; undefined for direct and unknown ones. */
  stored(name: string): AnyMessageType | undefined {
    const type = this.#types.get(name)?.type
    return type && !type.receive && !type.answer ? type : undefined
  }

  /** What handles a direct type where it arrives; undefined for stored and unknown ones. */
  receiver(name: string): ((received: Received) => void | Promise<void>) | undefined {
    const type = this.#types.get(name)?.type
    return type?.receive && ((received) => type.receive?.(received as never))
  }

  /** How requests of that type are answered here; undefined for other types. */
  answering(name: string): Answering | undefined {
    const type = this.#types.get(name)?.type
    if (!type?.answer) return undefined
    return {
      needsState: type.space !== undefined,
      orderingKey: ({ body }) => type.orderingKey?.(body as never),
      answer: (request, state) => type.answer?.(request, { state }),
    }
  }

  /** Whether whoever publishes messages of that type is told what came of them. */
  isAnswered(name: string): boolean {
    return this.#types.get(name)?.type.replies === true
  }

  /** Types whose dead letters are delivered again only by a job that names them. */
  replayedByName(): readonly string[] {
    return this.names().filter((name) => this.#types.get(name)?.type.replay === 'named')
  }

  /** Whether messages of one ordering key go one at a time: where the type says so, and where nobody here knows it. */
  isStrict(name: string): boolean {
    const type = this.#types.get(name)?.type
    return type === undefined || type.order === 'strict'
  }

  /** Whether messages of that type are writes whose merge it declares: they make up a state. */
  keepsState(name: string): boolean {
    const { merge, join, space } = this.#types.get(name)?.type ?? {}
    return merge !== undefined || join !== undefined || space !== undefined
  }

  /** Whether its writes may be older than what was deleted meanwhile: those of a type that joins its texts never are. */
  deletes(name: string): boolean {
    return this.keepsState(name) && this.#types.get(name)?.type.join === undefined
  }

  /** Types of which the newest message of a key replaces the others entirely, each with the space whose keys it writes. */
  replacing(): Spaces {
    const replacing = this.names().filter((name) => this.#types.get(name)?.type.merge === 'newest')
    return new Map(replacing.map((name) => [name, this.spaceOf(name)]))
  }

  /** Whose keys the type writes. */
  spaceOf(name: string): string {
    return this.#types.get(name)?.type.space ?? name
  }

  /** How the texts of a space are joined; undefined: the newer one is kept. */
  joinOf(space: string): JoinTexts | undefined {
    for (const [name, { type }] of this.#types) {
      if (type.join && this.spaceOf(name) === space)
        return (current, incoming) => type.join?.(current, incoming) as string
    }
    return undefined
  }

  /** The plugin that has registered it. */
  owner(name: string): PluginName | undefined {
    return this.#types.get(name)?.owner
  }

  knows(name: string): boolean {
    return this.#types.has(name)
  }

  names(): readonly string[] {
    return [...this.#types.keys()]
  }

  /**
   * To each type, the version of the plugin that brings it, and the first 16 hexadecimal digits of SHA-256 of its schema:
   * whether two instances mean the same by it.
   */
  digests(): Readonly<Record<string, string>> {
    const digests = [...this.#types].map(([name, { owner, type }]) => {
      const digest = hash('sha256', JSON.stringify(type.schema), 'hex').slice(0, 16)
      return [name, `${owner.version ?? '-'} ${digest}`] as const
    })
    return Object.fromEntries(digests)
  }

  /** What messages of that type must fit, with the members that any message may have. */
  schemaOf(name: string): object | undefined {
    const type = this.#types.get(name)?.type
    return type && completed(type.schema)
  }

  /** What is wrong with a message, and where; undefined when nothing is. Of an unknown type, only the envelope is judged. */
  fault(received: Received): string | undefined {
    const { type, validate = this.#envelope } = this.#types.get(received.type) ?? {}
    if (!validate(received.body)) return describe(validate.errors?.[0])
    return type?.check?.(received as Received<never>)
  }

  #compile(owner: string, name: string, schema: object): ValidateFunction {
    try {
      return this.#ajv.compile(completed(schema))
    } catch (error) {
      throw slipstreamError('SLP_TYPE_SCHEMA', [name, problemOf(error)], { plugin: owner, cause: error })
    }
  }
}

function completed(schema: object): object {
  return { ...schema, properties: { ...toleratedProperties, ...propertiesOf(schema), ...envelopeProperties } }
}

function propertiesOf(schema: object): object {
  return (schema as { properties?: object }).properties ?? {}
}

/** Ajv's words hold names and bounds of the schema, never what was sent. */
function describe(error: ErrorObject | undefined): string {
  if (!error) return 'does not fit the schema of its type'
  return `${error.instancePath} ${error.message ?? 'is invalid'}`.trimStart()
}
