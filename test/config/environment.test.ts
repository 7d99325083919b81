import { expect } from 'chai'
import { readEnvironment } from '../../config/environment.ts'
import { optionNames, options } from '../../config/options.ts'
import { resolveConfig } from '../../config/resolve.ts'
import { MAX_URL_CONFIG_LENGTH } from '../../config/url-config.ts'
import { errorOf, temporaryFolders } from './folder.ts'

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')

const VARIABLES: readonly [variable: string, text: string, setting: string, value: unknown][] = [
  ['URL_CONFIG', base64([{ url: 'ws://b:1/' }]), 'peers', [{ url: 'ws://b:1/' }]],
  ['SLIPSTREAM_STORAGE_PATH', '/data/s.db', 'storagePath', '/data/s.db'],
  ['SLIPSTREAM_RETRY_IN_N_SECONDS', '2', 'retryDelayMs', 2_000],
  ['SLIPSTREAM_CONNECTION_RETRY_ATTEMPTS', '4', 'connectionRetryAttempts', 4],
  ['MAX_MESSAGE_REPUBLISH_ATTEMPTS', '7', 'maxRepublishAttempts', 7],
  ['METRICS_PORT', '9090', 'adminPort', 9090],
  ['ENABLE_MESSAGE_LOGS', 'false', 'logs', { message: false }],
  ['ENABLE_DEBUG_LOGS', '1', 'logs', { debug: true }],
  ['SLIPSTREAM_INSTANCE_ID', 'aws-1', 'instanceId', 'aws-1'],
  ['SLIPSTREAM_HOST', '0.0.0.0', 'host', '0.0.0.0'],
  ['SLIPSTREAM_PORT', '7171', 'port', 7171],
  ['SLIPSTREAM_TAGS', 'aws, production', 'tags', ['aws', 'production']],
  ['SLIPSTREAM_CLUSTER_GROUP_ID', 'eu', 'clusterGroupId', 'eu'],
  ['SLIPSTREAM_ADMIN_HOST', '::1', 'adminHost', '::1'],
  ['SLIPSTREAM_ADMIN_TOKEN_FILE', '/run/token', 'adminTokenFile', '/run/token'],
  ['SLIPSTREAM_ALLOW_INSECURE', 'TRUE', 'allowInsecure', true],
]

const WRONG: readonly [variable: string, text: string, expected: string][] = [
  ['SLIPSTREAM_PORT', '70000', 'a whole number from 0 to 65535'],
  ['SLIPSTREAM_PORT', 'http', 'a whole number from 0 to 65535'],
  ['METRICS_PORT', '80.5', 'a whole number from 0 to 65535'],
  ['SLIPSTREAM_RETRY_IN_N_SECONDS', '0', 'a number of seconds above 0'],
  ['SLIPSTREAM_CONNECTION_RETRY_ATTEMPTS', '-1', 'a whole number from 0'],
  ['MAX_MESSAGE_REPUBLISH_ATTEMPTS', '0x10', 'a whole number from 0'],
  ['ENABLE_MESSAGE_LOGS', 'yes', 'true or false'],
  ['SLIPSTREAM_ALLOW_INSECURE', 'on', 'true or false'],
  ['SLIPSTREAM_INSTANCE_ID', 'a b', '1 to 128 of the characters'],
  ['SLIPSTREAM_TAGS', 'fine,not fine', 'a tag of 1 to 64 characters'],
]

