import { deflateRawSync } from 'node:zlib'
import { expect } from 'chai'
import { SHARED_SPACE, type StateBackend, type StateEntry, weightsOf } from '../../../../core/index.ts'
import { catchUp } from '../../../../plugins/state/catch-up/index.ts'
import { connect } from '../../../support/client.ts'
import {
  agree,
  at,
  backends,
  contents,
  deleted,
  filled,
  type Instance,
  instance,
  speaker,
  until,
  value,
} from './support.ts'

const EU = '@["","eu"]'
const marked = (entry: StateEntry, mark = EU) => ({ ...entry, version: entry.version + mark }) as StateEntry
const bearing = (...tags: string[]) => ({ settings: { tags } })
const caughtUp = (one: Instance, peer: string) => one.kernel.use('catchUp').run(peer)
const keysOf = async ({ state }: { readonly state: StateBackend }) => [...(await contents(state)).keys()]

for (const [name, makeState] of Object.entries(backends)) {
  describe(`catch-up of what is for some only, with state in ${name}`, () => {
    it('gives it back to an instance that lost it, by one that it is for as well', async () => {
      const a = await instance('a', makeState(), [], bearing('eu', 'test'))
      const b = await instance('b', makeState(), [a], bearing('eu'))
      const publisher = await connect(a)
      const write = (key: string, also: object) =>
        publisher.publish({ type: 'SK', messageId: key, key, value: 1, ...also })
      await write('all', {})
      await write('eu', { targetedTags: ['us', 'eu'] })
      await write('test', { targetedTags: ['test'] })
      await write('a', { targetInstanceId: 'a' })
      await publisher.publish({ type: 'SW', messageId: 'w', key: 'w', value: [{ member: 'x', weight: 1.1 }] })
      const some = { type: 'SW', messageId: 's', key: 'w', value: [{ member: 'y', weight: 2.2 }], targetedTags: ['eu'] }
      await publisher.publish(some)
      await until(async () => membersOf(await contents(b.state)).length === 2)
      const lost = await contents(b.state)
      await b.stop()
      const wiped = await instance('b', makeState(), [a], bearing('eu'))
      await until(async () => (await keysOf(wiped)).length === 3)
      await until(async () => JSON.stringify([...(await contents(wiped.state))]) === JSON.stringify([...lost]))
      expect(await keysOf(wiped)).to.deep.equal(['all', 'eu', 'w'])
      const stranger = await instance('c', makeState(), [a], bearing('us', 'eu2'))
      await until(async () => (await keysOf(stranger)).length === 3)
      expect(await caughtUp(stranger, 'a')).to.equal(true)
      expect(await keysOf(stranger)).to.deep.equal(['all', 'eu', 'w'])
      expect((await contents(stranger.state)).get('w')).to.deep.include({ members: [membersOf(lost)[0]] })
    })

    it('exchanges it both ways, tombstones included, and of each key the newest stays', async () => {
      const one = await filled(
        makeState(),
        marked(value('old', 1)),
        marked(deleted('gone', 3)),
        marked(value('one', 1)),
      )
      const other = await filled(
        makeState(),
        marked(value('old', 2)),
        marked(value('gone', 1)),
        marked(value('two', 1)),
      )
      const a = await instance('a', one, [], bearing('eu'))
      const b = await instance('b', other, [a], bearing('eu'))
      await until(() => agree(a, b))
      expect((await contents(b.state)).get('old')).to.include({ version: at(2) + EU })
      expect((await contents(b.state)).get('gone')).to.include({ shape: 'tombstone' })
      expect(await keysOf(a)).to.deep.equal(['gone', 'old', 'one', 'two'])
    })
  })
}

