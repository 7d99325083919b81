import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { Desk, type Instance } from './support.ts'

describe('slipstream listen', () => {
  let desk: Desk
  let instance: Instance
  before(async () => {
    desk = await Desk.set()
    instance = await desk.instance()
  })
  after(() => desk.clear())

  const send = (...args: readonly string[]) => desk.run(['send', ...args, '--url', instance.url])
  const listen = async (...args: readonly string[]) => {
    const program = desk.launch(['listen', ...args, '--url', instance.url])
    await program.says(/Listening/)
    return program
  }

  it('shows values to the digit and to the blank', async () => {
    const program = await listen('--count', '2')
    await send('SK', '--key', 'balance', '--value', '9007199254740993')
    await send('SA', '--key', 'rates', '--value', '[1.10, 2e400]')
    const { code, stdout } = await program.ended
    expect({ code, stdout }).to.deep.equal({
      code: 0,
      stdout: 'SK  balance  9007199254740993\nSA  rates  [1.10, 2e400]\n',
    })
  })

  it('shows text that is no JSON as a JSON string', async () => {
    const program = await listen('--count', '1')
    await send('SK', '--key', 'k', '--value', 'a "word"')
    expect((await program.ended).stdout).to.equal('SK  k  "a \\"word\\""\n')
  })

  it('prints frames as they came when asked', async () => {
    const program = await listen('--count', '1', '--json')
    await send('SK', '--key', 'k', '--value', '9007199254740993', '--id', 'whole-frame')
    const { stdout } = await program.ended
    expect(stdout).to.match(/"value":9007199254740993[,}]/)
    expect(JSON.parse(stdout)).to.include({ type: 'SK', messageId: 'whole-frame' })
  })

  it('shows only the types and keys that were asked for', async () => {
    const program = await listen('--type', 'SK', '--key', 'wanted/', '--count', '1')
    await send('SA', '--key', 'wanted/1', '--value', '[]')
    await send('SK', '--key', 'other/1', '--value', '1')
    await send('SK', '--key', 'wanted/2', '--value', '2')
    expect((await program.ended).stdout).to.equal('SK  wanted/2  2\n')
  })

  it('has only that kept for its name while it is away, until it asks for something else', async () => {
    const first = await listen('--name', 'narrow', '--type', 'SK', '--key', 'a/', '--count', '1')
    await send('SK', '--key', 'a/1', '--value', '1')
    await first.ended
    for (const key of ['b/2', 'a/3']) await send('SK', '--key', key, '--value', '0')
    const second = await listen('--name', 'narrow', '--count', '2')
    await send('SK', '--key', 'b/4', '--value', '0')
    expect((await second.ended).stdout).to.equal('SK  a/3  0\nSK  b/4  0\n')
  })

  it('ends when the instance refuses what it filters by', async () => {
    const { code, stderr } = await desk.run(['listen', '--type', 'no such type', '--url', instance.url])
    expect({ code }).to.deep.equal({ code: 1 })
    expect(stderr).to.match(/SLP_SUBSCRIPTION_REFUSED|did not narrow.*INVALID_MESSAGE.*\/types\/0/)
  })

  it('bears its tags, and without them gets only what is for everybody', async () => {
    const bearer = await listen('--tag', 'eu', '--count', '1')
    const other = await listen('--count', '1')
    await send('SK', '--key', 'k', '--value', '1', '--tag', 'eu')
    await send('SK', '--key', 'k', '--value', '2')
    expect((await bearer.ended).stdout).to.equal('SK  k  1  ["eu"]\n')
    expect((await other.ended).stdout).to.equal('SK  k  2\n')
  })

  it('is kept what comes while it is away, under a name, and gets each message once', async () => {
    const first = await listen('--name', 'reader', '--count', '1')
    await send('SK', '--key', 'k', '--value', '1')
    expect((await first.ended).stdout).to.equal('SK  k  1\n')
    await send('SK', '--key', 'k', '--value', '2')
    const second = await listen('--name', 'reader', '--count', '1')
    expect((await second.ended).stdout).to.equal('SK  k  2\n')
  })

  it('is done when all that it wants comes before the instance has taken note of it', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    server.on('connection', (socket) => {
      socket.once('message', () => socket.send('{"type":"SK","messageId":"m-1","key":"k","value":1}'))
    })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const ended = await desk.run(['listen', '--name', 'reader', '--count', '1', '--url', `ws://127.0.0.1:${port}`])
    server.close()
    expect(ended).to.include({ code: 0, stdout: 'SK  k  1\n' })
  })

  it('does not acknowledge, under a name, what nobody took from its output', async () => {
    const first = await listen('--name', 'careful', '--count', '1')
    first.stopReading()
    await send('SK', '--key', 'k', '--value', '3')
    await first.ended
    const second = await listen('--name', 'careful', '--count', '1')
    expect((await second.ended).stdout).to.equal('SK  k  3\n')
  })

  it('ends with 0 on a signal', async () => {
    const program = await listen()
    program.kill('SIGINT')
    expect(await program.ended).to.include({ code: 0, stdout: '' })
  })

  it('lets no control character through to the terminal', async () => {
    const program = await listen('--count', '1')
    await send('SK', '--key', 'k', '--value', '"\u009b2J"')
    expect((await program.ended).stdout).to.equal('SK  k  "\\u009b2J"\n')
  })
})

describe('slipstream listen, when the instance goes', () => {
  it('ends with 69 and says so', async () => {
    const desk = await Desk.set()
    try {
      const { program: server, url } = await desk.instance()
      const program = desk.launch(['listen', '--url', url])
      await program.says(/Listening/)
      server.kill('SIGTERM')
      const { code, stderr } = await program.ended
      expect(code).to.equal(69)
      expect(stderr).to.include('1001')
    } finally {
      await desk.clear()
    }
  })
})
