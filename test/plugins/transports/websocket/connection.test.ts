import { connect } from 'node:net'
import { expect } from 'chai'
import type { WebSocket } from 'ws'
import type { Connection } from '../../../../core/index.ts'
import { steppedTime } from '../../../support/stepped-time.ts'
import {
  client,
  closeAll,
  closeLater,
  closing,
  countingTimers,
  dial,
  End,
  eventually,
  hurried,
  instance,
  listening,
  transport,
} from './support.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n))

describe('websocket: frames', () => {
  afterEach(closeAll)

  it('go both ways, in order', async () => {
    const listener = await listening()
    const dialled = (await dial(transport(), listener.url)).listen()
    const accepted = await listener.next()
    for (const frame of numbers(1_000)) {
      dialled.connection.send(`to ${frame}`)
      accepted.connection.send(`fro ${frame}`)
    }
    await eventually(() => accepted.frames.length === 1_000 && dialled.frames.length === 1_000)
    expect(accepted.frames).to.deep.equal(numbers(1_000).map((frame) => `to ${frame}`))
    expect(dialled.frames).to.deep.equal(numbers(1_000).map((frame) => `fro ${frame}`))
  })

  it('come with their text unchanged and their size in bytes', async () => {
    const { url, next } = await listening({ silent: true })
    const seen: [text: string, bytes: number][] = []
    const other = await client(url)
    const { connection } = await next()
    connection.handle({ frame: (...frame) => seen.push(frame), closed: () => undefined })
    const sent = '{"value":9007199254740993,"name":"Zürich 🏔"}'
    other.send(sent)
    await eventually(() => seen.length === 1)
    expect(seen).to.deep.equal([[sent, Buffer.byteLength(sent)]])
  })

  it('are kept until somebody handles them, at the end that was dialled', async () => {
    const { url, next } = await listening({ silent: true })
    const { hostname, port } = new URL(url)
    const stream = connect(Number(port), hostname)
    closeLater(() => stream.destroy())
    // The handshake and the first frame in one packet: a masked text frame "hi".
    stream.write(
      'GET / HTTP/1.1\r\nHost: slipstream\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2xpcHN0cmVhbXNsaXBzdA==\r\n\r\n\x81\x82\0\0\0\0hi',
      'latin1',
    )
    const end = await next()
    await turns(20)
    end.listen()
    await eventually(() => end.frames.length === 1)
    expect(end.frames).to.deep.equal(['hi'])
  })

  it('are kept until somebody handles them, at the end that dialled', async () => {
    const accepting = transport()
    const address = await accepting.listen(
      () => instance(),
      (connection) => new End(connection).listen().connection.send('at once'),
    )
    const dialled = await dial(transport(), address)
    await turns(20)
    dialled.listen()
    await eventually(() => dialled.frames.length === 1)
    expect(dialled.frames).to.deep.equal(['at once'])
  })

  it('wait while reading is paused', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    end.connection.pause()
    other.send('later')
    await turns(20)
    expect(end.frames).to.deep.equal([])
    end.connection.resume()
    await eventually(() => end.frames.length === 1)
  })

  it('are counted while they wait for the end of the turn', async () => {
    const { url, next } = await listening()
    const received: string[] = []
    const other = await client(url)
    other.on('message', (data) => received.push(String(data)))
    const { connection } = await next()
    for (const frame of numbers(10)) connection.send(frame)
    expect(connection.bufferedBytes).to.be.greaterThan(9)
    await eventually(() => connection.bufferedBytes === 0 && received.length === 10)
  })

  it('are counted while the other end does not read, and all arrive when it does', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const { connection } = await next()
    other.pause()
    const sent = await fillUp(connection)
    expect(connection.bufferedBytes).to.be.greaterThan(1024 * 1024)
    let received = 0
    other.on('message', () => received++)
    other.resume()
    await eventually(() => received === sent && connection.bufferedBytes === 0)
  })

  it('of the lane control overtake what waits in this process; within a lane each keeps its place', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const { connection } = await next()
    other.pause()
    const bulk = await fillUp(connection)
    for (const frame of numbers(10)) connection.send(`answer ${frame}`, 'control')
    connection.send('last', 'bulk')
    const received: string[] = []
    other.on('message', (data) => received.push(String(data)))
    other.resume()
    await eventually(() => received.length === bulk + 11)
    const answersAt = received.indexOf('answer 0')
    // Of three megabytes that wait, 64 KiB and a frame are with the socket.
    expect(answersAt).to.be.within(1, bulk - 40)
    expect(received.slice(answersAt, answersAt + 10)).to.deep.equal(numbers(10).map((frame) => `answer ${frame}`))
    const order = received.filter((frame) => frame.startsWith('bulk')).map((frame) => Number(frame.slice(4, 10)))
    expect(order).to.deep.equal(numbers(bulk).map(Number))
    expect(received.at(-1)).to.equal('last')
  })

  it('that wait when this end closes still go out, and then the reason', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const { connection } = await next()
    other.pause()
    const sent = await fillUp(connection)
    let received = 0
    other.on('message', () => received++)
    connection.close(1001, 'going away')
    other.resume()
    expect(await closing(other)).to.deep.equal({ code: 1001, reason: 'going away' })
    expect(received).to.equal(sent)
  })

  it('that are sent after closing are dropped without an error', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const received: string[] = []
    other.on('message', (data) => received.push(String(data)))
    const end = await next()
    end.connection.send('before')
    end.connection.close(1001, 'going away')
    end.connection.send('after')
    await closing(other)
    end.connection.send('long after')
    expect(received).to.deep.equal(['before'])
    expect(end.connection.bufferedBytes).to.equal(0)
  })
})

