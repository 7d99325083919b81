import { fileURLToPath } from 'node:url'
import { build, type Metafile } from 'esbuild'

/** The client library as a browser downloads it: minified, in one file, as the global `slipstream`. */
export async function bundleClient(): Promise<{ readonly code: string; readonly inputs: Metafile['inputs'] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../core/client/index.ts', import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    conditions: ['browser'],
    format: 'iife',
    globalName: 'slipstream',
    logLevel: 'silent',
  })
  return { code: outputFiles[0]?.text ?? '', inputs: metafile.inputs }
}
