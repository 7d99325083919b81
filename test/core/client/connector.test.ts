import { expect } from 'chai'
import fc from 'fast-check'
import { ClientError, connect } from '../../../core/client/index.ts'
import { Desk, refusal, turn } from './support.ts'

describe('the connection', () => {
  let desk: Desk
  beforeEach(() => {
    desk = new Desk()
  })

  it('says in the URL who it is, and nothing of the token', () => {
    desk.connect('wss://bus.example/', { name: 'shop', tags: ['aws', 'eu'], durable: false, token: 'secret' })
    expect(Object.fromEntries(desk.socket.url.searchParams)).to.deep.equal({
      ...{ instanceId: 'shop', tags: 'aws,eu', durable: 'false', hello: '1' },
    })
    expect(desk.socket.open(1).frames[0]).to.include({ type: 'HELLO', token: 'secret' })
  })

  it('asks a function for its token at each dial', async () => {
    let asked = 0
    desk.connect('ws://one', { token: async () => `token-${++asked}` })
    await turn()
    desk.socket.open(1).drop()
    desk.runtime.advance(1_000)
    await turn()
    expect(desk.socket.open(1).frames[0]).to.include({ token: 'token-2' })
  })

  it('tells what becomes of it', () => {
    const client = desk.connect()
    const told: unknown[] = []
    for (const name of ['connected', 'disconnected', 'reconnecting', 'closed'] as const) {
      client.on(name, (event) => told.push({ name, ...event }))
    }
    desk.socket.open(desk.runtime.now())
    expect(client).to.include({ isConnected: true, instanceId: 'fake' })
    desk.socket.drop(1001, 'going away')
    expect(client).to.include({ isConnected: false, instanceId: undefined })
    void client.close()
    const [connected, disconnected, reconnecting] = told as Record<string, unknown>[]
    expect(connected).to.deep.equal({ name: 'connected', url: 'ws://one', instanceId: 'fake', level: 'plain' })
    expect(disconnected).to.deep.equal({ name: 'disconnected', url: 'ws://one', code: 1001, reason: 'going away' })
    expect(reconnecting).to.deep.include({ name: 'reconnecting', url: 'ws://one', attempt: 1 })
  })

  it('dials again after a delay that doubles, half of it by chance, up to its bound', () => {
    const client = desk.connect('ws://one', { retryDelayMs: 100, maxRetryDelayMs: 1_000 })
    const delays: number[] = []
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    for (let failure = 1; failure <= 8; failure++) {
      desk.socket.drop()
      expect(desk.sockets).to.have.length(failure)
      desk.runtime.advance(delays.at(-1) as number)
      expect(desk.sockets).to.have.length(failure + 1)
    }
    delays.forEach((delay, index) => {
      const full = Math.min(2_000, 100 * 2 ** index)
      expect(delay).to.be.within(Math.min(full / 2, 1_000), Math.min(full, 1_000))
    })
    expect(new Set(delays).size).to.be.greaterThan(3)
  })

  it('begins anew with a short delay when the connection had held', () => {
    const client = desk.connect('ws://one', { retryDelayMs: 100 })
    const delays: number[] = []
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    for (let failure = 0; failure < 6; failure++) {
      desk.socket.drop()
      desk.runtime.advance(60_000)
    }
    desk.socket.open(desk.runtime.now())
    desk.runtime.advance(10_000)
    desk.socket.drop()
    expect(delays.at(-1)).to.be.at.most(100)
  })

  it('backs off from an instance that says try again later, however long it held', () => {
    const client = desk.connect('ws://one', { retryDelayMs: 100 })
    const delays: number[] = []
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    for (let failure = 0; failure < 4; failure++) {
      desk.socket.open(desk.runtime.now())
      desk.runtime.advance(20_000)
      desk.socket.drop(1013)
      desk.runtime.advance(delays.at(-1) as number)
    }
    expect(delays.at(-1)).to.be.at.least(400)
  })

  it('tries the other URLs before it waits for longer', () => {
    const client = desk.connect(['ws://one', 'ws://two'], { retryDelayMs: 100 })
    const delays: number[] = []
    client.on('reconnecting', ({ delayMs }) => delays.push(delayMs))
    for (let failure = 0; failure < 4; failure++) {
      desk.socket.drop()
      desk.runtime.advance(delays.at(-1) as number)
    }
    expect(desk.sockets.map(({ url }) => url.host)).to.deep.equal(['one', 'two', 'one', 'two', 'one'])
    expect(delays[1]).to.be.at.most(100)
    expect(delays[3]).to.be.at.most(200)
  })

  it('gives up a dial that takes too long, and says so', () => {
    const client = desk.connect('ws://one', { connectTimeoutMs: 3_000 })
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    const [first] = desk.sockets
    desk.runtime.advance(3_000)
    expect(first?.isTerminated).to.equal(true)
    expect(errors[0]).to.include({ code: 'SLP_CLIENT_ABSENT' })
    desk.runtime.advance(1_000)
    expect(desk.sockets).to.have.length(2)
  })

  it('takes an instance for gone that told the time and then nothing for long', () => {
    desk.linked()
    for (const heard of [15_000, 15_000]) {
      desk.runtime.advance(heard)
      desk.socket.say({ type: 'HELLO', time: desk.runtime.now() })
    }
    expect(desk.sockets).to.have.length(1)
    desk.runtime.advance(36_000)
    expect(desk.sockets).to.have.length(2)
  })

  const fatal: readonly (readonly [number, string])[] = [
    [4009, 'SLP_REPLACED'],
    [1008, 'SLP_REFUSED'],
    [4001, 'SLP_UNAUTHENTICATED'],
    [4003, 'SLP_FORBIDDEN'],
  ]
  for (const [closeCode, code] of fatal) {
    it(`does not come back after ${closeCode}: everything rejects with ${code}`, async () => {
      const { client, socket } = desk.linked({ name: 'shop' })
      let closed: unknown
      client.on('closed', ({ error }) => {
        closed = error?.code
      })
      const all = [client.set('k', 1), client.get('k')].map(refusal)
      const loop = refusal(client.subscribe()[Symbol.asyncIterator]().next())
      socket.drop(closeCode, 'because')
      expect((await Promise.all([...all, loop])).map((error) => error.code)).to.deep.equal([code, code, code])
      expect((await refusal(client.set('k', 1))).code).to.equal(code)
      await turn()
      expect(closed).to.equal(code)
      desk.runtime.advance(600_000)
      expect(desk.sockets).to.have.length(1)
    })
  }

  it('ends when it is closed, or its signal says so', async () => {
    const stop = new AbortController()
    const { client, socket } = desk.linked({ signal: stop.signal })
    const waiting = refusal(client.set('k', 1))
    stop.abort()
    expect((await waiting).code).to.equal('SLP_CLIENT_CLOSED')
    expect(socket.closedWith).to.equal(1000)
    await client.close()
    desk.runtime.advance(600_000)
    expect(desk.sockets).to.have.length(1)
  })

  it('goes on when a listener of the application fails, who is told', async () => {
    const unhandled = new Promise((resolve) => {
      const others = process.listeners('unhandledRejection')
      process.removeAllListeners('unhandledRejection')
      process.once('unhandledRejection', (error) => {
        for (const other of others) process.on('unhandledRejection', other)
        resolve(error)
      })
    })
    const { client, socket } = desk.linked()
    const mine = new Error('mine')
    client.on('disconnected', () => {
      throw mine
    })
    socket.drop()
    expect(await unhandled).to.equal(mine)
    desk.reconnected()
    expect(client.isConnected).to.equal(true)
  })

  it('says when its outbox does not close', async () => {
    const gone = new Error('gone')
    const outbox = { open: async () => [], put: async () => {}, remove: () => {}, close: () => Promise.reject(gone) }
    const { client } = desk.linked({ outbox })
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    await client.close()
    expect(errors).to.deep.equal([gone])
  })

  it('refuses options that make no sense', () => {
    const wrong = [
      () => connect([]),
      () => connect('http://one'),
      () => connect('nowhere'),
      () => connect('ws://one', { name: 'no id' }),
      () => connect('ws://one', { maxPending: 0 }),
    ]
    for (const make of wrong) expect(make).to.throw(ClientError).with.property('code', 'SLP_CLIENT_OPTIONS')
  })

  it('loses nothing and repeats no ACKed message, wherever connections break', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('publish' as const) },
      { weight: 4, arbitrary: fc.constant('store' as const) },
      { weight: 3, arbitrary: fc.constant('acknowledge' as const) },
      { weight: 1, arbitrary: fc.constant('busy' as const) },
      { weight: 1, arbitrary: fc.constant('drop' as const) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = new Desk()
        const { client } = world.linked()
        const stored: unknown[] = []
        const acknowledged: string[] = []
        let read = 0
        let answered = 0
        const store = () => {
          const { messageId } = world.socket.sent()[read] ?? {}
          if (messageId === undefined) return
          read++
          if (!stored.includes(messageId)) stored.push(messageId)
        }
        const play = {
          publish: () => void client.set('k', 1).then(({ messageId }) => acknowledged.push(messageId)),
          store,
          acknowledge: () => {
            if (answered < read) world.socket.acknowledge(world.socket.sent()[answered++]?.messageId)
          },
          busy: () => {
            const next = world.socket.sent()[read]
            if (!next || answered < read) return
            read++
            answered++
            world.socket.refuse(next.messageId, 'BUSY', { retryable: true, retryAfterMs: 100 })
          },
          drop: () => {
            world.socket.drop()
            read = 0
            answered = 0
            world.reconnected()
          },
        }
        for (const name of steps) play[name]()
        world.runtime.advance(1_000)
        while (read < world.socket.sent().length) store()
        while (answered < read) play.acknowledge()
        await turn()
        const published = steps.filter((name) => name === 'publish').length
        expect(stored).to.have.length(published)
        expect(acknowledged).to.have.members(stored as string[])
        expect(client.pending).to.equal(0)
      }),
      { numRuns: 200 },
    )
  })
})