describe('websocket: the end of a connection', () => {
  afterEach(closeAll)

  it('is told to both, once, with code and reason', async () => {
    const listener = await listening()
    const dialled = (await dial(transport(), listener.url)).listen()
    const accepted = await listener.next()
    accepted.connection.close(4009, 'replaced')
    accepted.connection.close(1001, 'twice does nothing')
    await eventually(() => accepted.closed !== undefined && dialled.closed !== undefined)
    expect(accepted.closed).to.deep.equal({ code: 4009, reason: 'replaced' })
    expect(dialled.closed).to.deep.equal({ code: 4009, reason: 'replaced' })
  })

  it('is told also to who handles it only afterwards', async () => {
    const { url, next } = await listening({ silent: true })
    const other = await client(url)
    const end = await next()
    other.terminate()
    end.connection.send('into the void')
    end.connection.close(1001, 'nobody there')
    await turns(20)
    end.listen()
    await eventually(() => end.closed !== undefined)
  })

  it('takes a reason of any length', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    end.connection.close(1008, 'ü'.repeat(100))
    expect(await closing(other)).to.deep.equal({ code: 1008, reason: 'ü'.repeat(61) })
  })

  it('comes although the other end does not answer, after a grace', async () => {
    const { url, next } = await listening({ runtime: hurried(50) })
    const other = await client(url)
    const end = await next()
    other.pause()
    end.connection.close(1001, 'going away')
    await eventually(() => end.closed !== undefined)
    expect(end.closed).to.deep.equal({ code: 1001, reason: 'going away' })
  })

  it('comes when reading is paused, too', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    end.connection.pause()
    end.connection.close(1013, 'try again later')
    expect(await closing(other)).to.deep.equal({ code: 1013, reason: 'try again later' })
    await eventually(() => end.closed !== undefined)
  })

  it('leaves no timer behind', async () => {
    const { runtime, pending } = countingTimers()
    const { url, next } = await listening({ runtime })
    const dialled = (await dial(transport({ runtime }), url)).listen()
    const accepted = await next()
    expect(pending()).to.equal(2)
    accepted.connection.close(1001, 'going away')
    await eventually(() => accepted.closed !== undefined && dialled.closed !== undefined)
    expect(pending()).to.equal(0)
  })

  const broken: [what: string, code: number, send: (socket: WebSocket) => void][] = [
    ['a binary frame', 1008, (socket) => socket.send(Buffer.from('{}'))],
    ['a frame beyond 272 KiB', 1009, (socket) => socket.send('x'.repeat(272 * 1024 + 1))],
    ['text that is not UTF-8', 1007, (socket) => socket.send(Buffer.from([0xff]), { binary: false })],
    ['more than 64 fragments', 1008, (socket) => sendFragments(socket, 65)],
  ]
  for (const [what, code, send] of broken) {
    it(`is ${code} after ${what}, and the others stay`, async () => {
      const { url, next } = await listening()
      const [faulty, bystander] = [await client(url), await client(url)]
      const [end, other] = [await next(), await next()]
      send(faulty)
      expect(await closing(faulty)).to.include({ code })
      await eventually(() => end.closed !== undefined)
      expect(end.frames).to.deep.equal([])
      bystander.send('still here')
      await eventually(() => other.frames.length === 1)
    })
  }

  it('does not come for a frame of 272 KiB', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    other.send('x'.repeat(272 * 1024))
    const end = await next()
    await eventually(() => end.frames.length === 1)
  })

  it('lets nothing through that came after a binary frame', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    other.send(Buffer.from('{}'))
    other.send('too late')
    const end = await next()
    await closing(other)
    expect(end.frames).to.deep.equal([])
  })
})

