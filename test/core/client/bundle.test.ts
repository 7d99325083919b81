import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { bundleClient } from '../../support/client-bundle.ts'

/** Minified and compressed, in bytes. */
const MOST = 15_000

describe('the client in a browser', () => {
  it('is small, and brings nothing of Node, of an instance, or of a package', async () => {
    const { code, inputs } = await bundleClient()
    expect(gzipSync(code, { level: 9 }).length).to.be.below(MOST)
    const rooms = new Set(Object.keys(inputs).map((file) => file.replace(/\/[^/]+$/, '')))
    expect([...rooms].sort()).to.deep.equal(['core', 'core/client', 'core/protocol', 'core/runtime'])
    const imported = Object.values(inputs).flatMap(({ imports }) => imports.map(({ path }) => path))
    expect(imported.filter((path) => path.startsWith('node:') || path.includes('node_modules'))).to.deep.equal([])
  })

  it('is what a bundler for browsers finds in the package, and Node finds its own', () => {
    const { exports } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      exports: Record<string, Record<string, string>>
    }
    expect(exports['./client']).to.include({
      browser: './dist/core/client/index.js',
      node: './dist/core/client/node.js',
      default: './dist/core/client/index.js',
    })
  })
})
