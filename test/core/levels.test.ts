import { expect } from 'chai'
import type { Level, Store } from '../../core/index.ts'
import { catchUp } from '../../plugins/state/catch-up/index.ts'
import { memoryState } from '../../plugins/state/memory.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { websocket } from '../../plugins/transports/websocket/index.ts'
import { type RunningBus, startBus } from '../support/bus.ts'
import { type Client, connect, eventually, isDelivery, nextMessage } from '../support/client.ts'
import { freePort } from '../support/redis.ts'

interface Given {
  readonly peers?: readonly RunningBus[]
  readonly tags?: readonly string[]
  /** The best level that it speaks. */
  readonly best?: Level
  readonly store?: Store
  readonly port?: number
  /** The port of one more peer. */
  readonly dials?: number
}

const PROTOCOLS = { linked: ['slipstream.v2', 'slipstream.v1'], plain: ['slipstream.v1'] }

const start = (instanceId: string, { peers = [], tags = [], best = 'linked', store, port = 0, dials }: Given = {}) =>
  startBus({
    without: ['websocket'],
    plugins: [websocket({ port, protocols: PROTOCOLS[best] }), memoryState(), catchUp()],
    settings: { instanceId, tags, peers: urlsOf(peers, dials), retryDelayMs: 20 },
    ...(store && { store }),
  })

const urlsOf = (peers: readonly RunningBus[], port?: number) => [
  ...peers.map(({ url }) => ({ url })),
  ...(port === undefined ? [] : [{ url: `ws://127.0.0.1:${port}` }]),
]

/** The level on which two instances are linked, if they are. */
const levelOf = ({ bus }: RunningBus, { id }: RunningBus) => bus.links().find(({ peer }) => peer === id)?.level

const linked = (...pairs: (readonly [RunningBus, RunningBus, Level])[]) =>
  eventually(() => pairs.every(([one, other, level]) => levelOf(one, other) === level && levelOf(other, one) === level))

const sk = (messageId: string, more: object = {}) => ({ type: 'SK', messageId, key: messageId, value: 1, ...more })
const idsOf = ({ frames }: Client) => frames.filter(({ body }) => isDelivery(body)).map(({ body }) => body.messageId)

