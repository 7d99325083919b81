import { expect } from 'chai'
import { type ClientOptions, type Message, Seen } from '../../../core/client/index.ts'
import { Desk, type FakeSocket, refusal, turn } from './support.ts'

let ids = 0
const message = (given: object = {}) => ({ type: 'SK', messageId: `m-${++ids}`, key: 'k', value: 1, ...given })

describe('a subscription', () => {
  let desk: Desk
  let socket: FakeSocket
  beforeEach(() => {
    desk = new Desk()
  })

  const linked = (options: ClientOptions = { name: 'shop' }) => {
    const made = desk.linked(options)
    socket = made.socket
    return made.client
  }
  /** Ids that the client has acknowledged, or refused with that code. */
  const acknowledged = (at = socket) => at.sent('ACK').map(({ messageId }) => messageId)
  const refused = (code: string) => socket.sent('NACK').filter((frame) => frame.code === code)

  it('hands out what comes, to the digit, and acknowledges each when the loop asks for the next', async () => {
    const loop = linked()
      .subscribe({ types: ['SK'] })
      [Symbol.asyncIterator]()
    socket.say('{"type":"SK","messageId":"big","key":"k","value":9007199254740993,"version":"v","targetedTags":["eu"]}')
    const { value } = await loop.next()
    expect(value).to.include({ type: 'SK', messageId: 'big', key: 'k', version: 'v', clusterGroupId: 'singleton' })
    expect(value?.tags).to.deep.equal(['eu'])
    expect(value?.body.value).to.equal(Number('9007199254740993'))
    expect(value?.raw('value')).to.equal('9007199254740993')
    expect(value?.raw('nothing')).to.equal(undefined)
    expect(value?.text).to.contain('9007199254740993')
    await turn()
    expect(acknowledged()).to.deep.equal([])
    void loop.next()
    expect(acknowledged()).to.deep.equal(['big'])
  })

  it('calls a handler for each, one after the other, and acknowledges when it has finished', async () => {
    const log: string[] = []
    linked().subscribe({}, async ({ messageId }) => {
      log.push(`begin ${messageId}`)
      await turn()
      log.push(`end ${messageId}`)
    })
    socket.say(message({ messageId: 'a' }))
    socket.say(message({ messageId: 'b' }))
    await turn()
    expect(acknowledged()).to.deep.equal([])
    for (let turns = 0; turns < 5; turns++) await turn()
    expect(log).to.deep.equal(['begin a', 'end a', 'begin b', 'end b'])
    expect(acknowledged()).to.deep.equal(['a', 'b'])
  })

  it('refuses what a handler fails on, tells of it, and hands it out again when it comes again', async () => {
    const client = linked()
    const failures: Error[] = []
    client.on('error', (error) => failures.push(error))
    let tries = 0
    client.subscribe({}, () => {
      if (++tries === 1) throw new Error('the value 4711 is odd')
    })
    socket.say(message({ messageId: 'a' }))
    await turn()
    expect(refused('INTERNAL')).to.have.length(1)
    expect(refused('INTERNAL')[0]).to.include({ messageId: 'a', retryable: true })
    expect(socket.texts.join()).not.to.contain('4711')
    expect(failures[0]?.message).to.contain('odd')
    socket.say(message({ messageId: 'a' }))
    await turn()
    expect(acknowledged()).to.deep.equal(['a'])
  })

  it('leaves acknowledging to the application when asked, later and in any order', async () => {
    const loop = linked().subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    for (const messageId of ['a', 'b', 'c']) socket.say(message({ messageId }))
    const taken: Message[] = []
    for (let n = 0; n < 3; n++) taken.push((await loop.next()).value as Message)
    expect(acknowledged()).to.deep.equal([])
    taken[2]?.ack()
    taken[0]?.ack()
    taken[0]?.nack()
    taken[1]?.nack('no such order', { retryable: false })
    expect(acknowledged()).to.deep.equal(['c', 'a'])
    expect(socket.sent('NACK')).to.deep.equal([
      { type: 'NACK', messageId: 'b', code: 'INVALID_MESSAGE', reason: 'no such order', retryable: false },
    ])
  })

  it('gives back the last message of a loop that was left, and takes it again elsewhere', async () => {
    const client = linked()
    socket.say(message({ messageId: 'early' }))
    expect(refused('BUSY')).to.have.length(1)
    const first = client.subscribe()
    socket.say(message({ messageId: 'a' }))
    socket.say(message({ messageId: 'b' }))
    for await (const _ of first) break
    expect(refused('BUSY').map(({ messageId }) => messageId)).to.deep.equal(['early', 'a', 'b'])
    const handled: string[] = []
    client.subscribe({}, ({ messageId }) => handled.push(messageId))
    socket.say(message({ messageId: 'a' }))
    socket.say(message({ messageId: 'b' }))
    await turn()
    expect(handled).to.deep.equal(['a', 'b'])
    expect(acknowledged()).to.deep.equal(['a', 'b'])
  })

  it('keeps a message that was acknowledged before the loop was left', async () => {
    const subscription = linked().subscribe()
    socket.say(message({ messageId: 'a' }))
    for await (const one of subscription) {
      one.ack()
      break
    }
    expect(acknowledged()).to.deep.equal(['a'])
    expect(refused('BUSY')).to.deep.equal([])
  })

  it('hands out nothing twice: what comes again is acknowledged when the first is handled, and at once after that', async () => {
    const loop = linked().subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    socket.say(message({ messageId: 'a' }))
    const { value } = await loop.next()
    socket.say(message({ messageId: 'a' }))
    socket.say(message({ messageId: 'a', clusterGroupId: 'other' }))
    expect((await loop.next()).value).to.include({ messageId: 'a', clusterGroupId: 'other' })
    expect(acknowledged()).to.deep.equal([])
    value?.ack()
    expect(acknowledged()).to.deep.equal(['a'])
    socket.say(message({ messageId: 'a' }))
    expect(acknowledged()).to.deep.equal(['a', 'a'])
  })

  it('acknowledges on the new connection what was begun on one that is lost', async () => {
    const loop = linked().subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    socket.say(message({ messageId: 'a' }))
    const { value } = await loop.next()
    socket.drop()
    const next = desk.reconnected()
    next.say(message({ messageId: 'a' }))
    value?.ack()
    expect(acknowledged()).to.deep.equal([])
    expect(acknowledged(next)).to.deep.equal(['a'])
  })

  it('is handed a message once by two clients at two instances of a group', async () => {
    const seen = new Seen()
    const clients = [linked({ name: 'shop', seen }), linked({ name: 'shop', seen })]
    const [one, two] = desk.sockets
    const handled: string[] = []
    for (const client of clients) {
      client.subscribe({}, async ({ messageId }) => {
        await turn()
        handled.push(messageId)
      })
    }
    const both = message({ clusterGroupId: 'pair' })
    one?.say(both)
    two?.say(both)
    expect([one, two].flatMap((at) => acknowledged(at))).to.deep.equal([])
    for (let turns = 0; turns < 4; turns++) await turn()
    expect(handled).to.deep.equal([both.messageId])
    for (const at of [one, two]) expect(acknowledged(at)).to.deep.equal([both.messageId])
  })

  it('gives every subscription what fits it, and answers when all have decided', async () => {
    const client = linked()
    const orders = client.subscribe({ keys: ['order:'] }, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    const sets = client.subscribe({ types: ['SK'] }, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    socket.say(message({ messageId: 'both', key: 'order:1' }))
    socket.say(message({ messageId: 'sets', key: 'user:1' }))
    socket.say(message({ messageId: 'none', type: 'DEL' }))
    expect(acknowledged()).to.deep.equal(['none'])
    ;(await sets.next()).value?.ack()
    expect(acknowledged()).to.deep.equal(['none'])
    ;(await orders.next()).value?.nack('not now')
    ;(await sets.next()).value?.ack()
    expect(acknowledged()).to.deep.equal(['none', 'sets'])
    expect(refused('INTERNAL')[0]).to.include({ messageId: 'both', reason: 'not now' })
  })

  it('answers with the worst of several verdicts, whichever comes first', async () => {
    const client = linked()
    const loops = [1, 2, 3].map(() => client.subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]())
    socket.say(message({ messageId: 'a' }))
    const [one, two, three] = await Promise.all(loops.map(async (loop) => (await loop.next()).value))
    one?.nack('never', { retryable: false })
    two?.nack('later')
    three?.ack()
    expect(socket.sent('NACK')).to.have.length(1)
    expect(socket.sent('NACK')[0]).to.include({ reason: 'never', retryable: false })
  })

  it('tells a busy word from time to time, so that slow handling counts against nobody', async () => {
    const loop = linked().subscribe({}, { acknowledge: 'manual' })[Symbol.asyncIterator]()
    socket.say(message({ messageId: 'slow' }))
    desk.runtime.advance(1_000)
    socket.say(message({ messageId: 'later' }))
    const { value } = await loop.next()
    desk.runtime.advance(999)
    expect(refused('BUSY')).to.deep.equal([])
    desk.runtime.advance(1)
    expect(refused('BUSY').map(({ messageId }) => messageId)).to.deep.equal(['slow'])
    desk.runtime.advance(1_000)
    expect(refused('BUSY').map(({ messageId }) => messageId)).to.deep.equal(['slow', 'later'])
    socket.say(message({ messageId: 'slow' }))
    desk.runtime.advance(2_000)
    expect(refused('BUSY').map(({ messageId }) => messageId)).to.deep.equal(['slow', 'later', 'slow'])
    value?.ack()
    expect(acknowledged()).to.deep.equal(['slow'])
  })

  it('asks the instance for what all subscriptions want together, again on each connection', () => {
    const client = linked({})
    const asked = () => {
      const { messageId: _, type: __, ...filter } = socket.sent('SUBSCRIBE').at(-1) ?? {}
      return filter
    }
    expect(asked()).to.deep.equal({ types: ['ACK'] })
    const one = client.subscribe({ types: ['SK'], keys: ['b', 'a'] })
    expect(asked()).to.deep.equal({ types: ['SK'], keys: ['a', 'b'] })
    const two = client.subscribe({ types: ['SA'], tags: ['eu'] })
    expect(asked()).to.deep.equal({ types: ['SA', 'SK'] })
    socket.drop()
    socket = desk.reconnected()
    expect(asked()).to.deep.equal({ types: ['SA', 'SK'] })
    one.close()
    expect(asked()).to.deep.equal({ types: ['SA'], tags: ['eu'] })
    two.close()
    expect(asked()).to.deep.equal({ types: ['ACK'] })
    client.subscribe()
    expect(asked()).to.deep.equal({})
  })

  it('leaves a list out that is too long for an instance, and what is wanted of a name while nobody is there', () => {
    const client = linked()
    expect(socket.sent('SUBSCRIBE')).to.deep.equal([])
    const keys = Array.from({ length: 101 }, (_, index) => `k${index}`)
    const many = client.subscribe({ types: ['SK'], keys })
    expect(socket.sent('SUBSCRIBE').at(-1)).not.to.have.property('keys')
    many.close()
    expect(socket.sent('SUBSCRIBE')).to.have.length(1)
  })

  it('is ready when the instance has answered, also one that knows no SUBSCRIBE', async () => {
    const client = linked({})
    const one = client.subscribe({ types: ['SK'] })
    socket.acknowledge(socket.sent('SUBSCRIBE').at(-1)?.messageId)
    await one.ready
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    const two = client.subscribe({ types: ['SA'] })
    socket.refuse(socket.sent('SUBSCRIBE').at(-1)?.messageId, 'UNKNOWN_TYPE')
    await two.ready
    expect(errors).to.deep.equal([])
    socket.say(message({ type: 'DEL' }))
    socket.say(message({ type: 'SA', messageId: 'wanted' }))
    expect((await two[Symbol.asyncIterator]().next()).value).to.include({ messageId: 'wanted' })
  })

  it('sends no acknowledgements without a name, for nobody waits for them', async () => {
    const subscription = linked({}).subscribe()
    socket.say(message())
    for await (const one of subscription) {
      one.ack()
      break
    }
    desk.runtime.advance(10_000)
    expect([...socket.sent('ACK'), ...socket.sent('NACK')]).to.deep.equal([])
  })

  it('ends with an error when a client without a name does not keep up', async () => {
    const subscription = linked({ maxQueued: 2 }).subscribe()
    for (let n = 0; n < 3; n++) socket.say(message())
    expect((await refusal(subscription[Symbol.asyncIterator]().next())).code).to.equal('SLP_SLOW_READER')
  })

  it('drains: hands out what has come, takes nothing new, waits for what is published, then closes', async () => {
    const client = linked()
    const handled: string[] = []
    client.subscribe({}, async ({ messageId }) => {
      await turn()
      handled.push(messageId)
    })
    const published = client.set('k', 1)
    for (const messageId of ['a', 'b']) socket.say(message({ messageId }))
    let isClosed = false
    const drained = client.drain().then(() => {
      isClosed = true
    })
    socket.say(message({ messageId: 'late' }))
    expect((await refusal(client.set('k', 2))).code).to.equal('SLP_CLIENT_CLOSED')
    for (let turns = 0; turns < 6; turns++) await turn()
    expect(handled).to.deep.equal(['a', 'b'])
    expect(acknowledged()).to.deep.equal(['a', 'b'])
    expect(refused('BUSY').map(({ messageId }) => messageId)).to.deep.equal(['late'])
    expect(isClosed).to.equal(false)
    socket.acknowledge(socket.sent('SK')[0]?.messageId)
    expect((await published).status).to.equal('stored')
    await drained
    expect(socket.closedWith).to.equal(1000)
  })

  it('drains no longer than it may', async () => {
    const client = linked()
    const published = refusal(client.set('k', 1))
    const drained = client.drain({ timeoutMs: 1_000 })
    desk.runtime.advance(1_000)
    await drained
    expect((await published).code).to.equal('SLP_CLIENT_CLOSED')
  })

  it('ends its loop when the client is closed, or its signal says so', async () => {
    const client = linked()
    const stop = new AbortController()
    const loops = [client.subscribe(), client.subscribe({}, { signal: stop.signal })].map((one) => {
      return one[Symbol.asyncIterator]().next()
    })
    stop.abort()
    expect(await loops[1]).to.deep.equal({ done: true, value: undefined })
    await client.close()
    expect(await loops[0]).to.deep.equal({ done: true, value: undefined })
    expect(await refusal(client.subscribe()[Symbol.asyncIterator]().next())).to.include({ code: 'SLP_CLIENT_CLOSED' })
  })
})
