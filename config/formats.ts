import { defaultLoaders, type Loader } from 'cosmiconfig'
import { defaultExport, importModule } from './modules.ts'

/** In this order; the first that exists counts. */
export const SEARCH_PLACES: readonly string[] = [
  ...['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'json', 'yaml', 'yml'].map(
    (extension) => `slipstream.config.${extension}`,
  ),
  ...['', '.json', '.yaml', '.yml'].map((extension) => `.slipstreamrc${extension}`),
  'package.json',
]

/** By extension. cosmiconfig's own loaders for code run a file that throws twice, and know no TypeScript of today. */
export const loaders: Readonly<Record<string, Loader>> = {
  ...Object.fromEntries(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].map((extension) => [extension, loadCode])),
  '.json': data('JSON', defaultLoaders['.json']),
  '.yaml': data('YAML', defaultLoaders['.yaml']),
  '.yml': data('YAML', defaultLoaders['.yml']),
  noExt: data('YAML', defaultLoaders.noExt),
}

async function loadCode(file: string): Promise<unknown> {
  return defaultExport(await importModule(file), file)
}

/** The parsers' own messages quote the lines around a mistake, and a token may stand there: only the place is told. */
function data(format: string, parse: Loader): Loader {
  return (file, content) => {
    try {
      return parse(file, content)
    } catch (error) {
      throw new SyntaxError(`it is not valid ${format}${placeOf(error, content)}`)
    }
  }
}

function placeOf(error: unknown, content: string): string {
  const { mark, message } = error as { mark?: { line: number; column: number }; message?: string }
  if (mark) return ` at line ${mark.line + 1}, column ${mark.column + 1}`
  const position = /in JSON at position (\d+)/.exec(message ?? '')?.[1]
  if (position === undefined) return ''
  const before = content.slice(0, Number(position)).split('\n')
  return ` at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`
}