describe('instances of both levels in one mesh', () => {
  it('in a line pass messages on to the byte, whichever level each link has', async () => {
    const a = await start('a')
    const b = await start('b', { peers: [a] })
    const c = await start('c', { peers: [b], best: 'plain' })
    const d = await start('d', { peers: [c] })
    await linked([a, b, 'linked'], [b, c, 'plain'], [c, d, 'plain'])
    const [publisher, ...readers] = [await connect(a), await connect(b), await connect(c), await connect(d)]
    const value = '{\n  "amount": 9007199254740993,\n "n": "grün\\n",\t"deep": [ 1,\n 2 ]\n}'
    publisher?.send(`{"type":"SK",\n"messageId":"m-1","key":"k","value":${value},"correlationId":"x"}`)
    for (const reader of readers) {
      const { text, body } = await nextMessage(reader as Client)
      expect(text).to.include(`"type":"SK",\n"messageId":"m-1","key":"k","value":${value},"correlationId":"x"`)
      expect(body.originInstanceId).to.equal('a')
    }
    expect(idsOf(readers[2] as Client)).to.deep.equal(['m-1'])
    expect(readers[2]?.frames.at(-1)?.body.messagePath).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  it('in a ring, and as a redundant pair, hand each message to each reader once', async () => {
    const a = await start('a')
    const b = await start('b', { peers: [a], best: 'plain' })
    const c = await start('c', { peers: [b, a] })
    const d = await start('d', { peers: [c, a] })
    const e = await start('e', { peers: [c, d] })
    await linked([a, b, 'plain'], [a, c, 'linked'], [c, d, 'linked'], [c, e, 'linked'], [d, e, 'linked'])
    const all = await Promise.all([a, b, c, d, e].map((bus) => connect(bus)))
    const [first, ...readers] = all as [Client, ...Client[]]
    const ids = Array.from({ length: 100 }, (_, at) => `m-${String(at).padStart(2, '0')}`)
    for (const id of ids) first.send(sk(id))
    for (const reader of readers) {
      for (const id of ids) await reader.next(({ messageId }) => messageId === id)
      expect(idsOf(reader).sort()).to.deep.equal(ids)
    }
    await eventually(() => [a, b, c, d, e].every(({ bus }) => bus.recipients().every(({ pending }) => pending === 0)))
    for (const { bus } of [a, b, c, d, e])
      expect(bus.recipients().flatMap(({ deferred }) => deferred)).to.not.include(1)
  })

  it('that dial each other keep one link, on the level that both speak', async () => {
    for (const best of ['linked', 'plain'] as const) {
      const ports = [await freePort(), await freePort()] as const
      const [a, b] = await Promise.all([
        start('a', { port: ports[0], dials: ports[1] }),
        start('b', { port: ports[1], dials: ports[0], best }),
      ])
      await linked([a, b, best])
      const reader = await connect(b)
      expect(await (await connect(a)).publish(sk('m'))).to.include({ type: 'ACK', recipients: 2 })
      await nextMessage(reader)
      for (const { bus } of [a, b]) expect(bus.links().filter(({ role }) => role === 'instance')).to.have.length(1)
      await Promise.all([a.stop(), b.stop()])
    }
  })

  it('go from one level to the other when one of them is replaced by another version, and lose nothing', async () => {
    const stores = { a: new MemoryStore(), b: new MemoryStore() }
    const a = await start('a', { store: stores.a })
    let ids = 0
    const seen = new Set<unknown>()
    for (const best of ['plain', 'linked', 'plain', 'linked'] as const) {
      const b = await start('b', { store: stores.b, peers: [a], best })
      const reader = await connect(b, { name: 'reader' })
      await linked([a, b, best])
      const publisher = await connect(a)
      for (let count = 0; count < 50; count++) publisher.send(sk(`m-${ids++}`))
      await publisher.next(({ type, messageId }) => type === 'ACK' && messageId === `m-${ids - 1}`)
      // Some of it is under way while it ends.
      await b.stop()
      for (const id of idsOf(reader)) seen.add(id)
      await publisher.close()
    }
    const b = await start('b', { store: stores.b, peers: [a] })
    const reader = await connect(b, { name: 'reader' })
    await eventually(() => new Set([...seen, ...idsOf(reader)]).size === ids)
    await eventually(() => a.bus.recipients().every(({ pending }) => pending === 0))
  })

  it('answer requests for each other, and bring each other up to date', async () => {
    const a = await start('a')
    await (await connect(a)).publish(sk('before'))
    const b = await start('b', { peers: [a], best: 'plain' })
    const c = await start('c', { peers: [a] })
    await linked([a, b, 'plain'], [a, c, 'linked'])
    const asker = await connect(c)
    const ask = async (messageId: string, consistency: string) => {
      asker.send({ type: 'GK', messageId, key: 'before', consistency })
      return (await asker.next(({ correlationId }) => correlationId === messageId)).body
    }
    expect(await ask('ask-1', 'first')).to.include({ value: 1, complete: true })
    const { values } = (await ask('ask-2', 'all')) as { values: { instanceId: string }[] }
    expect(values.map(({ instanceId }) => instanceId).sort()).to.deep.equal(['a', 'b', 'c'])
    await eventually(() => [b, c].every(({ bus }) => bus.links().length > 0))
    const later = await connect(b)
    for (let round = 0; ; round++) {
      later.send({ type: 'GK', messageId: `local-${round}`, key: 'before', consistency: 'local' })
      const { value } = (await later.next(({ correlationId }) => correlationId === `local-${round}`)).body
      if (value === 1) break
    }
  })

  it('tell each other what is reachable, and how far away', async () => {
    const a = await start('a', { tags: ['eu'] })
    const b = await start('b', { peers: [a], best: 'plain', tags: ['us'] })
    const c = await start('c', { peers: [a], tags: ['asia'] })
    const d = await start('d', { peers: [c], tags: ['asia', 'jp'] })
    await linked([a, b, 'plain'], [a, c, 'linked'], [c, d, 'linked'])
    const told = ({ bus }: RunningBus, name: string) => {
      const { tags, hops } = bus.recipients().find((one) => one.name === name) ?? {}
      return [...(tags ?? [])].sort().map((tag) => `${tag} ${hops?.get(tag) ?? 0}`)
    }
    await eventually(() => told(d, 'c').join() === 'asia 0,eu 1,us 2' && told(b, 'a').length === 3)
    expect(told(a, 'c')).to.deep.equal(['asia 0', 'jp 1'])
    expect(told(b, 'a')).to.deep.equal(['asia 0', 'eu 0', 'jp 0'])
  })

  it('forget a tag that nobody bears any more, in a ring as well', async () => {
    const a = await start('a')
    const b = await start('b', { peers: [a] })
    const c = await start('c', { peers: [b, a] })
    await linked([a, b, 'linked'], [b, c, 'linked'], [a, c, 'linked'])
    const passing = await connect(a, { tags: ['passing'] })
    const bears = ({ bus }: RunningBus) => bus.recipients().some(({ tags }) => tags.has('passing'))
    await eventually(() => [a, b, c].every(bears))
    await passing.close()
    await eventually(() => ![a, b, c].some(bears))
  })
})
