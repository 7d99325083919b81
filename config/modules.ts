import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Jiti } from 'jiti'

export type ModuleNamespace = Readonly<Record<string, unknown>>

/**
 * Runs a module of the user's, TypeScript (also within node_modules) through jiti. What it imports in JavaScript is
 * loaded by Node itself, so that it sees the same `slipstream` as everybody else in the process: tsx's `tsImport` would
 * give it a second copy. jiti keeps no cache on disk: in a shared folder for temporary files others could plant code.
 */
export async function importModule(file: string): Promise<ModuleNamespace> {
  if (!/\.[cm]?ts$/.test(file)) return import(pathToFileURL(file).href)
  const jiti = await createJitiFor(file)
  return jiti.import<ModuleNamespace>(file)
}

/**
 * What a module exports by default. A CommonJS module that was compiled from `export default` carries it one level
 * deeper; a TypeScript one (`.cts`) may assign `module.exports`.
 */
export function defaultExport(module: ModuleNamespace, file: string): unknown {
  const exported = module.default ?? (file.endsWith('.cts') && Object.keys(module).length > 0 ? module : undefined)
  const inner = exported as { __esModule?: unknown; default?: unknown } | undefined
  return inner?.__esModule ? inner.default : exported
}

/**
 * The file behind a name, as an `import` in the file `from` would find it; undefined when there is none. Throws when a
 * package is there and its entry is not.
 */
export async function resolveModule(name: string, from: string): Promise<string | undefined> {
  const jiti = await createJitiFor(from)
  try {
    // Not createRequire(from).resolve: it does not see packages that export for `import` alone.
    return fileURLToPath(jiti.esmResolve(name, { parentURL: pathToFileURL(from) }))
  } catch (error) {
    if (isNotFound(error, name)) return undefined
    throw error
  }
}

/** A package whose entry is missing has the same code; its message names the entry instead. */
function isNotFound(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'MODULE_NOT_FOUND' &&
    error.message.includes(`'${name}'`)
  )
}

/** Imported late: most instances name no plugin and have no TypeScript to run. */
async function createJitiFor(file: string): Promise<Jiti> {
  const { createJiti } = await import('jiti')
  return createJiti(file, { fsCache: false, moduleCache: false, interopDefault: false })
}
