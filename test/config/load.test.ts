import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { errorOf, temporaryFolders } from './folder.ts'

const TYPESCRIPT = `
  import { region } from './region.ts'
  enum Port { Bus = 7272 }
  export default { port: Port.Bus satisfies number, tags: [region] }
`
const REGION = "export const region: string = 'aws'"
const JAVASCRIPT = "export default { port: 7272, tags: ['aws'] }"
const COMMONJS = "module.exports = { port: 7272, tags: ['aws'] }"
const JSON_TEXT = '{ "port": 7272, "tags": ["aws"] }'
const YAML = 'port: 7272\ntags: [aws]\n'

const FORMATS: Readonly<Record<string, string>> = {
  'slipstream.config.ts': TYPESCRIPT,
  'slipstream.config.mts': TYPESCRIPT,
  'slipstream.config.cts': COMMONJS,
  'slipstream.config.js': JAVASCRIPT,
  'slipstream.config.mjs': JAVASCRIPT,
  'slipstream.config.cjs': COMMONJS,
  'slipstream.config.json': JSON_TEXT,
  'slipstream.config.yaml': YAML,
  'slipstream.config.yml': YAML,
  '.slipstreamrc': YAML,
  '.slipstreamrc.json': JSON_TEXT,
  '.slipstreamrc.yaml': YAML,
  '.slipstreamrc.yml': YAML,
  'package.json': `{ "name": "x", "slipstream": ${JSON_TEXT} }`,
}

describe('config: the file', () => {
  const folder = temporaryFolders()
  const load = (place: string, named?: string, env = {}) => loadConfig(named, place, env)

  for (const [name, content] of Object.entries(FORMATS)) {
    it(`finds and reads ${name}`, async () => {
      const place = folder({ [name]: content, 'region.ts': REGION })
      expect(await load(place)).to.deep.equal({ config: { port: 7272, tags: ['aws'] }, file: join(place, name) })
    })
  }

  it('prefers slipstream.config.ts to all others', async () => {
    const place = folder({ ...FORMATS, 'slipstream.config.ts': 'export default { port: 1 }' })
    expect((await load(place)).config).to.deep.equal({ port: 1 })
  })

  it('runs the defaults when there is no file, and looks into no other folder', async () => {
    const place = folder({ 'slipstream.config.json': JSON_TEXT, 'inner/package.json': '{ "name": "x" }' })
    expect(await load(join(place, 'inner'))).to.deep.equal({ config: {}, file: undefined })
  })

  it('calls a configuration that is a function with the environment, and waits for it', async () => {
    const place = folder({ 'slipstream.config.ts': 'export default async ({ env }) => ({ tags: [env.REGION] })' })
    expect((await load(place, undefined, { REGION: 'gcp' })).config).to.deep.equal({ tags: ['gcp'] })
  })

  it('gives a TypeScript configuration the modules that the process has already', async () => {
    const place = folder({
      'slipstream.config.ts': "import { token } from 'host'\nexport default { plugins: [token] }",
      'node_modules/host/package.json': '{ "name": "host", "type": "module", "exports": { "import": "./index.js" } }',
      'node_modules/host/index.js': 'export const token = {}',
    })
    const { token } = await import(pathToFileURL(join(place, 'node_modules/host/index.js')).href)
    expect((await load(place)).config.plugins?.[0]).to.equal(token)
  })

  it('reads a TypeScript configuration and what it imports anew each time', async () => {
    const place = folder({ 'slipstream.config.ts': TYPESCRIPT, 'region.ts': REGION })
    await load(place)
    writeFileSync(join(place, 'region.ts'), "export const region: string = 'gcp'")
    expect((await load(place)).config.tags).to.deep.equal(['gcp'])
  })

  it('leaves nothing beside a TypeScript configuration', async () => {
    const place = folder({ 'slipstream.config.ts': 'export default {}' })
    mkdirSync(join(place, 'node_modules'))
    await load(place)
    expect(readdirSync(place, { recursive: true })).to.have.members(['slipstream.config.ts', 'node_modules'])
  })
})