describe('config: environment', () => {
  const folder = temporaryFolders()
  const settings = async (env: Record<string, string>) =>
    (await resolveConfig({ env, folder: folder({ 'slipstream.config.json': '{"plugins":[]}' }) })) as unknown as {
      settings: Record<string, unknown>
      sources: ReadonlyMap<string, string>
    }

  for (const [variable, text, setting, value] of VARIABLES) {
    it(`${variable} sets ${setting}, and is named as its source`, async () => {
      const resolved = await settings({ [variable]: text })
      expect(resolved.settings[setting]).to.deep.equal(value)
      expect([...resolved.sources.values()]).to.include(`environment ${variable}`)
    })
  }

  it('SLIPSTREAM_TLS_CERT, _KEY and _CA set tls, as paths or as PEM text', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----'
    const env = { SLIPSTREAM_TLS_CERT: pem, SLIPSTREAM_TLS_KEY: '/own.key', SLIPSTREAM_TLS_CA: '/ca.pem' }
    expect((await settings(env)).settings.tls).to.deep.equal({ cert: pem, key: '/own.key', ca: '/ca.pem' })
  })

  it('holds each variable of the table in a test of this file', () => {
    const tested = [
      ...VARIABLES.map(([variable]) => variable),
      'SLIPSTREAM_TLS_CERT',
      'SLIPSTREAM_TLS_KEY',
      'SLIPSTREAM_TLS_CA',
    ]
    const known = optionNames.flatMap((name) => options[name].environment ?? [])
    expect(tested).to.have.members(known)
  })

  it('reads SLIPSTREAM_CONFIG as the name of the configuration file', async () => {
    const place = folder({ 'other.yaml': 'port: 7272\nplugins: []' })
    const resolved = await resolveConfig({ env: { SLIPSTREAM_CONFIG: 'other.yaml' }, folder: place })
    expect(resolved.file).to.equal(`${place}/other.yaml`)
    expect(resolved.settings.port).to.equal(7272)
  })

  it('takes an empty variable for one that is not set', () => {
    expect(readEnvironment({ SLIPSTREAM_PORT: '', SLIPSTREAM_TAGS: ' ', URL_CONFIG: '' })).to.deep.equal({})
  })

  for (const [variable, text, expected] of WRONG) {
    it(`refuses ${variable}=${text} and says what it must be, without repeating it`, async () => {
      const { code, message } = await errorOf(() => readEnvironment({ [variable]: text }))
      expect(code).to.equal('SLP_CONFIG_ENV')
      expect(message).to.include(`${variable} `).and.include(expected).and.include('Correct or unset')
      expect(message.slice(message.indexOf(variable))).to.not.include(text.split(',')[1] ?? `"${text}"`)
    })
  }

  it('lists everything that is wrong at once', async () => {
    const { message } = await errorOf(() =>
      readEnvironment({ SLIPSTREAM_PORT: 'x', METRICS_PORT: 'y', URL_CONFIG: '?' }),
    )
    expect(message).to.include('SLIPSTREAM_PORT').and.include('METRICS_PORT').and.include('URL_CONFIG')
  })
})

describe('config: URL_CONFIG', () => {
  const peersOf = (value: unknown) => readEnvironment({ URL_CONFIG: base64(value) }).peers
  const refusal = (text: string) => errorOf(() => readEnvironment({ URL_CONFIG: text }))

  it('takes every field of the deployed system', () => {
    const peer = {
      url: 'wss://gcp.example.com:7070/',
      tags: ['gcp', 'production'],
      clusterGroupId: 'eu',
      instanceId: 'gcp-1',
      ca: '/ca.pem',
      cert: '/own.pem',
      key: '/own.key',
      rejectUnauthorized: false,
      token: 'secret',
    }
    expect(peersOf([peer])).to.deep.equal([peer])
  })

  it('takes base64 with line breaks and the alphabet of URLs', () => {
    const text = base64([{ url: 'ws://b:1/?x=ÿþ~~~' }])
    const wrapped = text.replaceAll(/.{20}/g, '$&\n').replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    expect(readEnvironment({ URL_CONFIG: wrapped }).peers).to.deep.equal([{ url: 'ws://b:1/?x=ÿþ~~~' }])
  })

  const cases: readonly [what: string, text: string, remedy: string][] = [
    ['plain JSON', '[{"url":"ws://b:1/","token":"s3cret"}]', 'encode it with base64 -w0'],
    ['what is not base64', 's3cret!!', 'It is not base64'],
    ['base64 of no JSON', Buffer.from('[{"token":"s3cret" oops').toString('base64'), 'not JSON'],
    ['bytes that are no UTF-8', Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]).toString('base64'), 'not JSON'],
    ['no array', base64({ url: 'ws://b:1/', token: 's3cret' }), 'not an array'],
    ['more than its length', 'A'.repeat(MAX_URL_CONFIG_LENGTH + 1), `at most ${MAX_URL_CONFIG_LENGTH} characters`],
    ['a peer without url', base64([{ token: 's3cret' }]), '/0/url is missing'],
    ['an unknown field', base64([{ url: 'ws://b:1/', tokem: 's3cret' }]), 'did you mean "token"?'],
    ['a wrong type', base64([{ url: 'ws://b:1/', token: 3 }]), '/0/token must be a token'],
    [
      'credentials in a URL',
      base64([{ url: 'ws://me:s3cret@b:1/' }]),
      '/0/url must be a URL such as wss://host:7070/ without credentials',
    ],
    ['what is no URL', base64([{ url: 's3cret' }]), '/0/url must be a URL'],
  ]
  for (const [what, text, remedy] of cases) {
    it(`refuses ${what}, says so, and keeps what it holds to itself`, async () => {
      const error = await refusal(text)
      expect(error.code).to.equal('SLP_CONFIG_ENV')
      expect(error.message).to.include('URL_CONFIG').and.include(remedy)
      expect(`${error.message} ${error.stack} ${String(error.cause)}`).to.not.include('s3cret')
    })
  }
})
