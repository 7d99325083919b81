import { expect } from 'chai'
import { catchUp } from '../../../../plugins/state/catch-up/index.ts'
import { startBus } from '../../../support/bus.ts'
import { connect } from '../../../support/client.ts'
import { steppedTime } from '../../../support/stepped-time.ts'
import { agree, at, backends, contents, deleted, filled, instance, until, value, weights } from './support.ts'

const some = (count: number, n: number, prefix = 'k') =>
  Array.from({ length: count }, (_, index) => value(`${prefix}-${index}`, n))

for (const [name, makeState] of Object.entries(backends)) {
  describe(`catch-up, with state in ${name}`, () => {
    it('gives a new instance all that there is', async () => {
      const full = await filled(
        makeState(),
        ...some(200, 1),
        { ...value('array', 2, '[1.10, 9007199254740993]'), shape: 'array' } as never,
        weights('weights', 3, { a: '1.10', b: '-1e2' }),
        value('large', 4, JSON.stringify('x"y'.repeat(60_000))),
      )
      const a = await instance('a', full)
      const b = await instance('b', makeState(), [a])
      await until(() => agree(a, b))
      expect((await contents(b.state)).size).to.equal(203)
      await until(() => a.kernel.find('catchUp')?.figures.completed === 1)
      expect(a.kernel.find('catchUp')?.figures).to.include({ sent: 203, received: 0, failed: 0, running: 0 })
    })

    it('exchanges what both sides changed, and of each key the newest stays', async () => {
      const [one, other] = [makeState(), makeState()]
      await filled(
        one,
        ...some(50, 1),
        value('k-1', 5),
        value('k-3', 3),
        deleted('k-4', 9),
        weights('w', 2, { a: '1' }),
      )
      await filled(other, ...some(50, 1), value('k-2', 6), value('k-3', 4), weights('w', 3, { b: '2' }))
      const b = await instance('b', other)
      const a = await instance('a', one, [b])
      await until(() => agree(a, b))
      const held = await contents(a.state)
      expect(held.get('k-1')).to.deep.include({ version: at(5) })
      expect(held.get('k-2')).to.deep.include({ version: at(6) })
      expect(held.get('k-3')).to.deep.include({ version: at(4) })
      expect(held.get('k-4')).to.deep.include({ shape: 'tombstone' })
      expect(held.get('w')).to.deep.include({ version: at(3) })
      await until(() => a.kernel.find('catchUp')?.figures.completed === 1)
      expect(a.kernel.find('catchUp')?.figures).to.include({ received: 3, sent: 3, failed: 0 })
    })

    it('brings an instance up to date that is behind another one', async () => {
      const a = await instance('a', await filled(makeState(), ...some(20, 1, 'a')))
      const b = await instance('b', makeState(), [a])
      const c = await instance('c', await filled(makeState(), ...some(20, 1, 'c')), [b])
      await until(() => agree(a, b, c))
      expect((await contents(a.state)).size).to.equal(40)
    })

    it('names what is not held alike, changes nothing, and repairs it when it is asked to', async () => {
      const quiet = { plugins: [catchUp({ everySeconds: 86_400 })] }
      const b = await instance('b', makeState(), [], quiet)
      const a = await instance('a', makeState(), [b], quiet)
      await until(() => a.kernel.find('catchUp')?.figures.completed === 1)
      await a.state.join([...some(5, 1), value('newer', 2), value('only-a', 1), deleted('forgotten', 1)])
      await b.state.join([...some(5, 1), value('newer', 1), value('only-b', 1)])
      const [found, ...others] = await a.kernel.use('catchUp').compare()
      expect(others).to.deep.equal([])
      expect(found).to.include({ peer: 'b', count: 4, repaired: undefined })
      const names = (keys: typeof found) =>
        [...(keys?.keys ?? [])].map(({ key, here, there }) => [key, here, there]).sort()
      expect(names(found)).to.deep.equal([
        ['forgotten', true, false],
        ['newer', true, true],
        ['only-a', true, false],
        ['only-b', false, true],
      ])
      expect(await agree(a, b)).to.equal(false)
      const [bounded] = await b.kernel.use('catchUp').compare({ limit: 2, repair: true })
      expect(bounded).to.include({ peer: 'a', count: 4, repaired: true })
      expect(bounded?.keys).to.have.length(2)
      expect(await agree(a, b)).to.equal(true)
      expect(await a.kernel.use('catchUp').compare({ peers: ['b'] })).to.deep.equal([
        { peer: 'b', count: 0, keys: [], repaired: undefined },
      ])
      expect(await a.kernel.use('catchUp').compare({ peers: ['nobody'] })).to.deep.equal([])
    })

    it('gives nothing to others that was for some only', async () => {
      const a = await instance('a', makeState())
      const publisher = await connect(a)
      const write = (key: string, also: object) => ({ type: 'SK', messageId: key, key, value: 1, ...also })
      await publisher.publish(write('for-a', { targetInstanceId: 'a' }))
      await publisher.publish(write('for-all', {}))
      await a.kernel.selfApplied()
      const b = await instance('b', makeState(), [a])
      await until(async () => (await contents(b.state)).has('for-all'))
      expect(await b.kernel.find('catchUp')?.run('a')).to.equal(true)
      expect([...(await contents(a.state)).keys()]).to.deep.equal(['for-a', 'for-all'])
      expect([...(await contents(b.state)).keys()]).to.deep.equal(['for-all'])
    })
  })
}

