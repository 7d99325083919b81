import { expect } from 'chai'
import { Applier } from '../../core/applier.ts'
import { Guard } from '../../core/guard.ts'
import { createHooks } from '../../core/hooks.ts'
import {
  type Applied,
  type Kernel,
  type Message,
  SlipstreamError,
  type StateBackend,
  systemRuntime,
} from '../../core/index.ts'
import type { AnyMessageType } from '../../core/message-type.ts'
import { Lateness } from '../../core/state/lateness.ts'
import { messageMaker } from '../../core/testing/index.ts'
import { TypeRegistry } from '../../core/type-registry.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { keeping, startBus } from '../support/bus.ts'
import { failureOf } from './support.ts'

const schema = { type: 'object' }

/** An applier for one type, and what it tells. */
async function applierOf(type: Partial<AnyMessageType>, state: StateBackend | undefined) {
  const hooks = createHooks()
  const types = new TypeRegistry()
  const guard = new Guard(systemRuntime, 1_000, () => {})
  const told: Applied[] = []
  const failures: Error[] = []
  hooks.applied.tap('test', (applied) => void told.push(applied))
  types.register({ name: 'test' }, 'note', { schema, ...type })
  await state?.open({ runtime: undefined as never, joinedBy: (space) => types.joinOf(space) })
  const applier = new Applier({
    types,
    hooks,
    guard,
    state,
    lateness: new Lateness(),
    fail: (error) => void failures.push(error),
  })
  return { applier, told, failures }
}

describe('applying', () => {
  let backend: MemoryState
  let make: ReturnType<typeof messageMaker>

  beforeEach(() => {
    backend = new MemoryState()
    make = messageMaker()
  })

  const put: AnyMessageType['apply'] = (messages, { state }) => state.putNewest(messages, () => 'k')

  it("writes into the type's own space, and tells what was handled and what came late", async () => {
    const { applier, told } = await applierOf({ apply: put }, backend)
    const messages = [make({ version: '2' }), make({ version: '1' })]
    await applier.apply('note', messages)
    expect(told).to.have.length(1)
    expect(told[0]).to.include({ type: 'note', messages })
    expect([...(told[0] as Applied).superseded]).to.deep.equal([messages[1]])
    expect(await backend.read([{ space: 'note', key: 'k' }])).to.have.nested.property('[0].version', '2')
  })

  it('writes into the space that the type shares with others', async () => {
    const { applier } = await applierOf({ apply: put, space: 'keys' }, backend)
    await applier.apply('note', [make({ version: '1' })])
    expect(await backend.read([{ space: 'keys', key: 'k' }])).to.have.nested.property('[0].version', '1')
  })

  it("joins a type's texts as the type says", async () => {
    const own = (message: Message<never>) =>
      ({ message, key: 'k', shape: 'own', value: message.raw('value') as string }) as const
    const type: Partial<AnyMessageType> = {
      join: (one, other) => [one, other].sort().join('+'),
      apply: (messages, { state }) => state.join(messages.map(own)),
    }
    const { applier } = await applierOf(type, backend)
    await applier.apply('note', [make({ version: '1', value: '2' }), make({ version: '2', value: '1' })])
    expect(await backend.read([{ space: 'note', key: 'k' }])).to.have.nested.property('[0].value', '1+2')
  })

  it('tells nothing of what failed', async () => {
    const { applier, told, failures } = await applierOf({ apply: () => Promise.reject(new Error('no')) }, backend)
    expect((await failureOf(Error, () => applier.apply('note', [make()]))).message).to.equal('no')
    expect([told, failures]).to.deep.equal([[], []])
  })

  it('ends the bus when the state cannot be trusted any more', async () => {
    const lost = new SlipstreamError('SLP_STORE_LOST', 'lost')
    const { applier, failures } = await applierOf({ apply: () => Promise.reject(lost) }, backend)
    await failureOf(SlipstreamError, () => applier.apply('note', [make()]))
    expect(failures).to.deep.equal([lost])
  })

  describe('without a state backend', () => {
    for (const [what, keeps] of [
      ['a merge', { merge: 'newest' }],
      ['a join', { join: (one: string) => one }],
      ['a space', { space: 'keys' }],
    ] as const) {
      it(`a type that declares ${what} is not applied`, async () => {
        const { applier, told } = await applierOf({ ...keeps, apply: () => expect.fail('was called') }, undefined)
        expect(applier.applies('note')).to.equal(false)
        await applier.apply('note', [make()])
        expect(told).to.deep.equal([])
      })
    }

    it('a type that declares nothing is applied, and refused with SLP_STATE_MISSING when it asks for the state', async () => {
      const seen: (readonly Message<never>[])[] = []
      const { applier } = await applierOf({ apply: (messages) => void seen.push(messages) }, undefined)
      expect(applier.applies('note')).to.equal(true)
      await applier.apply('note', [make()])
      expect(seen).to.have.length(1)
      const { applier: asking } = await applierOf({ apply: put }, undefined)
      const { code } = await failureOf(SlipstreamError, () => asking.apply('note', [make()]))
      expect(code).to.equal('SLP_STATE_MISSING')
    })
  })

  describe('on a bus', () => {
    it('the state is open when plugins start, can be read by them, and is closed behind them', async () => {
      const seen: string[] = []
      const noting = (what: string) => async (kernel: Kernel) => {
        const [entry] = (await kernel.state?.read([{ space: 'keys', key: 'k' }])) ?? []
        seen.push(`${what} ${kernel.state?.name} ${entry}`)
      }
      const reader = {
        name: 'reader',
        apply(kernel: Kernel) {
          kernel.hooks.start.tapPromise(() => noting('start')(kernel))
          kernel.hooks.stop.tapPromise(() => noting('stop')(kernel))
        },
      }
      const bus = await startBus({ plugins: [keeping(backend), reader] })
      await bus.stop()
      expect(seen).to.deep.equal(['start memory undefined', 'stop memory undefined'])
      await failureOf(SlipstreamError, () => backend.read([]))
    })
  })
})
