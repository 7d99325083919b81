import type { Socket } from 'node:net'
import { expect } from 'chai'
import type { Plugin } from '../core/index.ts'
import { CANARY, MAX_BYTES, type Outcome, ROOM_OF_A_FRAME, sized, sk, table } from './bad-input-cases.ts'
import { type RunningBus, startBus } from './support/bus.ts'
import { type Client, connect, isDelivery, nextMessage } from './support/client.ts'

/** Two strangers at one bus: one that misbehaves, and one that must not notice. */
async function scene(plugins: readonly Plugin[] = []) {
  const bus = await startBus({ plugins })
  const [stranger, other] = [await connect(bus), await connect(bus, { tags: ['elsewhere'] })]
  return { bus, stranger, other }
}

let fences = 0

/** Publishes something proper. All that was sent before it has been answered once its ACK is here. */
async function isServed(client: Client): Promise<void> {
  const messageId = `fence-${++fences}`
  const answer = await client.publish({ type: 'SK', messageId, key: 'fence', value: 1, targetedTags: ['nobody'] })
  expect(answer).to.include({ type: 'ACK', status: 'stored' })
}

function expectOutcome(answers: readonly Readonly<Record<string, unknown>>[], outcome: Outcome): void {
  if (outcome === 'unanswered') {
    expect(answers).to.deep.equal([])
    return
  }
  expect(answers).to.have.length(1)
  if (outcome === 'acknowledged') {
    expect(answers[0]).to.include({ type: 'ACK', status: 'stored' })
    return
  }
  expect(answers[0]).to.include({ type: 'NACK', code: outcome.nack, retryable: false })
  expect(answers[0]?.reason).to.be.a('string').and.not.equal('')
  if (outcome.reason) expect(answers[0]?.reason).to.contain(outcome.reason)
}

function expectNoEcho(client: Client, { log }: RunningBus): void {
  const told = client.frames.filter(({ body }) => !isDelivery(body)).map(({ text }) => text)
  expect(told.join('\n')).not.to.contain(CANARY)
  const show = (_name: string, value: unknown) => (value instanceof Error ? `${value.message} ${value.stack}` : value)
  expect(JSON.stringify(log, show)).not.to.contain(CANARY)
}

function expectNothingPolluted(): void {
  expect({}).not.to.have.property('polluted')
  expect(Object.keys(Object.prototype)).to.deep.equal([])
}