describe('catch-up of what is for some only', () => {
  const { memory } = backends as { memory: () => ReturnType<(typeof backends)['memory'] & object> }
  const slow = { plugins: [catchUp({ everySeconds: 86_400 })] }

  it('looks at everything only once an hour, or when the other one began anew', async () => {
    const a = await instance('a', await filled(memory(), marked(value('k', 1))), [], { ...slow, ...bearing('eu') })
    const b = await instance('b', memory(), [a], { ...slow, ...bearing('eu') })
    await until(async () => (await keysOf(b)).length === 1)
    await a.state.join([marked(value('late', 2))])
    expect(await caughtUp(a, 'b')).to.equal(true)
    expect(await keysOf(b)).to.deep.equal(['k'])
    await b.stop()
    const wiped = await instance('b', memory(), [a], { ...slow, ...bearing('eu') })
    await until(async () => (await keysOf(wiped)).length === 2)
  })

  it('passes on what came from one to others that it is for', async () => {
    const options = { plugins: [catchUp({ everySeconds: 86_400 })], ...bearing('eu') }
    const b = await instance('b', memory(), [], options)
    const c = await instance('c', memory(), [b], options)
    await until(() => b.kernel.use('catchUp').completedAt('c') !== undefined)
    const a = await instance('a', await filled(memory(), marked(value('k', 1))), [b], options)
    await until(() => agree(a, b, c))
    expect(await keysOf(c)).to.deep.equal(['k'])
  })

  it('is asked of nobody who compares only what is for everybody', async () => {
    const a = await instance('a', await filled(memory(), marked(value('k', 1))), [], bearing('eu'))
    const { answerAll } = await speaker(a)
    const asked = await answerAll(({ root }) => ({ epoch: 'e', root }))
    await until(() => a.kernel.use('catchUp').completedAt('z') !== undefined)
    expect(asked.map(({ ask, shared }) => [ask, shared])).to.deep.equal([
      ['begin', undefined],
      ['end', undefined],
    ])
  })

  it('is neither told nor given to whoever does not bear its tags, and not taken from one', async () => {
    const a = await instance('a', await filled(memory(), marked(value('k', 1))), [], bearing('eu'))
    const { ask } = await speaker(a)
    const empty = (await ask({ ask: 'begin', epoch: 'e', root: 'x', tags: ['us'], shared: true })) as { root: string }
    const nothing = await ask({ ask: 'begin', epoch: 'e', root: empty.root, tags: [], shared: true })
    expect(nothing).to.include({ root: empty.root }).and.not.to.have.property('digests')
    const buckets = [...Array(4_096).keys()]
    for (let at = 0; at < 16; at++) {
      const some = buckets.map((bucket) => bucket + at * 4_096)
      expect(((await ask({ ask: 'keys', buckets: some })) as { lists: string[] }).lists.join('')).to.equal('')
    }
    const give = (version: string, shared: boolean) => entries(a, ask, { key: 'given', version, shared })
    expect(await give(`${at(1)}@["","us"]`, true)).to.equal(false)
    expect(await give(`${at(1)}${EU}`, true)).to.equal(false)
    expect(await give(`${at(1)}${EU}`, false)).to.equal(false)
    expect(await give(at(1), true)).to.equal(false)
    expect(await give(at(1), false)).to.equal(true)
  })

  /** Gives an entry by hand; resolves to whether it was taken. */
  async function entries(
    a: Instance,
    ask: (question: object) => Promise<object>,
    { key, version, shared }: { readonly key: string; readonly version: string; readonly shared: boolean },
  ): Promise<boolean> {
    await ask({ ask: 'begin', epoch: 'e', root: 'x', tags: ['us'], ...(shared && { shared }) })
    const text = JSON.stringify([[SHARED_SPACE, key, 'value', version, '1']])
    await ask({ ask: 'give', entries: deflateRawSync(text).toString('base64') })
    return (await keysOf(a)).includes(key)
  }
})

function membersOf(held: ReadonlyMap<string, StateEntry>) {
  const entry = held.get('w')
  return weightsOf('', 'w', entry?.shape === 'weights' ? entry.members : [])?.members ?? []
}
