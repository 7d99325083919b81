import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { Desk, type Instance } from './support.ts'

describe('slipstream send', () => {
  let desk: Desk
  let instance: Instance
  before(async () => {
    desk = await Desk.set()
    instance = await desk.instance()
  })
  after(() => desk.clear())

  const send = (...args: readonly string[]) => desk.run(['send', ...args, '--url', instance.url])

  it('prints id and recipients of what is durable', async () => {
    const listener = desk.launch(['listen', '--tag', 'listener', '--url', instance.url])
    await listener.says(/Listening/)
    const { code, stdout } = await send('SK', '--key', 'k', '--value', 'hello', '--id', 'my-id', '--tag', 'listener')
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'my-id  stored  1 recipient\n' })
  })

  it('prints the acknowledgement as JSON when asked', async () => {
    const { stdout } = await send(
      'SA',
      '--key',
      'k',
      '--value',
      '[1,2]',
      '--id',
      'as-json',
      '--tag',
      'nobody',
      '--json',
    )
    expect(JSON.parse(stdout)).to.deep.equal({ type: 'ACK', messageId: 'as-json', status: 'stored', recipients: 0 })
  })

  it('may be repeated under the same id', async () => {
    await send('SK', '--key', 'k', '--value', '1', '--id', 'again')
    const { code, stdout } = await send('SK', '--key', 'k', '--value', '1', '--id', 'again')
    expect(code).to.equal(0)
    expect(stdout).to.match(/^again {2}duplicate/)
  })

  it('takes the members of other types from a body', async () => {
    const { code } = await send('SK', '--body', '{ "key": "k", "value": {"a": 1} }')
    expect(code).to.equal(0)
  })

  it('ends with 1, code and reason when the message is refused', async () => {
    const { code, stdout, stderr } = await send('SA', '--key', 'k', '--value', 'no array')
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
    expect(stderr).to.include('INVALID_MESSAGE').and.include('/value must be array')
  })

  it('ends with 1 for a type that nobody knows', async () => {
    const { code, stderr } = await send('XX')
    expect(code).to.equal(1)
    expect(stderr).to.include('UNKNOWN_TYPE')
  })

  it('ends with 69 when nobody listens there', async () => {
    const { code, stderr } = await desk.run(['send', 'SK', '--url', 'ws://127.0.0.1:1'])
    expect(code).to.equal(69)
    expect(stderr).to.include('SLP_UNREACHABLE')
  })
})

describe('slipstream send, to an instance that cannot take it now', () => {
  let desk: Desk
  let server: WebSocketServer
  let url: string
  beforeEach(async () => {
    desk = await Desk.set()
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    await desk.clear()
    server.close()
  })

  const answering = (answer: (frame: { messageId: string }) => object | undefined) => {
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        const text = answer(JSON.parse(data.toString()))
        if (text) socket.send(JSON.stringify(text))
        else socket.close(1001)
      })
    })
  }

  it('ends with 75 when a repetition may help', async () => {
    answering(({ messageId }) => ({ type: 'NACK', messageId, code: 'BUSY', reason: 'too much', retryable: true }))
    const { code, stderr } = await desk.run(['send', 'SK', '--url', url])
    expect(code).to.equal(75)
    expect(stderr).to.include('BUSY').and.include('later')
  })

  it('takes a refusal without an id for its own', async () => {
    answering(() => ({ type: 'NACK', code: 'INVALID_JSON', reason: 'not valid JSON', retryable: false }))
    expect((await desk.run(['send', 'SK', '--url', url])).code).to.equal(1)
  })

  it('ends with 75 when no answer comes in time', async () => {
    const { code, stderr } = await desk.run(['send', 'SK', '--url', url, '--id', 'lost', '--timeout', '300'])
    expect(code).to.equal(75)
    expect(stderr).to.include('SLP_UNACKNOWLEDGED').and.include('lost')
  })

  it('ends with 75 when the connection is closed before the answer', async () => {
    answering(() => undefined)
    const { code, stderr } = await desk.run(['send', 'SK', '--url', url])
    expect(code).to.equal(75)
    expect(stderr).to.include('1001')
  })
})
