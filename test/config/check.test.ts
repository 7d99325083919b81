import { readdirSync } from 'node:fs'
import { expect } from 'chai'
import { checkConfig } from '../../config/check.ts'
import { resolveConfig } from '../../config/resolve.ts'
import { standard } from '../../config/standard.ts'
import { temporaryFolders } from './folder.ts'

describe('config: no configuration at all', () => {
  const folder = temporaryFolders()

  it('runs the standard preset', async () => {
    const { plugins, file, sources } = await resolveConfig({ env: {}, folder: folder() })
    expect(plugins.map(({ name }) => name)).to.deep.equal(standard().map(({ name }) => name))
    expect(file).to.equal(undefined)
    expect(new Set(sources.values())).to.deep.equal(new Set(['default']))
  })

  it('runs it also for a configuration without plugins', async () => {
    const { plugins } = await resolveConfig({ env: {}, folder: folder({ '.slipstreamrc': 'port: 1' }) })
    expect(plugins).to.have.length(standard().length)
  })
})

describe('config: check', () => {
  const folder = temporaryFolders()
  const check = (files: Record<string, string>, env = {}, flags = {}) =>
    checkConfig({ folder: folder(files), env, flags })

  it('finds nothing wrong with the defaults, and opens and writes nothing', async () => {
    const place = folder()
    const { problems, plugins, values } = await checkConfig({ folder: place, env: {} })
    expect(problems).to.deep.equal([])
    expect(plugins).to.deep.equal(standard().map(({ name }) => name))
    expect(values.get('port')).to.deep.equal({ value: 7070, source: 'default' })
    expect(readdirSync(place)).to.deep.equal([])
  })

  it('returns the problems of flags, environment, file and plugins together, each with its code', async () => {
    const report = await check(
      { 'a.yaml': 'plugins: [nowhere]' },
      { METRICS_PORT: 'x' },
      { config: 'a.yaml', port: 'y' },
    )
    expect(report.problems.map(({ code }) => code)).to.deep.equal([
      'SLP_CONFIG_FLAG',
      'SLP_CONFIG_ENV',
      'SLP_CONFIG_PLUGIN_MISSING',
    ])
    expect(report.problems.map(({ file }) => file)).to.deep.equal(Array(3).fill(report.file))
    expect(report.file).to.match(/a\.yaml$/)
    expect(report.values.size).to.equal(0)
  })

  it('names the file that is missing', async () => {
    const { problems, file } = await check({}, {}, { config: 'gone.ts' })
    expect(problems).to.have.length(1)
    expect(problems[0]).to.include({ code: 'SLP_CONFIG_MISSING', file })
  })

  it('holds plugins to each other as the kernel does at its start', async () => {
    const twice = await check({
      'slipstream.config.mjs': 'const a = { name: "a", apply() {} }; export default { plugins: [a, a] }',
    })
    expect(twice.problems.map(({ code }) => code)).to.deep.equal(['SLP_PLUGIN_DUPLICATE'])
    const none = await check({ 'slipstream.config.mjs': 'export default { plugins: [() => {}] }' })
    expect(none.problems.map(({ code }) => code)).to.deep.equal(['SLP_PLUGIN_INVALID'])
  })

  it('masks keys, tokens and PEM text, and shows the rest with its source', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\ns3cret\n-----END CERTIFICATE-----'
    const peers = [{ url: 'wss://b:1/', tags: ['b'], token: 's3cret', key: 's3cret', ca: pem }]
    const config = { plugins: [], peers, tls: { cert: pem, key: 's3cret' } }
    const { values, file } = await check({ 'slipstream.config.json': JSON.stringify(config) })
    expect(JSON.stringify([...values])).to.not.include('s3cret')
    expect(values.get('peers')).to.deep.equal({
      value: [{ url: 'wss://b:1/', tags: ['b'], token: '(hidden)', key: '(hidden)', ca: '(PEM text)' }],
      source: `file ${file}`,
    })
    expect(values.get('tls.cert')?.value).to.equal('(PEM text)')
  })

  it('lets a defect of its own through rather than call it a problem', async () => {
    const broken = {
      get port(): string {
        throw new TypeError('defect')
      },
    }
    const outcome = await checkConfig({ folder: folder(), env: {}, flags: broken }).catch((error: unknown) => error)
    expect(outcome).to.be.instanceOf(TypeError)
  })
})
