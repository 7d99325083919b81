import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import type { PeerSettings } from '../../../../core/index.ts'
import type { TlsSettings } from '../../../../plugins/transports/websocket/index.ts'
import { type Certificates, makeCertificates } from '../../../support/certificates.ts'
import { closeAll, closeLater, dial, eventually, instance, listening, rejection, transport } from './support.ts'

describe('websocket: TLS', () => {
  let made: Certificates

  before(async () => {
    made = await makeCertificates()
  })
  after(() => made.remove())
  afterEach(closeAll)

  const secure = (tls: TlsSettings = made.server) => listening({ settings: { tls } })

  it('carries frames both ways, and introductions', async () => {
    const self = instance({ tags: ['aws'], announces: true })
    const listener = await listening({ settings: { tls: made.server }, self })
    expect(listener.url).to.match(/^wss:/)
    const dialled = (await dial(transport(), { url: listener.url, ca: made.ca })).listen()
    const accepted = await listener.next()
    expect(dialled.connection.remote).to.deep.equal(self)
    for (let n = 0; n < 100; n++) dialled.connection.send(`${n}`)
    accepted.connection.send('back')
    await eventually(() => accepted.frames.length === 100 && dialled.frames.length === 1)
    expect(accepted.frames[99]).to.equal('99')
    expect(dialled.frames).to.deep.equal(['back'])
  })

  it('takes PEM text as well as paths', async () => {
    const [cert, key, ca] = await Promise.all(
      [made.server.cert, made.server.key, made.ca].map((p) => readFile(p, 'utf8')),
    )
    if (cert === undefined || key === undefined || ca === undefined) throw new Error('no certificates')
    const { url } = await secure({ cert, key })
    await dial(transport(), { url, ca })
  })

  it('accepts whoever shows a certificate of the authority, when one is asked for', async () => {
    const { url, next } = await secure({ ...made.server, ca: made.ca })
    const dialled = (await dial(transport(), { url, ca: made.ca, ...made.client })).listen()
    ;(await next()).connection.send('welcome')
    await eventually(() => dialled.frames.length === 1)
  })

  const rejected: [what: string, tls: () => TlsSettings, peer: () => Partial<PeerSettings>, reason: RegExp][] = [
    ['an authority it does not know', () => made.server, () => ({}), /self-signed|unable to (get|verify)/],
    ['another authority', () => made.server, () => ({ ca: made.otherCa }), /self-signed|unable to (get|verify)/],
    ['a certificate for another name', () => made.elsewhere, () => ({ ca: made.ca }), /altnames/],
    ['a certificate that ran out', () => made.expired, () => ({ ca: made.ca }), /expired/],
    [
      'a peer without the certificate asked for',
      withCa,
      () => ({ ca: made.ca }),
      /certificate required|ECONNRESET|hang up|EPIPE/,
    ],
    [
      "a peer with a stranger's certificate",
      withCa,
      () => ({ ca: made.ca, ...made.stranger }),
      /unknown ca|ECONNRESET|hang up|EPIPE/,
    ],
    [
      'a peer whose certificate ran out',
      withCa,
      () => ({ ca: made.ca, ...made.expired }),
      /expired|ECONNRESET|hang up|EPIPE/,
    ],
  ]
  for (const [what, tls, peer, reason] of rejected) {
    it(`rejects ${what}`, async () => {
      const { url, ends } = await secure(tls())
      const error = await rejection(dial(transport(), { url, ...peer() }))
      expect(error.code).to.equal('SLP_DIAL')
      expect(error.message).to.match(reason)
      expect(ends).to.deep.equal([])
    })
  }

  it('accepts any certificate on loopback when it is told to', async () => {
    const { url } = await secure(made.expired)
    await dial(transport(), { url, rejectUnauthorized: false })
  })

  it('does not let the environment switch checking off', async () => {
    const { url } = await secure()
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
    const { emitWarning } = process
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    process.emitWarning = () => undefined
    try {
      expect(await rejection(dial(transport(), { url, ca: made.otherCa }))).to.include({ code: 'SLP_DIAL' })
    } finally {
      process.emitWarning = emitWarning
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    }
  })

  it('listens beyond loopback', async () => {
    const { url } = await listening({ settings: { host: '0.0.0.0', tls: made.server } })
    await dial(transport(), { url: url.replace('0.0.0.0', '127.0.0.1'), ca: made.ca })
  })

  it('speaks TLS 1.2 at least', async () => {
    const { url } = await secure()
    const error = await new Promise<Error>((resolve, reject) => {
      const options = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
      const stream = connectTls({ port: Number(new URL(url).port), rejectUnauthorized: false, ...options })
      closeLater(() => stream.destroy())
      stream.once('error', resolve).once('secureConnect', () => reject(new Error('was let in')))
    })
    expect(error.message).to.match(/version|ECONNRESET/)
  })

  it('survives who speaks no TLS, and who is in the middle of it when it closes', async () => {
    const listener = await secure()
    const { hostname, port } = new URL(listener.url)
    for (const said of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01']) {
      const stream = connect(Number(port), hostname)
      stream.on('error', () => undefined)
      closeLater(() => stream.destroy())
      stream.write(said, 'latin1')
    }
    ;(await dial(transport(), { url: listener.url, ca: made.ca })).listen()
    await listener.transport.close()
  })

  const unusable: [what: string, tls: () => TlsSettings][] = [
    ['a certificate that is not there', () => ({ ...made.server, cert: '/nowhere/s3cret.pem' })],
    ['a key that is neither PEM nor a path', () => ({ ...made.server, key: 's3cret'.repeat(9) })],
    ['a key of another certificate', () => ({ ...made.server, key: made.client.key })],
    [
      'PEM that is broken',
      () => ({ ...made.server, cert: '-----BEGIN CERTIFICATE-----\ns3cret\n-----END CERTIFICATE-----' }),
    ],
  ]
  for (const [what, tls] of unusable) {
    it(`names what is wrong with ${what}, without repeating it`, async () => {
      for (const attempt of [secure(tls()), dial(transport(), { url: 'wss://127.0.0.1:1', ...tls() })]) {
        const error = await rejection(attempt)
        expect(error.code).to.equal('SLP_TLS')
        expect(`${error.message} ${error.cause}`)
          .to.match(/cert|key/)
          .and.not.match(/s3cret/)
      }
    })
  }

  function withCa(): TlsSettings {
    return { ...made.server, ca: made.ca }
  }
})
