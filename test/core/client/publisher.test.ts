import { expect } from 'chai'
import { json } from '../../../core/client/index.ts'
import { ManualRuntime } from '../../../core/testing/index.ts'
import { Desk, refusal, turn } from './support.ts'

describe('publishing', () => {
  let desk: Desk
  beforeEach(() => {
    desk = new Desk()
  })

  it('resolves with the ACK: id, status, recipients, version and who has it', async () => {
    const { client, socket } = desk.linked({ name: 'shop' })
    const receipt = client.set('order:1', { total: 1 }, { messageId: 'm-1', tags: ['aws'], priority: 7 })
    const version = `${desk.runtime.now()}-00000-shop`
    expect(socket.sent()).to.deep.equal([
      {
        ...{ type: 'SK', messageId: 'm-1', targetedTags: ['aws'], priority: 7 },
        ...{ key: 'order:1', value: { total: 1 }, version },
      },
    ])
    socket.acknowledge('m-1', { status: 'duplicate', recipients: 3 })
    expect(await receipt).to.deep.equal({
      ...{ messageId: 'm-1', status: 'duplicate', recipients: 3, version, instanceId: 'fake' },
    })
    expect(client.pending).to.equal(0)
  })

  it('writes every type, and numbers to the digit', () => {
    const { client, socket } = desk.linked()
    void client.set('k', 9007199254740993n)
    void client.set('k', json('[1.10, 9007199254740993]'))
    void client.setArray('a', [1])
    void client.setWeighted('w', [{ member: 'm', weight: null }])
    void client.delete('d')
    void client.publish('fx.rate', { pair: 'EUR/SEK' }, { orderingKey: 'EUR/SEK', target: 'aws-1' })
    void client.publish('fx.rate', json('{"rate": 9007199254740993}') as never)
    expect(socket.sent().map(({ type }) => type)).to.deep.equal(['SK', 'SK', 'SA', 'SW', 'DEL', 'fx.rate', 'fx.rate'])
    expect(socket.texts[1]).to.contain(',"value":9007199254740993,')
    expect(socket.texts[2]).to.contain(',"value":[1.10, 9007199254740993],')
    expect(socket.texts[6]).to.contain('"targetInstanceId":"aws-1","orderingKey":"EUR/SEK","pair":"EUR/SEK",')
    expect(socket.texts[7]).to.contain(',"rate": 9007199254740993,')
  })

  it('refuses what no instance could take: too large, no JSON, no id', async () => {
    const { client, socket } = desk.linked()
    expect((await refusal(client.set('k', 'x'.repeat(256 * 1024)))).code).to.equal('TOO_LARGE')
    expect((await refusal(client.set('k', 'å'.repeat(130 * 1024)))).code).to.equal('TOO_LARGE')
    expect((await refusal(client.set('k', undefined))).code).to.equal('INVALID_MESSAGE')
    expect((await refusal(client.publish('t', [] as never))).code).to.equal('INVALID_MESSAGE')
    expect((await refusal(client.set('k', 1, { messageId: 'no id' }))).code).to.equal('INVALID_MESSAGE')
    expect(socket.sent()).to.deep.equal([])
    void client.set('k', 'å'.repeat(120 * 1024))
    expect(socket.sent()).to.have.length(1)
  })

  it('waits for a connection, and sends in order what was published before', () => {
    const client = desk.connect()
    for (const key of ['a', 'b', 'c']) void client.set(key, 1)
    const socket = desk.socket.open(desk.runtime.now())
    expect(socket.sent().map(({ key }) => key)).to.deep.equal(['a', 'b', 'c'])
  })

  it('sends again, with the same id and stamp and in order, what the lost connection did not acknowledge', async () => {
    const { client, socket } = desk.linked()
    const first = client.set('a', 1)
    void client.set('b', 1)
    void client.set('c', 1)
    socket.acknowledge(socket.sent()[0]?.messageId)
    await first
    socket.drop()
    void client.set('d', 1)
    const next = desk.reconnected()
    expect(next.sent().slice(0, 2)).to.deep.equal(socket.sent().slice(1))
    expect(next.sent().map(({ key }) => key)).to.deep.equal(['b', 'c', 'd'])
  })

  it('rejects at once what is refused for good, with code and remedy', async () => {
    const { client, socket } = desk.linked()
    const refused = refusal(client.publish('nope', {}))
    const { messageId } = socket.sent()[0] ?? {}
    socket.refuse(messageId, 'UNKNOWN_TYPE', { reason: 'load its plugin', retryable: false })
    expect(await refused).to.deep.include({
      code: 'UNKNOWN_TYPE',
      message: 'load its plugin',
      retryable: false,
      messageId,
    })
    expect(client.pending).to.equal(0)
  })

  it('leaves a busy instance alone for as long as it asks, then sends everything again in order', async () => {
    const { client, socket } = desk.linked()
    const receipts = ['a', 'b', 'c'].map((key) => client.set(key, 1))
    const [a, b, c] = socket.sent().map(({ messageId }) => messageId)
    socket.refuse(b, 'BUSY', { retryable: true, retryAfterMs: 2_000 })
    socket.refuse(a, 'BUSY', { retryable: true, retryAfterMs: 2_000 })
    void client.set('d', 1)
    desk.runtime.advance(1_999)
    expect(socket.sent()).to.have.length(3)
    desk.runtime.advance(1_001)
    expect(socket.sent().map(({ key }) => key)).to.deep.equal(['a', 'b', 'c', 'a', 'b', 'd'])
    for (const messageId of [a, b, c]) socket.acknowledge(messageId)
    expect((await Promise.all(receipts)).map(({ messageId }) => messageId)).to.deep.equal([a, b, c])
  })

  it('tries one message again later and later, while others go on', async () => {
    const { client, socket } = desk.linked()
    const receipt = client.set('a', 1)
    const { messageId } = socket.sent()[0] ?? {}
    for (const afterMs of [1_000, 2_000, 4_000]) {
      const before = socket.sent().length
      socket.refuse(messageId, 'INTERNAL', { retryable: true })
      void client.set('other', 1)
      expect(socket.sent()).to.have.length(before + 1)
      desk.runtime.advance(afterMs)
      expect(socket.sent().at(-1)).to.include({ key: 'a', messageId })
    }
    socket.acknowledge(messageId)
    expect((await receipt).status).to.equal('stored')
  })

  it('gives up in time: with what the instance said last, or with advice to send it again', async () => {
    const { client, socket } = desk.linked({ publishTimeoutMs: 5_000 })
    const silent = refusal(client.set('a', 1))
    const busy = refusal(client.set('b', 1, { timeoutMs: 3_000 }))
    const [a, b] = socket.sent().map(({ messageId }) => messageId)
    socket.refuse(b, 'INTERNAL', { retryable: true })
    desk.runtime.advance(3_000)
    expect(await busy).to.include({ code: 'INTERNAL', retryable: true, messageId: b })
    desk.runtime.advance(2_000)
    expect(await silent).to.include({ code: 'SLP_UNACKNOWLEDGED', retryable: true, messageId: a })
    expect(client.pending).to.equal(0)
    socket.drop()
    expect(desk.reconnected().sent()).to.deep.equal([])
  })

  it('is given up with its signal, for the reason of the signal', async () => {
    const { client, socket } = desk.linked()
    const stop = new AbortController()
    const given = client.set('a', 1, { signal: stop.signal }).catch((error: unknown) => error)
    stop.abort()
    expect(await given).to.include({ name: 'AbortError' })
    expect(await client.set('b', 1, { signal: stop.signal }).catch((error: unknown) => error)).to.include({
      name: 'AbortError',
    })
    socket.drop()
    expect(desk.reconnected().sent()).to.deep.equal([])
  })

  it('holds no more than its bounds, and says when there is room', async () => {
    const { client, socket } = desk.linked({ maxPending: 2 })
    void client.set('a', 1)
    void client.set('b', 1)
    expect(await refusal(client.set('c', 1))).to.include({ code: 'SLP_OUTBOX_FULL', retryable: true })
    let hasRoom = false
    void client.room().then(() => {
      hasRoom = true
    })
    await turn()
    expect(hasRoom).to.equal(false)
    socket.acknowledge(socket.sent()[0]?.messageId)
    await turn()
    expect(hasRoom).to.equal(true)
    void client.set('c', 1)
    expect(socket.sent()).to.have.length(3)
  })

  it('bounds the size of what waits as well', async () => {
    const { client } = desk.linked({ maxPendingBytes: 1_000 })
    void client.set('a', 'x'.repeat(500))
    expect((await refusal(client.set('b', 'x'.repeat(500)))).code).to.equal('SLP_OUTBOX_FULL')
    void client.set('c', 1)
    expect(client.pending).to.equal(2)
  })

  it('has so many under way at most', () => {
    const { client, socket } = desk.linked({ maxInFlight: 2 })
    for (const key of ['a', 'b', 'c']) void client.set(key, 1)
    expect(socket.sent()).to.have.length(2)
    socket.acknowledge(socket.sent()[1]?.messageId)
    expect(socket.sent().map(({ key }) => key)).to.deep.equal(['a', 'b', 'c'])
  })

  it('sends messages of one ordering key one at a time, whatever becomes of them', () => {
    const { client, socket } = desk.linked()
    for (const n of [1, 2, 3]) void client.publish('step', { n }, { orderingKey: 'k' }).catch(() => {})
    void client.publish('step', { n: 4 }, { orderingKey: 'other' })
    const seen = () => socket.sent().map(({ n }) => n)
    expect(seen()).to.deep.equal([1, 4])
    socket.refuse(socket.sent()[0]?.messageId, 'INTERNAL', { retryable: true })
    desk.runtime.advance(1_000)
    expect(seen()).to.deep.equal([1, 4, 1])
    socket.refuse(socket.sent()[0]?.messageId, 'INVALID_MESSAGE', { retryable: false })
    expect(seen()).to.deep.equal([1, 4, 1, 2])
    socket.acknowledge(socket.sent()[3]?.messageId)
    expect(seen()).to.deep.equal([1, 4, 1, 2, 3])
  })

  it('keeps that order over a lost connection', () => {
    const { client, socket } = desk.linked()
    for (const n of [1, 2]) void client.publish('step', { n }, { orderingKey: 'k' })
    socket.drop()
    const next = desk.reconnected()
    expect(next.sent().map(({ n }) => n)).to.deep.equal([1])
    next.acknowledge(next.sent()[0]?.messageId)
    expect(next.sent().map(({ n }) => n)).to.deep.equal([1, 2])
  })

  it('is one message when the same is published twice under one id, and a contradiction when it is another', async () => {
    const { client, socket } = desk.linked()
    const twice = [client.set('a', 1, { messageId: 'm' }), client.set('a', 1, { messageId: 'm' })]
    expect((await refusal(client.set('a', 2, { messageId: 'm' }))).code).to.equal('SLP_ID_IN_USE')
    expect(socket.sent()).to.have.length(1)
    socket.acknowledge('m')
    expect((await Promise.all(twice)).map(({ status }) => status)).to.deep.equal(['stored', 'stored'])
  })

  it('waits on for one of two that published it when the other has given up', async () => {
    const { client, socket } = desk.linked()
    const stop = new AbortController()
    const given = client.set('a', 1, { messageId: 'm', signal: stop.signal }).catch((error: unknown) => error)
    const kept = client.set('a', 1, { messageId: 'm' })
    stop.abort()
    await given
    socket.acknowledge('m')
    expect((await kept).status).to.equal('stored')
  })

  it('goes on with a key when one that waited in line was given up', async () => {
    const { client, socket } = desk.linked()
    const stop = new AbortController()
    void client.publish('step', { n: 1 }, { orderingKey: 'k' })
    const given = client.publish('step', { n: 2 }, { orderingKey: 'k', signal: stop.signal }).catch(() => {})
    void client.publish('step', { n: 3 }, { orderingKey: 'k' })
    stop.abort()
    await given
    socket.acknowledge(socket.sent()[0]?.messageId)
    expect(socket.sent().map(({ n }) => n)).to.deep.equal([1, 3])
  })

  it('goes on with a key after many lost connections', () => {
    const { client } = desk.linked()
    for (const n of [1, 2, 3]) void client.publish('step', { n }, { orderingKey: 'k' })
    desk.socket.drop()
    const socket = desk.reconnected()
    for (const n of [1, 2, 3]) socket.acknowledge(socket.sent()[n - 1]?.messageId)
    void client.publish('step', { n: 4 }, { orderingKey: 'k' })
    expect(socket.sent().map(({ n }) => n)).to.deep.equal([1, 2, 3, 4])
  })

  it('counts nothing as under way that went with a lost connection', async () => {
    const { client, socket } = desk.linked({ maxInFlight: 1 })
    const stop = new AbortController()
    const given = client.set('a', 1, { signal: stop.signal }).catch(() => {})
    socket.drop()
    stop.abort()
    await given
    for (const key of ['b', 'c']) void client.set(key, 1)
    expect(
      desk
        .reconnected()
        .sent()
        .map(({ key }) => key),
    ).to.deep.equal(['b'])
  })

  it('waits for as long as it is told, even for longer than a timer can', async () => {
    const delays: number[] = []
    const runtime = new ManualRuntime()
    const after = runtime.after.bind(runtime)
    runtime.after = (ms, task) => {
      delays.push(ms)
      return after(ms, task)
    }
    const { client } = desk.linked({ runtime, publishTimeoutMs: 2 ** 40 })
    void client.set('k', 1)
    expect(Math.max(...delays)).to.equal(2 ** 31 - 1)
    runtime.advance(2 ** 31)
    expect(client.pending).to.equal(1)
  })

  it('sends once what waited to be tried again when the connection was lost', () => {
    const { client, socket } = desk.linked()
    void client.set('a', 1)
    socket.refuse(socket.sent()[0]?.messageId, 'INTERNAL', { retryable: true })
    socket.drop()
    const next = desk.reconnected()
    desk.runtime.advance(5_000)
    expect(next.sent()).to.have.length(1)
  })
})