describe('catch-up', () => {
  const { memory } = backends as { memory: () => ReturnType<(typeof backends)['memory'] & object> }

  it('gives an instance back what it lost with its disk', async () => {
    const a = await instance('a', await filled(memory(), ...some(100, 1)))
    const b = await instance('b', memory(), [a])
    await until(() => agree(a, b))
    await b.stop()
    const wiped = await instance('b', memory(), [a])
    await until(() => agree(a, wiped))
    expect((await contents(wiped.state)).size).to.equal(100)
  })

  it('goes on beside live writes', async () => {
    const a = await instance('a', await filled(memory(), ...some(500, 1)))
    const b = await instance('b', memory(), [a])
    const publisher = await connect(a)
    for (let n = 0; n < 100; n++) {
      const key = `k-${n}`
      expect(await publisher.publish({ type: 'SK', messageId: key, key, value: 'live' })).to.include({ type: 'ACK' })
    }
    await until(() => agree(a, b))
    const held = await contents(b.state)
    expect([held.size, held.get('k-99')]).to.deep.include(500)
    expect(held.get('k-99')).to.deep.include({ value: '"live"' })
  })

  it('goes on after its link was lost in the middle', async () => {
    const large = Array.from({ length: 300 }, (_, n) =>
      value(`k-${n}`, 1, JSON.stringify(`${Math.random()}`.repeat(400))),
    )
    const a = await instance('a', await filled(memory(), ...large))
    const b = await instance('b', memory(), [a])
    await until(async () => (await contents(b.state)).size > 0)
    for (const link of b.bus.links()) link.close(1001, 'cut')
    await until(() => agree(a, b))
  })

  it('lets a write that follows count more than what was received', async () => {
    const ahead = Date.now() + 30_000
    const entry = { ...value('k', 1), version: `${ahead}-00000-z` }
    const a = await instance('a', await filled(memory(), entry))
    const b = await instance('b', memory(), [a])
    await until(() => agree(a, b))
    const publisher = await connect(b)
    await publisher.publish({ type: 'SK', messageId: 'm', key: 'k', value: 'mine' })
    await until(async () => (await contents(a.state)).get('k')?.version !== entry.version)
    expect((await contents(a.state)).get('k')).to.deep.include({ value: '"mine"' })
  })

  it('leaves out what is far ahead of the clock here', async () => {
    const entry = { ...value('k', 1), version: `${Date.now() + 3_600_000}-00000-z` }
    const a = await instance('a', await filled(memory(), entry, value('other', 1)))
    const b = await instance('b', memory(), [a])
    await until(async () => (await contents(b.state)).has('other'))
    expect(await b.kernel.find('catchUp')?.run('a')).to.equal(true)
    expect((await contents(b.state)).has('k')).to.equal(false)
  })

  for (const [holder, lacking] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    it(`takes what was ahead of the clock once it is in time, ${lacking} from ${holder}, though neither has changed`, async () => {
      const { runtime, pass } = steppedTime()
      const entry = { ...value('k', 1), version: `${runtime.now() + 90_000}-00000-z` }
      const one = await instance(holder, await filled(memory(), entry), [], { runtime })
      const other = await instance(lacking, memory(), [one], { runtime })
      const a = holder === 'a' ? one : other
      const completed = () => a.kernel.find('catchUp')?.figures.completed ?? 0
      await until(() => {
        pass(10)
        return completed() > 1
      })
      expect(await agree(one, other)).to.equal(false)
      await until(async () => {
        pass(500)
        return agree(one, other)
      })
    })
  }

  it('sends nobody a SYNC who did not say that it understands it', async () => {
    const a = await instance('a', await filled(memory(), ...some(5, 1)))
    const deployed = await connect(a, { name: 'old', role: 'instance', acknowledges: false })
    await deployed.publish({ type: 'SK', messageId: 'fence', key: 'k', value: 1 })
    expect(await a.kernel.find('catchUp')?.run('old')).to.equal(undefined)
    const bare = await instance('b', memory(), [a], { plugins: [] })
    await until(() => a.bus.links().some(({ peer }) => peer === 'b'))
    expect(await a.kernel.find('catchUp')?.run('b')).to.equal(undefined)
    expect((await contents(bare.state)).size).to.equal(0)
    expect(deployed.frames.filter(({ body }) => body.type === 'SYNC')).to.deep.equal([])
  })

  it('is not begun with an instance that keeps no state, though it knows how', async () => {
    const a = await instance('a', await filled(memory(), ...some(5, 1)))
    await startBus({
      plugins: [catchUp({ everySeconds: 1 })],
      settings: { instanceId: 'b', peers: [{ url: a.url }], retryDelayMs: 20 },
    })
    await until(() => a.bus.links().some(({ peer }) => peer === 'b'))
    expect(await a.kernel.find('catchUp')?.run('b')).to.equal(undefined)
    expect(a.kernel.find('catchUp')?.figures).to.include({ completed: 0, failed: 0, running: 0 })
  })

  it('does not answer a SYNC of one who did not say that it understands it', async () => {
    const a = await instance('a', await filled(memory(), ...some(5, 1)))
    const deployed = await connect(a, { name: 'old', role: 'instance', acknowledges: false })
    deployed.send({ type: 'SYNC', id: 1, ask: 'begin', epoch: 'e', root: 'x' })
    await deployed.publish({ type: 'SK', messageId: 'fence', key: 'k', value: 1 })
    expect(deployed.frames.filter(({ body }) => body.type === 'SYNC')).to.deep.equal([])
  })

  it('compares again from time to time', async () => {
    const a = await instance('a', memory(), [], { plugins: [catchUp({ everySeconds: 1 })] })
    const b = await instance('b', memory(), [a])
    await until(() => (a.kernel.find('catchUp')?.figures.completed ?? 0) >= 1)
    await b.state.join(some(3, 1))
    await until(() => agree(a, b))
    expect((await contents(a.state)).size).to.equal(3)
  })
})
