import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import {
  client,
  closeAll,
  closeLater,
  closing,
  dial,
  End,
  eventually,
  get,
  instance,
  listening,
  RecordingLog,
  refusal,
  rejection,
  transport,
} from './support.ts'

describe('websocket: introductions', () => {
  afterEach(closeAll)

  it('tells both ends who the other is', async () => {
    const self = instance({ tags: ['aws', 'eu west', 'zürich'], clusterGroupId: 'eu', announces: true, syncs: true })
    const other = instance({
      instanceId: 'gcp-1',
      tags: ['gcp', '日本'],
      clusterGroupId: 'asia',
      announces: true,
      syncs: true,
    })
    const listener = await listening({ self })
    const dialled = await dial(transport(), listener.url, other)
    expect(dialled.connection.remote).to.deep.equal(self)
    expect((await listener.next()).connection.remote).to.deep.equal(other)
  })

  it('asks for each connection anew what this end says of itself towards that one', async () => {
    const listener = transport()
    const introduce = (towards: string | undefined) => instance({ tags: ['for', towards ?? 'anybody'] })
    const url = await listener.listen(introduce, (connection) => new End(connection).listen())
    const tagsFor = async (instanceId: string | undefined) =>
      (await dial(transport(), url, instance({ instanceId }))).connection.remote.tags
    expect(await tagsFor('gcp-1')).to.deep.equal(['for', 'gcp-1'])
    expect(await refusal(url, '/', { 'sec-websocket-key': 'hostile' })).to.include({ status: 400 })
    expect(await tagsFor(undefined)).to.deep.equal(['for', 'anybody'])
  })

  const unnamed = { instanceId: undefined, role: 'client', tags: [], clusterGroupId: undefined, announces: false }
  const queries: [query: string, said: object][] = [
    ['', { ...unnamed, durable: false }],
    ['?durable=true', { ...unnamed, durable: false }],
    ['?instanceId=pi-aws-1', { ...unnamed, instanceId: 'pi-aws-1', durable: true }],
    ['?instanceId=pi-aws-1&durable=false', { ...unnamed, instanceId: 'pi-aws-1', durable: false }],
    ['?instanceId=a&role=instance&durable=false', { ...unnamed, instanceId: 'a', role: 'instance', durable: true }],
    ['?role=instance', { ...unnamed, role: 'instance', durable: false }],
    ['?tags=aws,production', { ...unnamed, tags: ['aws', 'production'], durable: false }],
    ['?tags=aws%2Cproduction', { ...unnamed, tags: ['aws', 'production'], durable: false }],
    ['?tags=aws&tags=production', { ...unnamed, tags: ['aws', 'production'], durable: false }],
    ['?tags=,aws,,aws,', { ...unnamed, tags: ['aws'], durable: false }],
    ['?hello=1&clusterGroupId=eu', { ...unnamed, clusterGroupId: 'eu', announces: true, durable: false }],
    ['?sync=1&hello=0', { ...unnamed, syncs: true, durable: false }],
    ['?unheard=of&instanceId=a.b_c:d-e', { ...unnamed, instanceId: 'a.b_c:d-e', durable: true }],
  ]
  for (const [query, said] of queries) {
    it(`understands "${query}"`, async () => {
      const { url, next } = await listening()
      await client(`${url}/${query}`)
      expect((await next()).connection.remote).to.deep.equal(said)
    })
  }

  it('takes a listener that says nothing and selects no subprotocol for an unnamed instance', async () => {
    const url = await deployed({ handleProtocols: () => false })
    const { connection } = await dial(transport(), url)
    expect(connection.remote).to.deep.equal(instance({ instanceId: undefined, durable: false }))
  })

  it('refuses a listener that introduces itself wrongly', async () => {
    const url = await deployed({}, 'Slipstream-Instance-Id: no spaces, please')
    const error = await rejection(dial(transport(), url))
    expect(error.code).to.equal('SLP_DIAL')
    expect(error.message).to.include('Slipstream-Instance-Id must be').and.not.include('please')
  })
})

