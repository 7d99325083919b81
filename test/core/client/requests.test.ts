import { expect } from 'chai'
import { Desk, refusal, turn } from './support.ts'

describe('asking', () => {
  let desk: Desk
  beforeEach(() => {
    desk = new Desk()
  })

  it('asks with type, key, consistency and the time that is left, and reads the answer to the digit', async () => {
    const { client, socket } = desk.linked()
    const reading = client.get('k', { consistency: 'newest', timeoutMs: 3_000, target: 'aws-1', tags: ['eu'] })
    const [asked] = socket.sent()
    expect(asked).to.deep.include({ type: 'GK', key: 'k', consistency: 'newest', timeoutMs: 3_000 })
    expect(asked).to.deep.include({ targetInstanceId: 'aws-1', targetedTags: ['eu'] })
    socket.say(`{"type":"REPLY","correlationId":"${asked?.messageId}","value":9007199254740993,"version":"v"}`)
    expect(await reading).to.deep.equal({
      ...{ value: Number('9007199254740993'), text: '9007199254740993', version: 'v', complete: true, values: [] },
    })
  })

  it('reads what each instance knows', async () => {
    const { client, socket } = desk.linked()
    const reading = client.getArray('k', { consistency: 'all' })
    const { messageId, type } = socket.sent()[0] ?? {}
    expect(type).to.equal('GA')
    const values = '[{"value":[1.10],"instanceId":"aws-1","version":"v"},{"value":null,"instanceId":"azure-1"}]'
    socket.say(`{"type":"REPLY","correlationId":"${messageId}","values":${values},"complete":false}`)
    expect(await reading).to.deep.include({
      complete: false,
      values: [
        { value: [1.1], text: '[1.10]', instanceId: 'aws-1', version: 'v' },
        { value: null, text: 'null', instanceId: 'azure-1', version: undefined },
      ],
    })
  })

  it('says that nobody can answer, at once', async () => {
    const { client, socket } = desk.linked()
    const refused = refusal(client.getWeighted('k'))
    socket.refuse(socket.sent('GW')[0]?.messageId, 'NO_RESPONDERS', { retryable: true })
    expect(await refused).to.include({ code: 'NO_RESPONDERS', retryable: true })
  })

  it('asks a busy instance again, as long as there is time', async () => {
    const { client, socket } = desk.linked()
    const refused = refusal(client.get('k', { timeoutMs: 1_000 }))
    socket.refuse(socket.sent()[0]?.messageId, 'BUSY', { retryable: true, retryAfterMs: 700 })
    desk.runtime.advance(700)
    const [first, second] = socket.sent()
    expect(second).to.include({ type: 'GK', timeoutMs: 300 })
    expect(second?.messageId).not.to.equal(first?.messageId)
    socket.refuse(second?.messageId, 'BUSY', { retryable: true, retryAfterMs: 700 })
    expect((await refused).code).to.equal('BUSY')
  })

  it('asks again, under a new id, on the next connection', async () => {
    const { client, socket } = desk.linked()
    const reading = client.get('k')
    socket.drop()
    const next = desk.reconnected()
    expect(next.sent()).to.have.length(1)
    expect(next.sent()[0]?.messageId).not.to.equal(socket.sent()[0]?.messageId)
    next.say({ type: 'REPLY', correlationId: next.sent()[0]?.messageId, value: 1 })
    expect((await reading).value).to.equal(1)
  })

  it('asks for no longer than an instance allows', () => {
    const { client, socket } = desk.linked()
    void client.get('k', { timeoutMs: 600_000 })
    expect(socket.sent()[0]?.timeoutMs).to.equal(60_000)
  })

  it('gives up in time, or with its signal', async () => {
    const { client } = desk.linked({ requestTimeoutMs: 2_000 })
    const late = refusal(client.get('k'))
    const stop = new AbortController()
    const given = client.get('k', { signal: stop.signal }).catch((error: unknown) => error)
    stop.abort()
    expect(await given).to.include({ name: 'AbortError' })
    desk.runtime.advance(2_000)
    expect(await late).to.include({ code: 'SLP_UNANSWERED', retryable: true })
  })

  it('runs a command under one id, however often it must be sent', async () => {
    const { client, socket } = desk.linked()
    const result = client.command('slipstream.ping', { n: 9007199254740993n.toString() }, { expiresInMs: 10_000 })
    const expiresAt = desk.runtime.now() + 10_000
    expect(socket.sent()[0]).to.deep.include({ type: 'CMD', command: 'slipstream.ping', expiresAt })
    expect(socket.sent()[0]?.args).to.deep.equal({ n: '9007199254740993' })
    socket.drop()
    const next = desk.reconnected()
    expect(next.sent()[0], 'to the letter: anything else under its id is a conflict').to.deep.equal(socket.sent()[0])
    next.say({ type: 'REPLY', correlationId: next.sent()[0]?.messageId, value: 'pong' })
    expect((await result).value).to.equal('pong')
  })

  it('rejects with what a command failed with', async () => {
    const { client, socket } = desk.linked()
    const failed = refusal(client.command('fail'))
    const error = { code: 'FORBIDDEN', reason: 'not for you' }
    socket.say({ type: 'REPLY', correlationId: socket.sent()[0]?.messageId, error })
    expect(await failed).to.include({ code: 'FORBIDDEN', message: 'not for you' })
    await turn()
  })
})