describe('bad input', () => {
  for (const [group, cases] of Object.entries(table)) {
    describe(group, () => {
      for (const { what, frame, outcome } of cases) {
        const promise = typeof outcome === 'string' ? outcome : outcome.nack
        it(`${what}: ${promise}`, async () => {
          const { bus, stranger, other } = await scene()
          stranger.send(frame)
          await isServed(stranger)
          expectOutcome(
            stranger.frames.slice(0, -1).map(({ body }) => body),
            outcome,
          )
          await isServed(other)
          expectNoEcho(stranger, bus)
          expectNothingPolluted()
        })
      }
    })
  }

  describe('frames that cost the connection', () => {
    const closing: Readonly<Record<string, { code: number; send: (client: Client) => void }>> = {
      'a binary frame': { code: 1008, send: (client) => client.send(Buffer.from(JSON.stringify(sk()))) },
      'an empty binary frame': { code: 1008, send: (client) => client.send(Buffer.alloc(0)) },
      'one byte more than a frame may hold': {
        code: 1009,
        send: (client) => client.send(sized(MAX_BYTES + ROOM_OF_A_FRAME + 1)),
      },
      'ten megabytes': { code: 1009, send: (client) => client.send(sized(10 * 1024 * 1024)) },
      'ten megabytes in fragments': {
        code: 1009,
        send: ({ socket }) => {
          for (let count = 0; count < 40; count++) socket.send('x'.repeat(256 * 1024), { fin: false })
        },
      },
      'a thousand tiny fragments': {
        code: 1008,
        send: ({ socket }) => {
          for (let count = 0; count < 1_000; count++) socket.send(' ', { fin: false })
        },
      },
      'text that is no UTF-8': {
        code: 1007,
        send: ({ socket }) => socket.send(Buffer.from([0x7b, 0xc3, 0x28, 0x7d]), { binary: false }),
      },
      'half a surrogate as UTF-8': {
        code: 1007,
        send: ({ socket }) => socket.send(Buffer.from([0x22, 0xed, 0xa0, 0xbd, 0x22]), { binary: false }),
      },
      'a frame that is not masked': { code: 1002, send: (client) => write(client, 0x81, 0x02, 0x7b, 0x7d) },
      'a reserved opcode': { code: 1002, send: (client) => write(client, 0x83, 0x80, 0, 0, 0, 0) },
      'reserved bits': { code: 1002, send: (client) => write(client, 0xf1, 0x80, 0, 0, 0, 0) },
      'a continuation of nothing': { code: 1002, send: (client) => write(client, 0x80, 0x80, 0, 0, 0, 0) },
      'a ping of 126 bytes': { code: 1002, send: (client) => write(client, 0x89, 0xfe, 0, 126) },
    }
    for (const [what, { code, send }] of Object.entries(closing)) {
      it(`${what}: closed with ${code}`, async () => {
        const { bus, stranger, other } = await scene()
        await isServed(stranger)
        send(stranger)
        expect((await stranger.closed).code).to.equal(code)
        await isServed(other)
        expectNoEcho(stranger, bus)
        await isServed(await connect(bus))
      })
    }

    it('cost nobody else anything when the connection is torn instead', async () => {
      const { stranger, other } = await scene()
      write(stranger, 0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 5)
      rawSocket(stranger).destroy()
      await isServed(other)
    })
  })

  describe('claims about the way of a message', () => {
    it('are replaced and counted, and the message is delivered', async () => {
      const corrected: (readonly string[])[] = []
      const counting: Plugin = {
        name: 'counting',
        apply: ({ hooks }) => hooks.corrected.tap((_received, members) => void corrected.push([...members].sort())),
      }
      const { bus, stranger } = await scene([counting])
      const receiver = await connect(bus)
      const madeUp = { sourceInstanceId: 'x', messagePath: ['x'], originInstanceId: 'x', originSequence: 'x.1' }
      stranger.send(sk(madeUp))
      const { body } = await nextMessage(receiver)
      expect(body).to.deep.include({ sourceInstanceId: bus.id, messagePath: [bus.id], originInstanceId: bus.id })
      expect(body.originSequence).not.to.equal('x.1')
      expect(corrected).to.deep.equal([['messagePath', 'originInstanceId', 'originSequence', 'sourceInstanceId']])
    })
  })

  describe('a client that speaks for others', () => {
    it('cannot acknowledge what somebody else is to get', async () => {
      const { bus, stranger, other } = await scene()
      const absentminded = await connect(bus, { name: 'app-1', acknowledges: false })
      expect(await other.publish({ type: 'SK', messageId: 'due', key: 'k', value: 1 })).to.include({ type: 'ACK' })
      await nextMessage(absentminded)
      stranger.send({ type: 'ACK', messageId: 'due' })
      const impostor = await connect(bus, { name: 'app-2' })
      impostor.send({ type: 'ACK', messageId: 'due' })
      await isServed(stranger)
      await isServed(impostor)
      const recipient = () => bus.bus.recipients().find(({ name }) => name === 'app-1')
      expect(recipient()?.pending).to.equal(1)
      absentminded.send({ type: 'ACK', messageId: 'due' })
      await isServed(absentminded)
      expect(recipient()?.pending).to.equal(0)
    })

    it('changes no tags by a HELLO', async () => {
      const { bus } = await scene()
      const named = await connect(bus, { name: 'app-1', tags: ['own'] })
      named.send({ type: 'HELLO', tags: ['everything'] })
      await isServed(named)
      const recipient = bus.bus.recipients().find(({ name }) => name === 'app-1')
      expect([...(recipient?.tags ?? [])]).to.deep.equal(['own'])
    })
  })

  it('in a flood leaves others served', async () => {
    const { bus, stranger, other } = await scene()
    for (let count = 0; count < 2_000; count++) stranger.send(count % 2 === 0 ? `{"broken":"${CANARY}` : sk({ key: 1 }))
    await isServed(other)
    await isServed(stranger)
    expect(stranger.frames).to.have.length(2_001)
    expectNoEcho(stranger, bus)
  })
})

it('the table of bad input holds more than 120 cases', () => {
  expect(Object.values(table).flat().length).to.be.greaterThan(120)
})

function rawSocket({ socket }: Client): Socket {
  return (socket as unknown as { readonly _socket: Socket })._socket
}

/** Bytes that no WebSocket library would send. */
function write(client: Client, ...bytes: number[]): void {
  rawSocket(client).write(Buffer.from(bytes))
}
