import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { nearest } from './nearest.ts'
import { type OptionName, optionNames, options } from './options.ts'

/** Something that is wrong with a configuration. */
export interface Fault {
  /** The option it is about; undefined when it is about none that exists. */
  readonly option: OptionName | undefined
  /** JSON pointer within the configuration, such as `/peers/0/url`. */
  readonly path: string
  /** Follows the path in a sentence. Never holds the value. */
  readonly problem: string
}

/** JSON Schema of a configuration file; `schema.json` is this in print. */
export const configSchema: Readonly<Record<string, unknown>> = Object.freeze({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Slipstream configuration',
  type: 'object',
  additionalProperties: false,
  expected: 'an object',
  properties: {
    $schema: { type: 'string', description: 'Where this schema is, for editors.', expected: 'a URL or path' },
    ...propertiesOf(''),
    tls: section('tls', 'TLS of the listening side.'),
    logs: section('logs', 'Which categories are logged.'),
    plugins: {
      type: 'array',
      description: 'Plugins, or their names with options, in the order in which they are applied. Default: standard().',
      expected: 'a list of plugins, names and lists',
    },
  },
})

let validator: ValidateFunction | undefined

/** Everything that is wrong with a configuration; its plugins are only held to be a list. */
export function faultsOf(config: unknown): readonly Fault[] {
  validator ??= compile()
  if (validator(config)) return []
  const faults = (validator.errors ?? []).map(faultOf)
  return [...new Map(faults.map((fault) => [fault.path + fault.problem, fault])).values()]
}

/** `/port must be a whole number from 0 to 65535`. */
export function describe({ path, problem }: Fault): string {
  return path === '' ? `The configuration ${problem}` : `${path} ${problem}`
}

function compile(): ValidateFunction {
  const ajv = new Ajv({ allErrors: true, verbose: true, strict: true })
  ajv.addKeyword('expected')
  return ajv.compile(configSchema)
}

function faultOf(error: ErrorObject): Fault {
  const { instancePath: path, parentSchema, params, keyword } = error
  const option = optionNames.find((name) => `${path}/`.startsWith(`${pointer(name)}/`))
  if (keyword === 'additionalProperties') {
    return {
      option,
      path: `${path}/${params.additionalProperty}`,
      problem: unknownKey(params.additionalProperty, parentSchema),
    }
  }
  if (keyword === 'required') return { option, path: `${path}/${params.missingProperty}`, problem: 'is missing' }
  return { option, path, problem: `must be ${parentSchema?.expected}` }
}

function unknownKey(key: string, schema: ErrorObject['parentSchema']): string {
  const meant = nearest(key, Object.keys(schema?.properties))
  return meant === undefined ? 'is not an option' : `is not an option, did you mean "${meant}"?`
}

function pointer(name: OptionName): string {
  return `/${name.replace('.', '/')}`
}

function section(name: 'tls' | 'logs', description: string): object {
  return {
    type: 'object',
    additionalProperties: false,
    description,
    expected: 'an object',
    properties: propertiesOf(`${name}.`),
  }
}

/** Schemas of the options directly below a prefix. */
function propertiesOf(prefix: string): Record<string, unknown> {
  const own = optionNames.filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('.'))
  return Object.fromEntries(own.map((name) => [name.slice(prefix.length), propertyOf(name)]))
}

function propertyOf(name: OptionName): object {
  const { schema, default: preset } = options[name]
  return preset === undefined ? schema : { ...schema, default: preset }
}