describe('websocket: who is let in', () => {
  afterEach(closeAll)

  const tooLong = 'x'.repeat(129)
  const refused: [what: string, target: string, status: number, code: string][] = [
    ['another path', '/messages', 404, 'NOT_FOUND'],
    ['a path that is no URL', '//', 404, 'NOT_FOUND'],
    ['an absolute target', 'http://slipstream/', 404, 'NOT_FOUND'],
    ['an empty name', '/?instanceId=', 400, 'INVALID_HANDSHAKE'],
    ['a name with a space', '/?instanceId=hostile%20name', 400, 'INVALID_HANDSHAKE'],
    ['a name with a line break', '/?instanceId=hostile%0A', 400, 'INVALID_HANDSHAKE'],
    ['the name of the instance itself as recipient', '/?instanceId=@self', 400, 'INVALID_HANDSHAKE'],
    ['a name that is too long', `/?instanceId=${tooLong}`, 400, 'INVALID_HANDSHAKE'],
    ['two names', '/?instanceId=hostile&instanceId=b', 400, 'INVALID_HANDSHAKE'],
    ['a group that is no name', '/?clusterGroupId=hostile/', 400, 'INVALID_HANDSHAKE'],
    ['an unknown role', '/?role=hostile', 400, 'INVALID_HANDSHAKE'],
    ['two roles', '/?role=client&role=instance', 400, 'INVALID_HANDSHAKE'],
    ['neither true nor false', '/?durable=hostile', 400, 'INVALID_HANDSHAKE'],
    ['a tag that is too long', `/?tags=${'x'.repeat(65)}`, 400, 'INVALID_HANDSHAKE'],
    ['a tag with a control character', '/?tags=hostile%00', 400, 'INVALID_HANDSHAKE'],
    ['a client with too many tags', `/?tags=${tagsOf(33)}`, 400, 'INVALID_HANDSHAKE'],
    ['an instance with too many tags', `/?role=instance&tags=${tagsOf(129)}`, 400, 'INVALID_HANDSHAKE'],
    ['headers that are too large', `/?tags=${'x'.repeat(9_000)}`, 431, 'INVALID_REQUEST'],
  ]
  for (const [what, target, status, code] of refused) {
    it(`refuses ${what} with ${status}`, async () => {
      const { url, ends } = await listening()
      const answer = await refusal(url, target)
      expect(answer.status).to.equal(status)
      expect(JSON.parse(answer.body)).to.have.all.keys('code', 'reason').and.to.include({ code })
      expect(answer.body).to.not.match(/hostile|xxx/)
      expect(ends).to.deep.equal([])
    })
  }

  it('lets in who is just within the limits', async () => {
    const { url, next } = await listening()
    await client(`${url}/?instanceId=${'x'.repeat(128)}&tags=${tagsOf(32)}`)
    expect((await next()).connection.remote.tags).to.have.length(32)
    await client(`${url}/?role=instance&tags=${tagsOf(128)}&clusterGroupId=${'x'.repeat(128)}`)
    expect((await next()).connection.remote.tags).to.have.length(128)
  })

  it('refuses what is no WebSocket', async () => {
    const { url } = await listening()
    expect(await get(url, '/')).to.include({ status: 426 })
    expect(await get(url, '/metrics')).to.include({ status: 404 })
    expect(await refusal(url, '/', { 'sec-websocket-key': 'hostile' })).to.include({ status: 400 })
    expect(await refusal(url, '/', { 'sec-websocket-version': '7' })).to.include({ status: 400 })
  })

  it('refuses pages in browsers, unless their origin is listed', async () => {
    const { url } = await listening({ options: { allowedOrigins: ['https://console.example'] } })
    for (const origin of ['https://evil.example', 'http://127.0.0.1', 'null', '']) {
      expect(await refusal(url, '/', { origin }), origin).to.include({ status: 403 })
    }
    await client(url, [], { origin: 'https://console.example' })
  })

  it('selects slipstream.v1 among the subprotocols offered, and refuses who offers only others', async () => {
    const { url } = await listening()
    expect((await client(url)).protocol).to.equal('')
    expect((await client(url, ['slipstream.v1'])).protocol).to.equal('slipstream.v1')
    expect((await client(url, ['mqtt', 'slipstream.v1'])).protocol).to.equal('slipstream.v1')
    const answer = await refusal(url, '/', { 'sec-websocket-protocol': 'hostile, slipstream.v9' })
    expect(answer.status).to.equal(400)
    expect(answer.body).to.include('slipstream.v1').and.not.include('hostile')
  })

  it('selects the first subprotocol offered that is spoken here', async () => {
    const { url, next } = await listening()
    for (const [offered, chosen, level] of [
      [['slipstream.v2', 'slipstream.v1'], 'slipstream.v2', 'linked'],
      [['slipstream.v1', 'slipstream.v2'], 'slipstream.v1', 'plain'],
      [['slipstream.v9', 'slipstream.v2'], 'slipstream.v2', 'linked'],
      [[], '', 'plain'],
    ] as const) {
      expect((await client(url, [...offered])).protocol).to.equal(chosen)
      expect((await next()).connection.level).to.equal(level)
    }
  })

  it('speaks the best level that both ends speak, and tells both ends which', async () => {
    const [plain, linked] = [['slipstream.v1'], ['slipstream.v2']]
    const both = [...linked, ...plain]
    for (const [here, there, level] of [
      [both, both, 'linked'],
      [both, plain, 'plain'],
      [plain, both, 'plain'],
      [linked, both, 'linked'],
      [both, linked, 'linked'],
    ] as const) {
      const { url, next } = await listening({ options: { protocols: there } })
      const dialled = await dial(transport({ options: { protocols: here } }), url)
      expect([dialled.connection.level, (await next()).connection.level]).to.deep.equal([level, level])
    }
    const { url } = await listening({ options: { protocols: linked } })
    expect((await rejection(dial(transport({ options: { protocols: plain } }), url))).code).to.equal('SLP_DIAL')
    expect((await refusal(url, '/')).body)
      .to.include('slipstream.v2')
      .and.not.include('none')
  })

  it('speaks plainly with a listener that picks the first subprotocol unread', async () => {
    const server = new WebSocketServer({ port: 0 })
    closeLater(() => server.close())
    await once(server, 'listening')
    const dialled = await dial(transport(), `ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    expect(dialled.connection.level).to.equal('plain')
    expect([...server.clients][0]?.protocol).to.equal('slipstream.v2')
  })

  it('lets frames of a megabyte in on the linked level, and of little more than a message on the plain one', async () => {
    const { url, next } = await listening()
    for (const [protocol, bytes] of [
      ['slipstream.v2', 1024 * 1024],
      ['slipstream.v1', 272 * 1024],
    ] as const) {
      const socket = await client(url, [protocol])
      const accepted = await next()
      socket.send('x'.repeat(bytes))
      await eventually(() => accepted.frames.length === 1)
      socket.send('x'.repeat(bytes + 1))
      expect(await closing(socket)).to.include({ code: 1009 })
    }
  })

  it('refuses the one too many with 503, until a place is free', async () => {
    const { url } = await listening({ options: { maxConnections: 1 } })
    const first = await client(url)
    expect(await refusal(url, '/')).to.deep.equal({
      status: 503,
      body: '{"code":"BUSY","reason":"maxConnections is reached"}',
    })
    first.close()
    await once(first, 'close')
    await client(url)
  })

  it('presents the token of a peer as bearer, and never logs a secret', async () => {
    const log = new RecordingLog()
    const { url } = await listening({ log })
    const heard: (string | undefined)[] = []
    const deployedUrl = await deployed({
      verifyClient: ({ req }: { req: { headers: { authorization?: string } } }) => {
        heard.push(req.headers.authorization)
        return true
      },
    })
    await dial(transport({ log }), { url: deployedUrl, token: 's3cret' })
    expect(heard).to.deep.equal(['Bearer s3cret'])
    await refusal(url, '/?token=s3cret&role=s3cret', { authorization: 'Bearer s3cret', origin: 'https://s3cret' })
    await refusal(url, '/s3cret')
    const [, port] = url.split('://127.0.0.1:')
    const nowhere = `ws://name:s3cret@127.0.0.1:${port}/nowhere?token=s3cret`
    const error = await rejection(dial(transport({ log }), { url: nowhere, token: 's3cret' }))
    expect(error.message).to.include('HTTP 404').and.not.include('s3cret')
    expect(log.text).to.include('connection refused').and.not.include('s3cret')
  })
})

function tagsOf(count: number): string {
  return Array.from({ length: count }, (_, n) => `tag-${n}`).join(',')
}

/** A listener that is not ours, such as a system of the first generation; resolves to its URL. */
async function deployed(options: object, header?: string): Promise<string> {
  const http = createServer()
  const sockets = new WebSocketServer({ server: http, ...options })
  if (header !== undefined) sockets.on('headers', (headers) => headers.push(header))
  closeLater(() => {
    for (const socket of sockets.clients) socket.terminate()
    http.close()
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
}
