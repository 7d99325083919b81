import { expect } from 'chai'
import { resolveConfig } from '../../config/resolve.ts'
import { defaultSettings } from '../../core/index.ts'
import { errorOf, temporaryFolders } from './folder.ts'

describe('config: precedence', () => {
  const folder = temporaryFolders()

  it('puts flag over environment over file over default, and knows the source of each', async () => {
    const place = folder({
      'slipstream.config.json': JSON.stringify({
        plugins: [],
        port: 1,
        host: 'file',
        tags: ['file'],
        retryInSeconds: 1,
      }),
    })
    const { settings, sources, file } = await resolveConfig({
      folder: place,
      env: { SLIPSTREAM_PORT: '2', SLIPSTREAM_HOST: 'environment' },
      flags: { port: '3' },
    })
    expect(settings).to.include({ port: 3, host: 'environment', retryDelayMs: 1_000, connectionRetryAttempts: 10 })
    expect(settings.tags).to.deep.equal(['file'])
    expect(sources.get('port')).to.equal('flag')
    expect(sources.get('host')).to.equal('environment SLIPSTREAM_HOST')
    expect(sources.get('tags')).to.equal(`file ${file}`)
    expect(sources.get('plugins')).to.equal(`file ${file}`)
    expect(sources.get('connectionRetryAttempts')).to.equal('default')
  })

  it('leaves defaults of plugins to the plugins, so that their own options count', async () => {
    const { settings, sources } = await resolveConfig({ folder: folder({ '.slipstreamrc': 'plugins: []' }), env: {} })
    expect(settings).to.deep.equal(defaultSettings)
    expect(sources.get('port')).to.equal('default')
  })

  it('merges an object member by member, and replaces a list as a whole', async () => {
    const config = { plugins: [], tags: ['a'], tls: { cert: '/c', key: '/k' }, logs: { message: false } }
    const { settings } = await resolveConfig({
      folder: folder({ 'slipstream.config.json': JSON.stringify(config) }),
      env: { SLIPSTREAM_TLS_KEY: '/other', ENABLE_DEBUG_LOGS: 'true', SLIPSTREAM_TAGS: 'b' },
    })
    expect(settings.tls).to.deep.equal({ cert: '/c', key: '/other' })
    expect(settings.logs).to.deep.equal({ message: false, debug: true })
    expect(settings.tags).to.deep.equal(['b'])
  })

  it('starts relative files of the configuration at its folder, all others at the current one', async () => {
    const place = folder({
      'etc/bus.yaml': 'plugins: []\nstoragePath: data/s.db\npeers: [{ url: "ws://b:1/", ca: ca.pem }]',
    })
    const flags = { config: 'etc/bus.yaml', adminTokenFile: 'token' }
    const { settings } = await resolveConfig({ folder: place, env: {}, flags })
    expect(settings.storagePath).to.equal(`${place}/etc/data/s.db`)
    expect(settings.peers).to.deep.equal([{ url: 'ws://b:1/', ca: `${place}/etc/ca.pem` }])
    expect(settings.adminTokenFile).to.equal(`${place}/token`)
  })

  it('takes flags as commander gives them', async () => {
    const { settings } = await resolveConfig({
      folder: folder({ '.slipstreamrc': 'plugins: []' }),
      env: {},
      flags: { peer: ['ws://a:1/', 'ws://b:2/'], tags: 'x,y', allowInsecure: true, messageLogs: false, json: true },
    })
    expect(settings.peers).to.deep.equal([{ url: 'ws://a:1/' }, { url: 'ws://b:2/' }])
    expect(settings.tags).to.deep.equal(['x', 'y'])
    expect(settings).to.include({ allowInsecure: true })
    expect(settings.logs).to.deep.equal({ message: false })
  })

  it('refuses a wrong flag by its name', async () => {
    const { code, message } = await errorOf(() =>
      resolveConfig({ folder: folder(), env: {}, flags: { port: 'x', peer: ['nowhere'] } }),
    )
    expect(code).to.equal('SLP_CONFIG_FLAG')
    expect(message).to.include('--port must be a whole number').and.include('--peer must be a URL')
  })

  const contradictions: readonly [what: string, env: Record<string, string>, words: string][] = [
    ['a certificate without its key', { SLIPSTREAM_TLS_CERT: '/c' }, 'tls.key is missing'],
    ['an authority alone', { SLIPSTREAM_TLS_CA: '/ca' }, 'tls.ca is of use only with'],
    [
      'the same peer twice',
      { URL_CONFIG: Buffer.from('[{"url":"ws://b:1/"},{"url":"ws://b:1/"}]').toString('base64') },
      'same url',
    ],
  ]
  for (const [what, env, words] of contradictions) {
    it(`refuses ${what}`, async () => {
      const { code, message } = await errorOf(() =>
        resolveConfig({ folder: folder({ '.slipstreamrc': 'plugins: []' }), env }),
      )
      expect(code).to.equal('SLP_CONFIG_INCONSISTENT')
      expect(message).to.include(words)
    })
  }
})