describe('websocket: bounds of what waits', () => {
  afterEach(closeAll)

  it('are 4 MiB of bulk: then the connection closes with 1013', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    other.pause()
    const frame = 'x'.repeat(64 * 1024)
    for (let sent = 0; sent < 200; sent++) end.connection.send(frame)
    other.resume()
    expect(await closing(other)).to.include({ code: 1013 })
  })

  it('are 1 MiB of answers: nothing is read from who does not read them, until half of them have left', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const end = await next()
    other.pause()
    const answer = 'a'.repeat(1024)
    const answerUntil = async (bytes: number) => {
      for (; end.connection.bufferedBytes < bytes; await turns(1)) end.connection.send(answer, 'control')
    }
    await answerUntil(1024 * 1024)
    other.send('read still')
    await eventually(() => end.frames.length === 1)
    await answerUntil(1024 * 1024 + 192 * 1024)
    other.send('read later')
    await turns(50)
    expect(end.frames).to.deep.equal(['read still'])
    other.resume()
    await eventually(() => end.frames.length === 2)
  })

  it('of pongs is one: the latest ping is answered when there is room', async () => {
    const { url, next } = await listening()
    const other = await client(url)
    const { connection } = await next()
    const pongs: string[] = []
    other.on('pong', (data) => pongs.push(String(data)))
    other.ping('at once')
    await eventually(() => pongs.length === 1)
    other.pause()
    await fillUp(connection)
    const before = connection.bufferedBytes
    for (const n of numbers(1_000)) other.ping(n)
    await turns(50)
    expect(connection.bufferedBytes).to.be.within(0, before)
    other.resume()
    await eventually(() => connection.bufferedBytes === 0)
    await eventually(() => pongs.length > 1)
    expect(pongs).to.deep.equal(['at once', '999'])
  })
})

describe('websocket: heartbeat', () => {
  afterEach(closeAll)

  it('ends a connection whose other end is silent for 30 s', async () => {
    const { url, next } = await listening({ runtime: hurried(100) })
    let pings = 0
    const other = await client(url, [], { autoPong: false })
    other.on('ping', () => pings++)
    const end = await next()
    await eventually(() => end.closed !== undefined)
    expect(end.closed).to.deep.equal({ code: 1006, reason: 'no sign of life for 30000 ms' })
    expect(pings).to.be.greaterThan(0)
  })

  it('keeps one that answers, or that only talks', async () => {
    const { url, next } = await listening({ options: { heartbeatMs: 20, deadAfterMs: 60 } })
    const answers = await client(url)
    const talks = await client(url, [], { autoPong: false })
    const [first, second] = [await next(), await next()]
    let pings = 0
    answers.on('ping', () => pings++)
    talks.on('ping', () => talks.send('alive'))
    await eventually(() => pings > 8)
    expect([first.closed, second.closed]).to.deep.equal([undefined, undefined])
  })

  it('keeps one that takes what it is sent, though its pong is far behind; not one that takes nothing', async () => {
    const { runtime, pass } = steppedTime()
    const { url, next } = await listening({ runtime })
    const other = await client(url, [], { autoPong: false })
    const end = await next()
    for (let round = 0; round < 4; round++) {
      other.pause()
      await fillUp(end.connection)
      await pass(20_000)
      other.resume()
      await eventually(() => end.connection.bufferedBytes === 0)
    }
    expect(end.closed).to.equal(undefined)
    other.pause()
    await fillUp(end.connection)
    await pass(30_000)
    await eventually(() => end.closed !== undefined)
    expect(end.closed).to.deep.equal({ code: 1006, reason: 'no sign of life for 30000 ms' })
  })

  it('does not blame the other end while this end has paused reading', async () => {
    const { url, next } = await listening({ options: { heartbeatMs: 20, deadAfterMs: 40 } })
    const other = await client(url)
    const end = await next()
    end.connection.pause()
    let pings = 0
    other.on('ping', () => pings++)
    await eventually(() => pings > 8)
    end.connection.resume()
    other.send('patient')
    await eventually(() => end.frames.length === 1)
    expect(end.closed).to.equal(undefined)
  })
})

const LARGE = 'x'.repeat(64 * 1024 - 16)

/** Sends large frames to somebody who does not read, until three megabytes wait in this process. Resolves to how many. */
async function fillUp(connection: Connection): Promise<number> {
  let sent = 0
  for (; connection.bufferedBytes < 3 * 1024 * 1024; await turns(2)) {
    if (sent === 1_000) throw new Error('nothing comes to wait')
    connection.send(`bulk${String(sent++).padStart(6, '0')}${LARGE}`)
  }
  return sent
}

function sendFragments(socket: WebSocket, count: number): void {
  for (const part of numbers(count)) socket.send(part, { fin: false })
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
