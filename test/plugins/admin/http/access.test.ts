import { networkInterfaces } from 'node:os'
import { expect } from 'chai'
import type { Plugin } from '../../../../core/index.ts'
import { skip } from '../../../support/services.ts'
import { closeAll, makeBus, type Running, rejection, startBus, temporaryFile } from '../support.ts'

const TOKEN = 'f'.repeat(32)
const JSON_TYPE = { 'content-type': 'application/json' }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** One path of each access. */
function paths(): Plugin {
  return {
    name: 'paths',
    requires: ['http'],
    apply(kernel) {
      const { route } = kernel.use('http')
      route('GET', '/public', { access: 'public' }, () => ({ body: 'for everyone' }))
      route('GET', '/read', { access: 'read' }, () => ({ body: 'looked at' }))
      route('PUT', '/write', { access: 'write' }, () => ({ body: 'changed' }))
    },
  }
}

interface Row {
  readonly who: string
  readonly headers?: Readonly<Record<string, string>>
  readonly public: number
  readonly read: number
  readonly write: number
}

const withoutToken: readonly Row[] = [
  { who: 'this machine', headers: JSON_TYPE, public: 200, read: 200, write: 200 },
  { who: 'this machine without a content type', public: 200, read: 200, write: 415 },
  { who: 'a form', headers: { 'content-type': 'text/plain' }, public: 200, read: 200, write: 415 },
  {
    who: 'JSON with a charset',
    headers: { 'content-type': 'application/json; charset=utf-8' },
    public: 200,
    read: 200,
    write: 200,
  },
  { who: 'localhost', headers: { ...JSON_TYPE, host: 'localhost:8080' }, public: 200, read: 200, write: 200 },
  { who: '[::1]', headers: { ...JSON_TYPE, host: '[::1]:8080' }, public: 200, read: 200, write: 200 },
  { who: 'a rebound name', headers: { ...JSON_TYPE, host: 'evil.example' }, public: 200, read: 403, write: 403 },
  {
    who: 'a name that begins with loopback',
    headers: { ...JSON_TYPE, host: '127.0.0.1.evil.example' },
    public: 200,
    read: 403,
    write: 403,
  },
  { who: 'a Host that is no name', headers: { ...JSON_TYPE, host: 'a b' }, public: 200, read: 403, write: 403 },
  {
    who: 'a page of another site',
    headers: { ...JSON_TYPE, origin: 'https://evil.example' },
    public: 200,
    read: 403,
    write: 403,
  },
  { who: 'a page without an origin', headers: { ...JSON_TYPE, origin: 'null' }, public: 200, read: 403, write: 403 },
  {
    who: 'a page of another port',
    headers: { ...JSON_TYPE, host: 'localhost:8080', origin: 'http://localhost:3000' },
    public: 200,
    read: 403,
    write: 403,
  },
  {
    who: 'its own page',
    headers: { ...JSON_TYPE, host: 'localhost:8080', origin: 'http://localhost:8080' },
    public: 200,
    read: 200,
    write: 200,
  },
  {
    who: 'somebody behind a proxy',
    headers: { ...JSON_TYPE, 'x-forwarded-for': '203.0.113.7' },
    public: 200,
    read: 403,
    write: 403,
  },
]

const withToken: readonly Row[] = [
  { who: 'nobody in particular', headers: JSON_TYPE, public: 200, read: 401, write: 401 },
  { who: 'the holder', headers: { ...JSON_TYPE, ...bearer(TOKEN) }, public: 200, read: 200, write: 200 },
  { who: 'the holder without JSON', headers: bearer(TOKEN), public: 200, read: 200, write: 415 },
  {
    who: 'the holder, elsewhere',
    headers: { ...JSON_TYPE, ...bearer(TOKEN), host: 'bus.example', origin: 'https://pages.example' },
    public: 200,
    read: 200,
    write: 200,
  },
  {
    who: 'the holder who writes bearer small',
    headers: { ...JSON_TYPE, authorization: `bearer ${TOKEN}` },
    public: 200,
    read: 200,
    write: 200,
  },
  { who: 'another token', headers: { ...JSON_TYPE, ...bearer('e'.repeat(32)) }, public: 200, read: 401, write: 401 },
  { who: 'half the token', headers: { ...JSON_TYPE, ...bearer('f'.repeat(16)) }, public: 200, read: 401, write: 401 },
  { who: 'an empty token', headers: { ...JSON_TYPE, authorization: 'Bearer ' }, public: 200, read: 401, write: 401 },
  {
    who: 'another scheme',
    headers: { ...JSON_TYPE, authorization: `Basic ${TOKEN}` },
    public: 200,
    read: 401,
    write: 401,
  },
]

