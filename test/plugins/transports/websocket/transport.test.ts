import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect } from 'chai'
import type { Kernel, Transport } from '../../../../core/index.ts'
import { defaultSettings, systemRuntime } from '../../../../core/index.ts'
import { problemOfDial } from '../../../../plugins/transports/websocket/dial.ts'
import { websocket } from '../../../../plugins/transports/websocket/index.ts'
import {
  client,
  closeAll,
  closeLater,
  closing,
  dial,
  eventually,
  hurried,
  instance,
  listening,
  RecordingLog,
  refusal,
  rejection,
  transport,
} from './support.ts'

describe('websocket: the plugin', () => {
  it('registers a transport for ws: and wss:', () => {
    const registered: Transport[] = []
    const kernel = {
      settings: defaultSettings,
      runtime: systemRuntime,
      log: new RecordingLog(),
      transport: (made: Transport) => registered.push(made),
    }
    websocket().apply(kernel as unknown as Kernel)
    expect(registered.map(({ name, protocols }) => ({ name, protocols }))).to.deep.equal([
      { name: 'websocket', protocols: ['ws:', 'wss:'] },
    ])
  })
})

describe('websocket: listening', () => {
  afterEach(closeAll)

  it('takes a port of its own and says where it can be dialled', async () => {
    const { url } = await listening({ options: { port: 0 } })
    expect(url).to.match(/^ws:\/\/127\.0\.0\.1:[1-9][0-9]*$/)
    await client(url)
  })

  it('holds settings above options', async () => {
    const { url } = await listening({
      settings: { host: 'localhost', port: 0 },
      options: { host: '127.0.0.1', port: 1 },
    })
    expect(url).to.match(/^ws:\/\/localhost:/)
  })

  it('names host and port when the port is taken', async () => {
    const { url } = await listening()
    const { host, port } = new URL(url)
    const error = await rejection(listening({ options: { port: Number(port) } }))
    expect(error.code).to.equal('SLP_LISTEN')
    expect(error.message).to.include(host).and.include('EADDRINUSE')
  })

  const hosts: [host: string, isLoopback: boolean][] = [
    ['127.0.0.1', true],
    ['127.8.8.8', true],
    ['localhost', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['127.evil.example', false],
    ['localhost.example', false],
    ['10.0.0.1', false],
  ]
  for (const [host, isLoopback] of hosts) {
    it(`${isLoopback ? 'allows' : 'refuses'} ${host} without TLS`, async () => {
      const attempt = transport({ settings: { host } }).listen(
        () => instance(),
        () => undefined,
      )
      if (!isLoopback) expect(await rejection(attempt)).to.include({ code: 'SLP_INSECURE' })
      // A machine without IPv6 has no ::1; nothing else may stand in the way.
      else expect(await attempt.catch((error) => error.code)).to.match(/^(ws:|SLP_LISTEN)/)
    })
  }

  it('listens for the whole network when that is allowed', async () => {
    const { url } = await listening({ settings: { host: '0.0.0.0', allowInsecure: true } })
    await client(url.replace('0.0.0.0', '127.0.0.1'))
  })

  it('survives what is no HTTP at all', async () => {
    const { url } = await listening()
    for (const garbage of ['\0\x01\x02', 'GET / HTTP/9.9\r\n\r\n', 'GET /\r\n', '\x16\x03\x01\x02\0\x01']) {
      const stream = tcp(url)
      stream.write(garbage, 'latin1')
      stream.end()
      stream.resume()
      await once(stream, 'close')
    }
    await client(url)
  })

  it('survives who resets the connection in the middle of it', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    const halfOpen = tcp(url)
    halfOpen.write('GET / HTTP/1.1\r\n')
    halfOpen.resetAndDestroy()
    const refused = tcp(url)
    refused.write('GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    refused.resetAndDestroy()
    other.send('still here')
    await eventually(() => end.frames.length === 1)
  })
})

describe('websocket: going away', () => {
  afterEach(closeAll)

  it('takes nobody new after stopListening, and keeps who is in', async () => {
    const listener = await listening()
    const halfOpen = tcp(listener.url)
    halfOpen.write('GET / HTTP/1.1\r\nHost: slipstream\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n')
    const other = await client(listener.url)
    await listener.next()
    await listener.transport.stopListening()
    expect((await rejection(refusal(listener.url, '/'))).message).to.include('ECONNREFUSED')
    halfOpen.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2xpcHN0cmVhbXNsaXBzdA==\r\n\r\n')
    const [answer] = await once(halfOpen, 'data')
    expect(String(answer)).to.include('503').and.include('going away')
    other.send('still here')
    await eventually(() => listener.ends[0]?.frames.length === 1)
  })

  it('closes every connection with 1001, dialled or accepted, and gives back the port', async () => {
    const listener = await listening()
    const elsewhere = await listening()
    const other = await client(listener.url)
    await dial(listener.transport, elsewhere.url)
    const [accepted, dialled] = [await listener.next(), await elsewhere.next()]
    const told = closing(other)
    await listener.transport.close()
    expect(await told).to.deep.equal({ code: 1001, reason: 'going away' })
    await eventually(() => dialled.closed !== undefined)
    expect(accepted.closed).to.include({ code: 1001 })
    expect(dialled.closed).to.include({ code: 1001 })
    await listening({ options: { port: Number(new URL(listener.url).port) } })
  })

  it('does not wait for who does not answer, nor for who has not introduced himself', async () => {
    const listener = await listening({ runtime: hurried(50) })
    const stalled = await client(listener.url)
    stalled.pause()
    const idle = tcp(listener.url)
    const ended = once(idle.resume(), 'close')
    await once(idle, 'connect')
    await listener.next()
    await listener.transport.close()
    await ended
  })

  it('may happen twice, and before anything was opened', async () => {
    const never = transport()
    await never.stopListening()
    await never.close()
    await never.close()
    expect(await rejection(dial(never, 'ws://127.0.0.1:1'))).to.include({ code: 'SLP_BUS_STATE' })
  })

  it('ends what is being dialled', async () => {
    const own = transport()
    const { url } = await mute()
    const attempt = rejection(dial(own, url))
    await own.close()
    expect(await attempt).to.include({ code: 'SLP_BUS_STATE' })
  })
})

describe('websocket: dialling', () => {
  afterEach(closeAll)

  it('says why nobody answered', async () => {
    const { url, transport: gone } = await listening()
    await gone.close()
    for (const dialled of [url, url.replace('127.0.0.1', 'localhost')]) {
      const error = await rejection(dial(transport(), dialled))
      expect(error.code).to.equal('SLP_DIAL')
      expect(error.message).to.include(dialled).and.include('ECONNREFUSED')
    }
  })

  it('says why none of several addresses answered', () => {
    const refused = [new Error('connect ECONNREFUSED ::1:7070'), new Error('connect ECONNREFUSED 127.0.0.1:7070')]
    expect(problemOfDial(new AggregateError(refused))).to.equal('connect ECONNREFUSED ::1:7070')
  })

  it("repeats the other end's status and reason", async () => {
    const { url } = await listening()
    const error = await rejection(dial(transport(), url, instance({ tags: ['x'.repeat(65)] })))
    expect(error.code).to.equal('SLP_DIAL')
    expect(error.message).to.include('HTTP 400').and.include('each tag must be')
  })

  it('repeats the status alone when the reason is not in JSON, or too long', async () => {
    for (const body of ['<h1>Bad gateway</h1>', '"text"', JSON.stringify({ reason: 'x'.repeat(9_000) })]) {
      const answer = `HTTP/1.1 502 Bad Gateway\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
      const { url } = await mute((stream) => stream.end(answer))
      const { message } = await rejection(dial(transport(), url))
      expect(message).to.include('it answered HTTP 502.')
    }
  })

  it('stops when it is aborted, and hangs up', async () => {
    const { url, streams } = await mute()
    const abort = new AbortController()
    const attempt = rejection(dial(transport(), url, instance(), abort.signal))
    await eventually(() => streams.length === 1)
    abort.abort(new Error('changed my mind'))
    expect((await attempt).message).to.equal('changed my mind')
    await eventually(() => streams[0]?.destroyed === true)
    expect((await rejection(dial(transport(), url, instance(), abort.signal))).message).to.equal('changed my mind')
    expect(streams).to.have.length(1)
  })

  const trickle = 'HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n'
  for (const [what, said] of Object.entries({ 'says nothing': '', 'never finishes its answer': trickle })) {
    it(`gives up on a listener that ${what}`, async () => {
      const { url, streams } = await mute((stream) => stream.write(said))
      const error = await rejection(dial(transport({ runtime: hurried(50) }), url))
      expect(error.message).to.include('no WebSocket within 5000 ms')
      await eventually(() => streams[0]?.destroyed === true)
    })
  }

  const exposed = ['ws://10.0.0.1:7070', 'ws://slipstream.example', 'ws://127.evil.example', 'ws://[2001:db8::1]:7070']
  for (const url of exposed) {
    it(`refuses ${url}, which is not encrypted`, async () => {
      expect(await rejection(dial(transport(), url))).to.include({ code: 'SLP_INSECURE' })
    })
  }

  it('refuses to accept any certificate beyond loopback', async () => {
    const peer = { url: 'wss://slipstream.example', rejectUnauthorized: false }
    expect(await rejection(dial(transport(), peer))).to.include({ code: 'SLP_INSECURE' })
  })

  it('dials anybody when that is allowed', async () => {
    const abort = new AbortController()
    const own = transport({ settings: { allowInsecure: true } })
    const attempt = rejection(dial(own, 'ws://192.0.2.1:7070', instance(), abort.signal))
    abort.abort(new Error('it was tried'))
    expect((await attempt).message).to.equal('it was tried')
  })
})

function tcp(url: string): Socket {
  const { hostname, port } = new URL(url)
  const stream = connect(Number(port), hostname)
  stream.on('error', () => undefined)
  closeLater(() => stream.destroy())
  return stream
}

/** A TCP server that says nothing of its own accord. */
async function mute(answer: (stream: Socket) => unknown = () => undefined) {
  const streams: Socket[] = []
  const server = createServer((stream) => {
    streams.push(stream)
    stream.on('error', () => undefined)
    stream.once('data', () => answer(stream))
  })
  closeLater(() => {
    for (const stream of streams) stream.destroy()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `ws://127.0.0.1:${address.port}`, streams }
}
