import { expect } from 'chai'
import type { ClientOptions } from '../../../core/client/index.ts'
import { MAX_CLOCK_AHEAD_MS } from '../../../core/hybrid-clock.ts'
import { Desk, type FakeSocket, turn } from './support.ts'

/** Lines that went to the socket from `since` on, those of introductions left out. */
const lines = (socket: FakeSocket, since = 0) =>
  socket.texts
    .slice(since)
    .flatMap((frame) => frame.split('\n'))
    .filter((line) => !/^[HPC] |SUBSCRIBE/.test(line))

describe('the linked level of a client', () => {
  let desk: Desk
  beforeEach(() => {
    desk = new Desk()
  })

  /** A client whose instance has chosen the linked level, and has said hello. */
  const linked = (options: ClientOptions = { name: 'shop' }, says: readonly string[] = []) => {
    const client = desk.connect('ws://one', options)
    return { client, socket: greet(says) }
  }

  const greet = (says: readonly string[] = []) => {
    const { socket } = desk
    socket.protocol = 'slipstream.v2'
    socket.open()
    socket.say(['H {"instanceId":"aws-1","role":"instance"}', `P ${desk.runtime.now()} 0`, ...says].join('\n'))
    flush()
    return socket
  }

  /** Ends the turn. */
  const flush = () => desk.runtime.advance(0)

  it('is asked for first, and introduces itself with its name and token', () => {
    const { socket } = linked({ name: 'shop', token: 'secret' })
    expect(socket.protocols).to.deep.equal(['slipstream.v2', 'slipstream.v1'])
    const [hello, pulse, credit] = socket.texts[0]?.split('\n') ?? []
    expect(JSON.parse(hello?.slice(2) ?? '')).to.deep.equal({ role: 'client', instanceId: 'shop', token: 'secret' })
    expect(pulse).to.equal(`P ${desk.runtime.now()} 0`)
    expect(credit).to.equal('C 256 1048576')
  })

  it('sends what is published in one turn in one frame, and takes answers by number', async () => {
    const { client, socket } = linked()
    const since = socket.texts.length
    const receipts = ['a', 'b', 'c'].map((key) => client.set(key, 1))
    flush()
    expect(socket.texts).to.have.length(since + 1)
    expect(lines(socket, since).map((line) => line.slice(0, 11))).to.deep.equal([
      ...['M1  {"type"', 'M2  {"type"', 'M3  {"type"'],
    ])
    socket.say('A 1/2,3/0d')
    socket.say('A 2/1')
    const [a, b, c] = await Promise.all(receipts)
    expect(a).to.include({ status: 'stored', recipients: 2, instanceId: 'aws-1' })
    expect(b).to.include({ status: 'stored', recipients: 1 })
    expect(c).to.include({ status: 'duplicate', recipients: 0 })
  })

  it('sends again, under a new number, what is refused for the moment', async () => {
    const { client, socket } = linked()
    const receipt = client.set('k', 1)
    flush()
    socket.say('N 1 BUSY +1000 more comes in than the store can take')
    desk.runtime.advance(1_500)
    const sent = lines(socket).map((line) => line.split(' ')[0])
    expect(sent).to.deep.equal(['M1', 'M2'])
    socket.say('A 2/0')
    expect((await receipt).status).to.equal('stored')
  })

  it('has no more under way than it is given credit for', () => {
    const { client, socket } = linked({}, ['C 2 1048576'])
    for (let n = 0; n < 5; n++) void client.set('k', n)
    flush()
    expect(lines(socket)).to.have.length(2)
    socket.say('A 1/0')
    flush()
    expect(lines(socket)).to.have.length(3)
    socket.say('C 3 1048576')
    flush()
    expect(lines(socket)).to.have.length(4)
    socket.say('C 0 0\nA 2-4/0')
    flush()
    expect(lines(socket)).to.have.length(4)
    socket.say('C 64 10')
    flush()
    expect(lines(socket), 'one message always may').to.have.length(5)
  })

  it('counts bytes as well', () => {
    const { client, socket } = linked({}, ['C 64 1000'])
    for (let n = 0; n < 5; n++) void client.set('k', 'x'.repeat(500))
    flush()
    expect(lines(socket)).to.have.length(2)
  })

  it('asks without a number, and reads the answer', async () => {
    const { client, socket } = linked()
    const reading = client.get('k')
    flush()
    const [line = ''] = lines(socket)
    expect(line).to.match(/^M0 {2}\{"type":"GK"/)
    const { messageId } = JSON.parse(line.slice(4)) as { messageId: string }
    socket.say(`M0 aws-1 {"type":"REPLY","correlationId":"${messageId}","value":9007199254740993}`)
    expect((await reading).text).to.equal('9007199254740993')
  })

  it('answers what it handled with as few numbers as possible', async () => {
    const { client, socket } = linked()
    client.subscribe({ types: ['SK'] }, ({ key }) => {
      if (key === 'bad') throw new Error('no')
    })
    flush()
    const since = socket.texts.length
    const message = (n: number, key = 'k') =>
      `M${n} p,aws-1 {"type":"SK","messageId":"m-${n}","key":"${key}","value":1}`
    socket.say([message(1), message(2), message(3, 'bad'), message(4), message(5)].join('\n'))
    for (let turns = 0; turns < 10; turns++) await turn()
    flush()
    expect(lines(socket, since)).to.deep.equal(['A 1-2,4-5', 'N 3 INTERNAL + the handler of the application failed'])
  })

  it('never answers under a number of another connection', async () => {
    const { client, socket } = linked()
    const loop = client.subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    socket.say('M1 aws-1 {"type":"SK","messageId":"old","key":"k","value":1}')
    const { value } = await loop.next()
    socket.drop()
    while (desk.socket === socket) desk.runtime.advance(10)
    const next = greet()
    next.say('M1 aws-1 {"type":"SK","messageId":"new","key":"k","value":1}')
    value?.ack()
    flush()
    expect(lines(next)).to.deep.equal([])
    next.say('M2 aws-1 {"type":"SK","messageId":"old","key":"k","value":1}')
    flush()
    expect(lines(next)).to.deep.equal(['A 2'])
  })

  it('gives back under a number of this connection only', async () => {
    const { client, socket } = linked()
    client.subscribe({}, { acknowledge: 'manual' })
    for (const n of [1, 2, 3]) socket.say(`M${n} aws-1 {"type":"SK","messageId":"m-${n}","key":"k","value":1}`)
    socket.drop()
    while (desk.socket === socket) desk.runtime.advance(10)
    const next = greet()
    next.say('M1 aws-1 {"type":"SK","messageId":"m-1","key":"k","value":1}')
    desk.runtime.advance(5_000)
    expect(lines(next)).to.deep.equal(['N 1 BUSY +100 it is being handled; its acknowledgement follows'])
  })

  it('says its last words before it closes', async () => {
    const { client, socket } = linked()
    const since = socket.texts.length
    client.subscribe({}, () => {})
    socket.say('M1 aws-1 {"type":"SK","messageId":"m","key":"k","value":1}')
    await turn()
    await client.close()
    expect(lines(socket, since)).to.deep.equal(['A 1'])
  })

  it('tells of a line that it cannot read, and goes on', () => {
    const { client, socket } = linked()
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    socket.say('M1 aws-1 no json\nQ what\nz later')
    socket.say(`P ${desk.runtime.now() + MAX_CLOCK_AHEAD_MS} 0`)
    expect(errors.map((error) => (error as { code?: string }).code)).to.deep.equal(['INVALID_JSON', 'INVALID_JSON'])
    expect(client.isConnected).to.equal(true)
  })
})