describe('who may ask over http', () => {
  after(closeAll)

  describe('without a token', () => check(withoutToken, () => startBus({ plugins: [paths()] })))

  describe('with a token', () =>
    check(withToken, async () => {
      const adminTokenFile = await temporaryFile(`${TOKEN}\n`)
      return startBus({ plugins: [paths()], settings: { adminTokenFile } })
    }))

  it('says how to present the token', async () => {
    const adminTokenFile = await temporaryFile(TOKEN)
    const { ask } = await startBus({ plugins: [paths()], settings: { adminTokenFile } })
    const { headers, body } = await ask('/read')
    expect(headers['www-authenticate']).to.equal('Bearer')
    expect(body).to.include({ code: 'UNAUTHENTICATED' })
    expect(body.message).to.contain('adminTokenFile')
  })

  describe('beyond loopback', () => {
    it('serves the public paths and refuses the others, with the remedy', async function () {
      const here = outerAddress() ?? skip(this, 'there is no address beyond loopback')
      const { address, ask } = await beyondLoopback(here)
      expect(address).to.contain(here)
      expect((await ask('/public')).status).to.equal(200)
      const { status, body } = await ask('/read', { headers: { host: 'localhost' } })
      expect(status).to.equal(403)
      expect(body.message).to.contain('adminTokenFile')
      expect((await ask('/write', { method: 'PUT', headers: { ...JSON_TYPE, host: 'localhost' } })).status).to.equal(
        403,
      )
    })

    it('serves the holder of the token', async function () {
      const here = outerAddress() ?? skip(this, 'there is no address beyond loopback')
      const { ask } = await beyondLoopback(here, await temporaryFile(TOKEN))
      expect((await ask('/read')).status).to.equal(401)
      expect((await ask('/read', { headers: bearer(TOKEN) })).status).to.equal(200)
    })
  })

  describe('a token file', () => {
    for (const [what, content, mode, problem] of [
      ['that others may read', TOKEN, 0o644, 'others than its owner'],
      ['that its group may read', TOKEN, 0o640, 'others than its owner'],
      ['with a short token', 'f'.repeat(31), 0o600, '31 bytes'],
      ['with blanks for a token', ' '.repeat(40), 0o600, '0 bytes'],
      ['that is no token at all', 'f'.repeat(5_000), 0o600, '5000 bytes'],
    ] as const) {
      it(`${what} keeps the bus from starting`, async () => {
        const adminTokenFile = await temporaryFile(content, mode)
        const error = await rejection(makeBus({ settings: { adminTokenFile } }).bus.start())
        expect(error).to.include({ code: 'SLP_TOKEN_FILE' })
        expect(error.message).to.contain(problem).and.to.contain('chmod 600')
        expect(error.message).not.to.contain(content)
      })
    }

    it('that is missing keeps the bus from starting', async () => {
      const adminTokenFile = `${await temporaryFile('')}-not`
      const error = await rejection(makeBus({ settings: { adminTokenFile } }).bus.start())
      expect(error).to.include({ code: 'SLP_TOKEN_FILE' })
    })
  })
})

/** Asks for each path as each of those who are in the table. */
function check(rows: readonly Row[], start: () => Promise<Running>): void {
  let running: Running
  before(async () => {
    running = await start()
  })
  for (const { who, headers = {}, ...expected } of rows) {
    it(`${who}: public ${expected.public}, read ${expected.read}, write ${expected.write}`, async () => {
      const asked = { public: 'GET', read: 'GET', write: 'PUT' } as const
      for (const [access, method] of Object.entries(asked) as ['public' | 'read' | 'write', string][]) {
        const { status } = await running.ask(`/${access}`, { method, headers })
        expect(status, access).to.equal(expected[access])
      }
    })
  }
}

function beyondLoopback(adminHost: string, adminTokenFile?: string): Promise<Running> {
  return startBus({ plugins: [paths()], settings: { adminHost, ...(adminTokenFile && { adminTokenFile }) } })
}

/** An address of this machine under which others reach it, if it has one. */
function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address
}
