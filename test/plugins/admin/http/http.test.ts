import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import type { Plugin } from '../../../../core/index.ts'
import { type Answer, type Handler, http, type Method } from '../../../../plugins/admin/http/index.ts'
import { RecordingLog } from '../../../core/support.ts'
import { addressOf, closeAll, makeBus, rejection, startBus } from '../support.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

/** A plugin that serves one path. */
function serving(
  method: Method,
  path: string,
  handler: Handler,
  access: 'public' | 'read' | 'write' = 'public',
): Plugin {
  return {
    name: `serving ${method} ${path}`,
    apply: (kernel) => kernel.use('http').route(method, path, { access }, handler),
  }
}

/** A path that takes a body and answers with it. */
const echo = () => serving('POST', '/echo', ({ body }) => ({ body: { echo: body ?? 'nothing' } }), 'write')

describe('http', () => {
  afterEach(closeAll)

  it('hands a handler the parameters and the query, and its answer goes out as JSON', async () => {
    const handler: Handler = ({ params, query }) => ({ status: 201, body: { id: params.id, dry: query.get('dry') } })
    const { ask } = await startBus({ plugins: [serving('GET', '/things/:id/parts', handler)] })
    const { status, headers, body } = await ask('/things/a%2Fb/parts?dry=yes&x=1')
    expect(status).to.equal(201)
    expect(headers).to.include({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(body).to.deep.equal({ id: 'a/b', dry: 'yes' })
  })

  it('hands a handler of a write the parsed body', async () => {
    const { ask } = await startBus({ plugins: [echo()] })
    const post = (body?: string) => ask('/echo', { method: 'POST', headers: JSON_TYPE, ...(body && { body }) })
    expect((await post('{"a":[1]}')).body).to.deep.equal({ echo: { a: [1] } })
    expect((await post()).body).to.deep.equal({ echo: 'nothing' })
  })

  it('sends text as the type that the handler says', async () => {
    const text = (): Answer => ({ text: 'täxt', contentType: 'text/plain; charset=utf-8' })
    const { ask } = await startBus({ plugins: [serving('GET', '/text', text)] })
    const answered = await ask('/text')
    expect(answered.text).to.equal('täxt')
    expect(answered.headers).to.include({ 'content-type': 'text/plain; charset=utf-8', 'content-length': '5' })
  })

  it('answers 204 when there is nothing to say, and HEAD without a body', async () => {
    const plugins = [serving('GET', '/nothing', () => ({})), serving('GET', '/thing', () => ({ body: 1 }))]
    const { ask } = await startBus({ plugins })
    expect((await ask('/nothing')).status).to.equal(204)
    expect(await ask('/thing', { method: 'HEAD' })).to.include({ status: 200, text: '' })
  })

  describe('answers what it cannot serve with a code and a message', () => {
    const fail: Handler = () => {
      throw new Error('the secret of the house')
    }
    const given = () => ({
      plugins: [echo(), serving('GET', '/things/:id', () => ({})), serving('GET', '/fail', fail)],
    })
    for (const [what, path, method, body, status, code] of [
      ['an unknown path', '/nowhere', 'GET', undefined, 404, 'NOT_FOUND'],
      ['a path that is too short', '/things', 'GET', undefined, 404, 'NOT_FOUND'],
      ['an empty parameter', '/things/', 'GET', undefined, 404, 'NOT_FOUND'],
      ['a path of slashes', '//', 'GET', undefined, 404, 'NOT_FOUND'],
      ['a name of every object', '/__proto__', 'GET', undefined, 404, 'NOT_FOUND'],
      ['another method', '/echo', 'GET', undefined, 405, 'METHOD_NOT_ALLOWED'],
      ['a method that nobody serves', '/echo', 'PATCH', '{}', 405, 'METHOD_NOT_ALLOWED'],
      ['broken percent-encoding', '/things/%zz', 'GET', undefined, 400, 'BAD_REQUEST'],
      ['broken JSON', '/echo', 'POST', '{"a":', 400, 'INVALID_JSON'],
      ['a body that is too large', '/echo', 'POST', `"${'x'.repeat(64 * 1024)}"`, 413, 'TOO_LARGE'],
      ['a body that is far too large', '/echo', 'POST', `"${'x'.repeat(1024 * 1024)}"`, 413, 'TOO_LARGE'],
      ['a handler that throws', '/fail', 'GET', undefined, 500, 'INTERNAL'],
    ] as const) {
      it(`${what}: ${status} ${code}`, async () => {
        const { ask } = await startBus(given())
        const answered = await ask(path, { method, headers: JSON_TYPE, ...(body && { body }) })
        expect(answered.status).to.equal(status)
        expect(answered.body).to.have.all.keys('code', 'message').and.include({ code })
        expect(answered.text).not.to.contain('secret').and.not.to.contain('"a"')
      })
    }

    it('names the methods that a path takes', async () => {
      const { ask } = await startBus(given())
      expect((await ask('/echo')).headers.allow).to.equal('POST')
      expect((await ask('/fail', { method: 'POST' })).headers.allow).to.equal('GET, HEAD')
    })

    it('takes a body of exactly 64 KiB', async () => {
      const { ask } = await startBus(given())
      const body = `"${'x'.repeat(64 * 1024 - 2)}"`
      expect((await ask('/echo', { method: 'POST', headers: JSON_TYPE, body })).status).to.equal(200)
    })

    it('tells the log why a handler failed', async () => {
      const log = new RecordingLog()
      const sink: Plugin = {
        name: 'sink',
        apply: (kernel) => kernel.logSink((level, event, fields) => log[level](event, fields)),
      }
      const { ask } = await startBus({ ...given(), first: [sink] })
      await ask('/fail')
      const failed = log.records.find(({ event }) => event === 'http request failed')
      expect(failed?.fields.reason).to.equal('the secret of the house')
    })
  })

  it('refuses headers of more than 8 KiB', async () => {
    const { ask } = await startBus()
    expect((await ask('/', { headers: { 'x-long': 'x'.repeat(9_000) } })).status).to.equal(431)
  })

  it('refuses two plugins that serve the same path', async () => {
    const plugins = [serving('GET', '/same', () => ({})), { ...serving('GET', '/same', () => ({})), name: 'another' }]
    const error = await rejection(makeBus({ plugins }).bus.start())
    expect(error).to.include({ code: 'SLP_ROUTE_TAKEN' })
    expect(error.message).to.contain('GET /same')
  })

  it('keeps the bus from starting when its port is taken, and says which', async () => {
    const { address } = await startBus()
    const { port } = new URL(address)
    const error = await rejection(makeBus({ settings: { adminPort: Number(port) } }).bus.start())
    expect(error).to.include({ code: 'SLP_LISTEN' })
    expect(error.message).to.contain(`127.0.0.1:${port}`)
  })

  it('listens on loopback, unless a setting says otherwise', async () => {
    const { address } = await startBus()
    expect(new URL(address).hostname).to.equal('127.0.0.1')
    const { bus, kernel } = makeBus({ settings: { adminHost: 'localhost' } })
    await bus.start()
    expect(addressOf(kernel())).to.match(/^http:\/\/localhost:\d+$/)
  })

  it('refuses options that it does not know', async () => {
    const { bus } = makeBus({ plugins: [{ ...http({ prot: 1 } as object), name: 'http-again' }] })
    expect(await rejection(bus.start())).to.include({ code: 'SLP_PLUGIN_OPTIONS' })
  })

  it('gives its port back when the bus stops, whoever is still connected', async () => {
    const { bus, address } = await startBus({ plugins: [serving('GET', '/', () => ({}))] })
    const port = Number(new URL(address).port)
    const agent = new Agent({ keepAlive: true })
    const [answer] = await once(request({ port, agent }).end(), 'response')
    answer.resume()
    const silent = connect(port)
    silent.on('error', () => {})
    await once(silent, 'connect')
    await bus.stop()
    agent.destroy()
    silent.destroy()
    const { bus: next } = makeBus({ settings: { adminPort: port } })
    await next.start()
  })

  it('gives its port back when something after it fails to start', async () => {
    let port = 0
    const failing: Plugin = {
      name: 'failing',
      apply(kernel) {
        kernel.hooks.start.tapPromise(async () => {
          port = Number(new URL(addressOf(kernel)).port)
          throw new Error('no')
        })
      },
    }
    await rejection(makeBus({ plugins: [failing] }).bus.start())
    expect(port).to.be.above(0)
    const { bus: next } = makeBus({ settings: { adminPort: port } })
    await next.start()
  })
})
