import { expect } from 'chai'
import { Guard, type GuardedHooks } from '../../core/guard.ts'
import { createHooks } from '../../core/hooks.ts'
import { type ErrorCode, ProtocolFault, SlipstreamError } from '../../core/index.ts'
import { Route } from '../../core/route.ts'
import { ManualRuntime, settle } from './manual-runtime.ts'
import { client, failureOf, message, receivedFrom } from './support.ts'

const BUDGET_MS = 30_000

function guarded() {
  const runtime = new ManualRuntime()
  const hooks = createHooks()
  const reports: SlipstreamError[] = []
  const guard = new Guard(runtime, BUDGET_MS, (error) => void reports.push(error))
  guard.watch(hooks)
  const as = (plugin: string): GuardedHooks => guard.hooksFor(plugin, hooks, () => {})
  return { runtime, hooks, guard, as, reports }
}

const arrival = () => receivedFrom(client(), { type: 'SK' })
const isFailure = (error: SlipstreamError, code: ErrorCode, plugin: string, hook: string) =>
  expect({ code: error.code, plugin: error.plugin, hook: error.hook }).to.deep.equal({ code, plugin, hook })

const NO_CHANGES = { settlements: [], retries: [], deaths: [] }

describe('the guard', () => {
  it('names plugin and hook, and keeps the cause, of what a synchronous tap throws', async () => {
    const { hooks, as } = guarded()
    const cause = new TypeError('x is not a function')
    as('rates').onReceive.tap(() => {
      throw cause
    })
    const error = await failureOf(SlipstreamError, () => hooks.onReceive.call(arrival()))
    isFailure(error, 'SLP_PLUGIN_FAILED', 'rates', 'onReceive')
    expect(error.cause).to.equal(cause)
    expect(error.message).to.equal('[rates] onReceive: x is not a function')
  })

  it('names plugin and hook of what a promise is rejected with, or thrown before there is one', async () => {
    for (const tap of [
      () => Promise.reject(new Error('disk')),
      () => {
        throw new Error('disk')
      },
    ]) {
      const { hooks, as } = guarded()
      as('mirror').persist.tapPromise(tap)
      const error = await failureOf(SlipstreamError, () => hooks.persist.promise([], NO_CHANGES))
      isFailure(error, 'SLP_PLUGIN_FAILED', 'mirror', 'persist')
      expect((error.cause as Error).message).to.equal('disk')
    }
  })

  it('names plugin and hook of what a callback is given', async () => {
    const { hooks, as } = guarded()
    as('mirror').persist.tapAsync((_entries, _changes, done) => done(new Error('disk')))
    isFailure(
      await failureOf(SlipstreamError, () => hooks.persist.promise([], NO_CHANGES)),
      'SLP_PLUGIN_FAILED',
      'mirror',
      'persist',
    )
  })

  it('keeps what was thrown that is no error at all', async () => {
    const { hooks, as } = guarded()
    as('odd').onReceive.tap(() => {
      throw 'a string'
    })
    const error = await failureOf(SlipstreamError, () => hooks.onReceive.call(arrival()))
    expect([error.cause, error.message]).to.deep.equal(['a string', '[odd] onReceive: a string'])
  })

  it('lets a refusal in the words of the protocol through, and does not count it as a fault', async () => {
    const { hooks, as, guard } = guarded()
    const fault = new ProtocolFault('FORBIDDEN', 'not for you')
    as('rights').onReceive.tap(() => {
      throw fault
    })
    expect(await failureOf(ProtocolFault, () => hooks.onReceive.call(arrival()))).to.equal(fault)
    expect(guard.account('rights').faults).to.equal(0)
  })

  it('reports a failure where taps only take part, and gives the next one its turn', async () => {
    const { hooks, as, reports } = guarded()
    const turns: string[] = []
    as('bad').ack.tapPromise(() => Promise.reject(new Error('disk')))
    as('worse').ack.tap(() => {
      throw new ProtocolFault('BUSY', 'no hook for that')
    })
    as('good').ack.tap(() => void turns.push('ack'))
    as('bad').refused.tap(() => {
      throw new Error('no')
    })
    as('good').refused.tap(() => void turns.push('refused'))
    await hooks.ack.promise([])
    hooks.refused.call({
      sender: client(),
      messageId: undefined,
      type: undefined,
      code: 'BUSY',
      reason: 'test',
      retryable: true,
    })
    expect(turns).to.deep.equal(['ack', 'refused'])
    expect(reports.map(({ plugin, hook, code }) => [plugin, hook, code])).to.deep.equal([
      ['bad', 'ack', 'SLP_PLUGIN_FAILED'],
      ['worse', 'ack', 'SLP_PLUGIN_FAILED'],
      ['bad', 'refused', 'SLP_PLUGIN_FAILED'],
    ])
  })

  it('measures the time and counts the calls and faults of each plugin', async () => {
    const { hooks, as, guard, runtime } = guarded()
    as('slow').onReceive.tap(() => {
      runtime.setClock(runtime.now() + 7)
      return undefined
    })
    as('slow').ack.tapPromise(async () => {
      runtime.setClock(runtime.now() + 30)
      throw new Error('no')
    })
    as('quick').onReceive.tap(() => undefined)
    hooks.onReceive.call(arrival())
    hooks.onReceive.call(arrival())
    await hooks.ack.promise([])
    expect(guard.account('slow')).to.deep.equal({ milliseconds: 44, calls: 3, faults: 1 })
    expect(guard.account('quick')).to.deep.equal({ milliseconds: 0, calls: 2, faults: 0 })
  })

  it('lets a callback count once, so that later taps run once', async () => {
    const { hooks, as } = guarded()
    let later = 0
    as('twice').ack.tapAsync((_acknowledgements, done) => {
      done()
      done()
      done(new Error('too late'))
    })
    as('later').ack.tap(() => void later++)
    await hooks.ack.promise([])
    await settle()
    expect(later).to.equal(1)
  })

  it('holds a tap that waits to its time budget', async () => {
    const { hooks, as, runtime } = guarded()
    as('stuck').persist.tapPromise(() => new Promise(() => {}))
    const waiting = failureOf(SlipstreamError, () => hooks.persist.promise([], NO_CHANGES))
    await settle()
    expect(runtime.timers).to.deep.equal([BUDGET_MS])
    await runtime.advance(BUDGET_MS)
    const error = await waiting
    isFailure(error, 'SLP_PLUGIN_TIMEOUT', 'stuck', 'persist')
    expect(error.message).to.contain('tapBudgetMs')
  })

  it('holds a callback that never comes to it as well', async () => {
    const { hooks, as, runtime, reports } = guarded()
    as('stuck').ack.tapAsync(() => {})
    const done = hooks.ack.promise([])
    await settle()
    await runtime.advance(BUDGET_MS)
    await done
    expect(reports.map(({ code }) => code)).to.deep.equal(['SLP_PLUGIN_TIMEOUT'])
  })

  it('leaves no timer behind when a tap is in time', async () => {
    const { hooks, as, runtime } = guarded()
    as('good').ack.tapPromise(async () => {})
    await hooks.ack.promise([])
    expect(runtime.timers).to.deep.equal([])
  })

  it('holds a step of the plugin’s life to it, and names it', async () => {
    const { guard, runtime } = guarded()
    const failed = await failureOf(SlipstreamError, () =>
      guard.step('broken', 'apply', () => {
        throw new Error('no')
      }),
    )
    isFailure(failed, 'SLP_PLUGIN_FAILED', 'broken', 'apply')
    const waiting = failureOf(SlipstreamError, () => guard.step('stuck', 'apply', () => new Promise(() => {})))
    await settle()
    await runtime.advance(BUDGET_MS)
    isFailure(await waiting, 'SLP_PLUGIN_TIMEOUT', 'stuck', 'apply')
  })

  it('leaves what a tap answers as it is', async () => {
    const { hooks, as } = guarded()
    const route = new Route([])
    as('narrow').route.tap(() => route)
    as('store').persist.tapAsync((_entries, _changes, done) => done(null, [{ status: 'uncertain' }]))
    as('deaf').onReceive.tap(() => undefined)
    as('strict').onReceive.tap(() => ({ status: 'duplicate', recipients: 2 }))
    expect(hooks.route.call(new Route([]), message())).to.equal(route)
    expect(await hooks.persist.promise([], NO_CHANGES)).to.deep.equal([{ status: 'uncertain' }])
    expect(hooks.onReceive.call(arrival())).to.deep.equal({ status: 'duplicate', recipients: 2 })
  })

  it('shows plugins nothing of a hook but the ways to tap it', () => {
    const { as } = guarded()
    const hooks = as('curious')
    expect(Object.keys(hooks.persist).sort()).to.deep.equal(['tap', 'tapAsync', 'tapPromise'])
    expect(hooks).to.satisfy(Object.isFrozen)
    expect(hooks.persist).to.satisfy(Object.isFrozen)
  })
})
