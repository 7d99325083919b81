import { join } from 'node:path'
import { expect } from 'chai'
import type { PluginEntry } from '../../config/define.ts'
import { defaultExport } from '../../config/modules.ts'
import { loadPlugins } from '../../config/plugins.ts'
import { standard } from '../../config/standard.ts'
import type { Plugin } from '../../core/index.ts'
import { logging } from '../../plugins/admin/logging/index.ts'
import { websocket } from '../../plugins/transports/websocket/index.ts'
import { errorOf, temporaryFolders } from './folder.ts'

const named = (name: string): Plugin => ({ name, apply() {} })

/** A package with one plugin, called like the package, that keeps the options it was made with. */
function packageOf(name: string, entry = 'index.js', type = 'module'): Record<string, string> {
  const factory = `(options) => ({ name: '${name}', options, apply() {} })`
  const types = entry.endsWith('.ts') ? 'enum Kind { One = 1 }\n' : ''
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({
      name,
      type,
      exports: { '.': { import: `./${entry}`, require: `./${entry}` } },
    }),
    [`node_modules/${name}/${entry}`]:
      type === 'module' ? `${types}export default ${factory}` : `module.exports = ${factory}`,
  }
}

describe('config: plugin entries', () => {
  const folder = temporaryFolders()
  const load = (place: string, ...entries: unknown[]) =>
    loadPlugins(entries as PluginEntry[], join(place, 'slipstream.config.yaml'))
  const names = async (place: string, ...entries: unknown[]) => (await load(place, ...entries)).map(({ name }) => name)

  it('flattens nested lists in order and leaves out what is falsy', async () => {
    const entries = [
      named('a'),
      false,
      [named('b'), [null, [named('c')]], undefined],
      '',
      [],
      Promise.resolve(named('d')),
    ]
    expect(await names(folder(), ...entries)).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  for (const [entry, type] of [
    ['index.js', 'module'],
    ['index.ts', 'module'],
    ['index.cjs', 'commonjs'],
  ] as const) {
    it(`loads a package by name with its options from the folder of the configuration: ${entry}`, async () => {
      const place = folder(packageOf('slipstream-plugin-x', entry, type))
      const [first, second] = await load(place, 'slipstream-plugin-x', ['slipstream-plugin-x', { rate: 2 }])
      expect(first).to.include({ name: 'slipstream-plugin-x', options: undefined })
      expect(second?.options).to.deep.equal({ rate: 2 })
    })
  }

  it('loads a package that exports for import alone', async () => {
    const place = folder({
      'node_modules/only/package.json':
        '{ "name": "only", "type": "module", "exports": { ".": { "import": "./index.js" } } }',
      'node_modules/only/index.js': "export default () => ({ name: 'only', apply() {} })",
    })
    expect(await names(place, 'only')).to.deep.equal(['only'])
  })

  it('finds the factory in CommonJS that was compiled from export default, as Node hands it over', () => {
    const factory = () => named('compiled')
    expect(defaultExport({ default: { __esModule: true, default: factory } }, 'index.js')).to.equal(factory)
    expect(defaultExport({ default: factory }, 'index.js')).to.equal(factory)
  })

  it('takes x for slipstream-plugin-x when there is no x, also within a scope', async () => {
    const place = folder({
      ...packageOf('slipstream-plugin-x'),
      ...packageOf('@scope/slipstream-plugin-y'),
      ...packageOf('z'),
      ...packageOf('slipstream-plugin-z'),
    })
    const expected = ['slipstream-plugin-x', '@scope/slipstream-plugin-y', 'z']
    expect(await names(place, 'x', '@scope/y', 'z')).to.deep.equal(expected)
  })

  it('loads a file beside the configuration', async () => {
    const place = folder({
      'own/rate.ts': "export default (options: object) => ({ name: 'rate', options, apply() {} })",
    })
    expect((await load(place, ['./own/rate.ts', { a: 1 }]))[0]).to.deep.include({ name: 'rate', options: { a: 1 } })
  })

  it('takes a factory that makes a list, or that needs a while', async () => {
    const place = folder({
      'preset.mjs': "export default async () => [{ name: 'a', apply() {} }, false, [{ name: 'b', apply() {} }]]",
    })
    expect(await names(place, './preset.mjs')).to.deep.equal(['a', 'b'])
  })

  it('tells a name with options from a list of a name and a plugin', async () => {
    const place = folder(packageOf('x'))
    expect(await names(place, ['x', named('own')])).to.deep.equal(['x', 'own'])
  })

  it('finds built-ins and the preset by name', async () => {
    expect(await names(folder(), ['sqlite', {}], 'sqliteState')).to.deep.equal([
      standard()[1]?.name,
      standard()[2]?.name,
    ])
    expect(await names(folder(), ['standard', { prometheus: false }])).to.deep.equal(
      standard({ prometheus: false }).map(({ name }) => name),
    )
  })

  const wrong: readonly [what: string, files: Record<string, string>, entry: unknown, code: string, words: string][] = [
    ['a missing package', {}, 'fx', 'SLP_CONFIG_PLUGIN_MISSING', 'npm install slipstream-plugin-fx'],
    ['a missing package of a scope', {}, '@a/fx', 'SLP_CONFIG_PLUGIN_MISSING', 'npm install @a/slipstream-plugin-fx'],
    ['a missing file', {}, './fx.ts', 'SLP_CONFIG_PLUGIN_PATH', './fx.ts'],
    [
      'no default export',
      { 'a.mjs': 'export const a = 1' },
      './a.mjs',
      'SLP_CONFIG_PLUGIN_FACTORY',
      'default export is missing',
    ],
    [
      'an object instead of a factory',
      { 'a.mjs': 'export default {}' },
      './a.mjs',
      'SLP_CONFIG_PLUGIN_FACTORY',
      'a object',
    ],
    [
      'a package that throws',
      { 'a.mjs': "throw new Error('broken')" },
      './a.mjs',
      'SLP_CONFIG_PLUGIN_FAILED',
      'broken',
    ],
    [
      'a factory that throws',
      { 'a.mjs': "export default () => { throw new Error('no rate') }" },
      './a.mjs',
      'SLP_CONFIG_PLUGIN_FAILED',
      'no rate',
    ],
    [
      'a package without its entry',
      { 'node_modules/a/package.json': '{ "exports": "./dist.js" }' },
      'a',
      'SLP_CONFIG_PLUGIN_FAILED',
      'dist.js',
    ],
    ['a number', {}, [[], 7], 'SLP_CONFIG_PLUGIN_ENTRY', 'plugins[0][1] is a number'],
    ['true', {}, true, 'SLP_CONFIG_PLUGIN_ENTRY', 'plugins[0] is a boolean'],
  ]
  for (const [what, files, entry, code, words] of wrong) {
    it(`refuses ${what} and says what to do`, async () => {
      const error = await errorOf(() => load(folder(files), entry))
      expect(error.code).to.equal(code)
      expect(error.message).to.include(words)
    })
  }
})

describe('config: standard()', () => {
  it('makes every built-in once, logging first and websocket last', () => {
    const names = standard().map(({ name }) => name)
    expect(new Set(names).size).to.equal(names.length)
    expect([names[0], names.at(-1)]).to.deep.equal([logging().name, websocket().name])
  })

  it('passes options on and leaves out what is false', () => {
    const all = standard()
    const plugins = standard({ websocket: { heartbeatMs: 7 }, prometheus: false, http: undefined })
    expect(plugins).to.have.length(all.length - 1)
    expect(plugins.at(-1)?.options).to.deep.equal({ heartbeatMs: 7 })
  })

  it('refuses a name that is none of its plugins', async () => {
    const { code, message } = await errorOf(() => standard({ sqlit: false } as never))
    expect(code).to.equal('SLP_PLUGIN_OPTIONS')
    expect(message).to.include('did you mean "sqlite"?')
  })
})
