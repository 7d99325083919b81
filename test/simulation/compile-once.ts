import { Ajv, type AnySchema, type ValidateFunction } from 'ajv'

/**
 * Instances are started some thousand times in all runs, with the same schemas each time: they are compiled once, for
 * else that takes more time than all the rest. Returns what ends this.
 */
export function compileOnce(): () => void {
  const { compile } = Ajv.prototype
  const compiled = new Map<string, ValidateFunction>()
  function remembered(this: Ajv, schema: AnySchema): ValidateFunction {
    const { opts } = this
    const text = JSON.stringify([opts.strict, opts.strictTypes, opts.allErrors, opts.useDefaults, schema])
    const validate = compiled.get(text) ?? (compile.call(this, schema) as ValidateFunction)
    compiled.set(text, validate)
    return validate
  }
  Ajv.prototype.compile = remembered as typeof compile
  return () => {
    Ajv.prototype.compile = compile
  }
}
