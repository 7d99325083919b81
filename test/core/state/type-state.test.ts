import { expect } from 'chai'
import type { Message, StateBackend, StateEntry, StateKey } from '../../../core/index.ts'
import { Lateness } from '../../../core/state/lateness.ts'
import { TrackedState } from '../../../core/state/type-state.ts'
import { update } from '../../../core/state/update.ts'
import { messageMaker } from '../../../core/testing/index.ts'
import { MemoryState } from '../../../plugins/state/memory.ts'

describe("the state as one type's messages write it", () => {
  const KEY: StateKey = { space: 'rate', key: 'EUR' }

  let backend: MemoryState
  let state: TrackedState
  let make: ReturnType<typeof messageMaker>

  beforeEach(async () => {
    backend = new MemoryState()
    await backend.open({ runtime: undefined as never, joinedBy: () => (one, other) => `${one}+${other}` })
    state = new TrackedState(backend, 'rate', new Lateness())
    make = messageMaker()
  })

  const message = (version: string, value?: string) =>
    make({ version, key: 'EUR', ...(value && { value }) }) as Message<never>
  const late = () => [...state.superseded].map(({ version }) => version)
  const keyOf = () => 'EUR'

  it('keeps the newest value of each key, as it was published, and notes what came late', async () => {
    const outcomes = await state.putNewest([message('2', '1.10'), message('1', '7')], keyOf)
    expect(outcomes).to.deep.equal(['applied', 'superseded'])
    expect(await state.read('EUR')).to.deep.equal({ ...KEY, shape: 'value', version: '2', value: '1.10' })
    expect(late()).to.deep.equal(['1'])
  })

  it('marks what was written for some instances only, however it is written', async () => {
    const forSome = { ...message('1', '7'), targetedTags: ['eu'] } as Message<never>
    await state.putNewest([forSome], keyOf)
    await state.join([{ message: forSome, key: 'joined', shape: 'value', value: '1' }])
    await state.update('updated', () => '1', forSome)
    for (const key of ['EUR', 'joined', 'updated']) expect(await state.read(key)).to.include({ version: '1@["","eu"]' })
  })

  it('of a type without a member "value", keeps the body without what any message may bear', async () => {
    const text =
      '{"type":"rate", "pair":"EUR", "rate": 1.10 ,"messageId":"m","originInstanceId":"a","originSequence":"e.1",' +
      '"clusterGroupId":"g","version":"1","orderingKey":"EUR","targetedTags":[],"expiresAt":1,"bid":{"x":1}}'
    const bare = { ...message('1'), text, raw: () => undefined } as Message<never>
    await state.putNewest([bare], keyOf)
    expect(await state.read('EUR')).to.deep.include({ value: '{"pair":"EUR", "rate": 1.10,"bid":{"x":1}}' })
  })

  it('keeps another text when the type gives one', async () => {
    await state.putNewest([message('1')], keyOf, () => '{"mine":1}')
    expect(await state.read('EUR')).to.deep.include({ value: '{"mine":1}' })
  })

  it('joins changes of every shape', async () => {
    const one = message('1')
    await state.join([
      { message: one, key: 'own', shape: 'own', value: 'a' },
      { message: message('2'), key: 'own', shape: 'own', value: 'b' },
      { message: one, key: 'gone', shape: 'tombstone' },
      { message: one, key: 'members', shape: 'weights', members: [{ member: 'a', weight: '1' }] },
      { message: one, key: 'array', shape: 'array', value: '[]' },
    ])
    expect(await state.read('own')).to.deep.include({ value: 'a+b', version: '2' })
    expect(await state.read('gone')).to.deep.include({ shape: 'tombstone', version: '1' })
    expect(await state.read('members')).to.deep.include({ members: [{ member: 'a', weight: '1', version: '1' }] })
    expect(await state.read('array')).to.deep.include({ shape: 'array', value: '[]' })
  })

  it('notes a message that speaks of several keys when it is late in all of them, and not before', async () => {
    const change = (one: Message<never>, key: string) => ({ message: one, key, shape: 'value', value: '1' }) as const
    const [one, both] = [message('1'), message('1')]
    await state.join([change(message('2'), 'a'), change(message('2'), 'b')])
    await state.join([change(one, 'a'), change(one, 'c'), change(both, 'a')])
    await state.join([change(both, 'b')])
    expect([...state.superseded]).to.deep.equal([both])
  })

  it('supersedes what is too late, whatever stands there, but for what a type of its own joins', async () => {
    const lateness = new Lateness()
    await lateness.promise('2')
    state = new TrackedState(backend, 'rate', lateness)
    const change = (version: string, key: string, shape: 'value' | 'own') => ({ message: message(version), key, shape })
    const outcomes = await state.join([
      { ...change('1', 'a', 'value'), value: '1' },
      { ...change('2', 'b', 'value'), value: '2' },
      { ...change('1', 'c', 'own'), value: '3' },
      { message: message('1'), key: 'b', shape: 'tombstone' },
    ])
    expect(outcomes).to.deep.equal(['superseded', 'applied', 'applied', 'superseded'])
    expect([await state.read('a'), await state.read('b')]).to.deep.equal([
      undefined,
      { space: 'rate', key: 'b', shape: 'value', version: '2', value: '2' },
    ])
    expect(late()).to.deep.equal(['1', '1'])
    await lateness.promise('1')
    expect(lateness.isLate('1')).to.equal(true)
  })

  it('promises nothing before what was in time is joined', async () => {
    const lateness = new Lateness()
    let joined = () => {}
    const slow = { join: () => new Promise((resolve) => (joined = () => resolve(['applied']))) }
    state = new TrackedState(slow as unknown as StateBackend, 'rate', lateness)
    const applying = state.putNewest([message('1')], keyOf)
    const order: string[] = []
    const promised = lateness.promise('2').then(() => order.push('promised'))
    void applying.then(() => order.push('joined'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).to.deep.equal([])
    joined()
    await promised
    expect(order).to.deep.equal(['joined', 'promised'])
  })

  describe('update', () => {
    const add = (text: string) => (current: string | undefined) => `${current ?? ''}${text}`

    it('changes a value by what it is', async () => {
      expect(await state.update('EUR', add('a'), message('1'))).to.equal('applied')
      expect(await state.update('EUR', add('b'), message('3'))).to.equal('applied')
      expect(await state.update('EUR', add('c'), message('2'))).to.equal('applied')
      expect(await state.read('EUR')).to.deep.equal({ ...KEY, shape: 'own', version: '3', value: 'abc' })
    })

    it('that changes nothing is superseded, unless the message is the one that stands there', async () => {
      await state.update('EUR', add('a'), message('2'))
      expect(await state.update('EUR', (current) => current, message('1'))).to.equal('superseded')
      expect(await state.update('EUR', () => undefined, message('2'))).to.equal('applied')
      expect(late()).to.deep.equal(['1'])
    })

    it('tries again with what is there, when somebody else was quicker', async () => {
      const seen: (string | undefined)[] = []
      const racing = new TrackedState(disturbed(backend, 3), 'rate', new Lateness())
      await racing.update(
        'EUR',
        (current) => {
          seen.push(current)
          return `${current ?? ''}!`
        },
        message('9'),
      )
      expect(seen).to.deep.equal([undefined, '1', '2', '3'])
      expect(await state.read('EUR')).to.deep.include({ value: '3!' })
    })

    it('gives up after 16 tries with SLP_STATE_CONTENDED', async () => {
      let tries = 0
      const change = (current: StateEntry | undefined): StateEntry => {
        tries++
        return { ...KEY, shape: 'own', version: '9', value: `${current?.version}!` }
      }
      const failure = await update(disturbed(backend, 100), KEY, change).catch((error: unknown) => error)
      expect(failure).to.include({ code: 'SLP_STATE_CONTENDED' })
      expect(tries).to.equal(16)
    })
  })

  /** A backend in which somebody else writes the key between each reading and swapping, so many times. */
  function disturbed(target: StateBackend, times: number): StateBackend {
    let n = 0
    const read = async (keys: readonly StateKey[]) => {
      const entries = await target.read(keys)
      if (n < times) {
        n++
        await target.swap(entries[0], { ...KEY, shape: 'own', version: '1', value: `${n}` })
      }
      return entries
    }
    return { read, swap: target.swap.bind(target) } as unknown as StateBackend
  }
})