describe('config: a file that does not work', () => {
  const folder = temporaryFolders()
  const failure = (files: Record<string, string>, named?: string) => {
    const place = folder(files)
    return errorOf(() => loadConfig(named, place, {}))
  }

  it('refuses a named file that is missing', async () => {
    const { code, message } = await failure({}, 'nowhere.ts')
    expect(code).to.equal('SLP_CONFIG_MISSING')
    expect(message).to.include('nowhere.ts').and.include('--config')
  })

  const empty = {
    'slipstream.config.ts': '\n',
    'slipstream.config.mjs': 'export const port = 1',
    '.slipstreamrc': '# nothing\n',
  }
  for (const [name, content] of Object.entries(empty)) {
    for (const named of [undefined, name]) {
      it(`refuses an empty ${name}, ${named ? 'named' : 'found'}`, async () => {
        const { code, message } = await failure({ [name]: content }, named)
        expect(code).to.equal('SLP_CONFIG_EMPTY')
        expect(message).to.include(name)
      })
    }
  }

  it('refuses a named package.json without a slipstream member', async () => {
    expect((await failure({ 'package.json': '{}' }, 'package.json')).code).to.equal('SLP_CONFIG_EMPTY')
  })

  for (const name of ['slipstream.config.ts', 'slipstream.config.mjs', 'slipstream.config.cjs']) {
    it(`reports an unreadable secret in ${name} (ENOENT), and does not go on to the next file`, async () => {
      const read = name.endsWith('.cjs') ? "require('node:fs')" : "(await import('node:fs'))"
      const content = `const key = ${read}.readFileSync('/nowhere/secret.key')`
      const error = await failure({ [name]: content, 'slipstream.config.json': '{}', '.slipstreamrc': 'port: 1' })
      expect(error.code).to.equal('SLP_CONFIG_FAILED')
      expect(error.message).to.include(name).and.include('/nowhere/secret.key')
      expect(error.cause).to.have.property('code', 'ENOENT')
    })
  }

  const failing: readonly [what: string, content: string, words: string][] = [
    ['throws', "throw new Error('no region')", 'no region'],
    ['throws when called', "export default () => { throw new Error('no region') }", 'no region'],
    ['rejects', "export default async () => { throw new Error('no region') }", 'no region'],
    ['does not parse', 'export default { port: 1 +* }', 'slipstream.config.ts:1'],
    ['imports what is not installed', "import 'no-such-package'", 'no-such-package'],
  ]
  for (const [what, content, words] of failing) {
    it(`reports a configuration that ${what}`, async () => {
      const error = await failure({ 'slipstream.config.ts': content })
      expect(error.code).to.equal('SLP_CONFIG_FAILED')
      expect(error.message).to.include(words)
    })
  }

  it('runs a configuration that throws once', async () => {
    const content =
      "globalThis.slipstreamConfigRuns = (globalThis.slipstreamConfigRuns ?? 0) + 1; throw new Error('no')"
    await failure({ 'slipstream.config.js': content })
    const { slipstreamConfigRuns: runs } = globalThis as { slipstreamConfigRuns?: number }
    Reflect.deleteProperty(globalThis, 'slipstreamConfigRuns')
    expect(runs).to.equal(1)
  })

  for (const name of ['slipstream.config.json', '.slipstreamrc.yaml']) {
    it(`tells where ${name} is broken, and not what stands there`, async () => {
      const error = await failure({ [name]: '{\n  "token": "s3cret" "oops"\n}' })
      expect(error.code).to.equal('SLP_CONFIG_FAILED')
      expect(error.message).to.match(/not valid (JSON|YAML) at line 2, column \d+/)
      expect(`${error.stack} ${String(error.cause)}`).to.not.include('s3cret')
    })
  }

  it('takes a link that leads nowhere for a broken configuration, not for none', async () => {
    const place = folder()
    symlinkSync(join(place, 'gone.ts'), join(place, 'slipstream.config.ts'))
    expect((await errorOf(() => loadConfig(undefined, place, {}))).code).to.equal('SLP_CONFIG_FAILED')
  })

  it('takes a folder by the name of a configuration for a broken one', async () => {
    expect((await failure({ 'slipstream.config.ts/readme': '' })).code).to.equal('SLP_CONFIG_FAILED')
  })
})
