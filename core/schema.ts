/**
 * JSON Schema of an object, held to a TypeScript type by the compiler: every member is described, with the right kind, and
 * exactly the members that may not be absent are required.
 */
export interface BodySchema<Body> {
  readonly type: 'object'
  readonly required: readonly RequiredKeys<Body>[]
  readonly properties: { readonly [Key in keyof Body]-?: ValueSchema<Exclude<Body[Key], undefined>> }
  /** False refuses members that are neither here nor the bus's own. */
  readonly additionalProperties?: boolean
  readonly description?: string
  readonly minProperties?: number
  readonly maxProperties?: number
}

type RequiredKeys<Body> = {
  [Key in keyof Body]-?: undefined extends Body[Key] ? (unknown extends Body[Key] ? Key : never) : Key
}[keyof Body]

type ValueSchema<Value> = unknown extends Value
  ? AnySchema
  : [Value] extends [string]
    ? StringSchema
    : [Value] extends [number]
      ? NumberSchema
      : [Value] extends [boolean]
        ? { readonly type: 'boolean'; readonly description?: string }
        : [Value] extends [readonly (infer Item)[]]
          ? ArraySchema<Item>
          : [Value] extends [object]
            ? BodySchema<Value>
            : AnySchema

type AnySchema = Readonly<Record<string, unknown>> | true

interface StringSchema {
  readonly type: 'string'
  readonly enum?: readonly string[]
  readonly const?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly description?: string
}

interface NumberSchema {
  readonly type: 'number' | 'integer'
  readonly enum?: readonly number[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly description?: string
}

interface ArraySchema<Item> {
  readonly type: 'array'
  readonly items?: ValueSchema<Item>
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly description?: string
}
