import { expect } from 'chai'
import {
  createBus,
  type Kernel,
  type Plugin,
  type Settings,
  SlipstreamError,
  type Transport,
} from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { plugin, socket, storing, type } from './plugin-support.ts'
import { failureOf } from './support.ts'
import { wrong } from './wrong-plugins.ts'

declare module '../../core/index.ts' {
  interface Services {
    'test.clock': { readonly now: () => number }
  }
}

/** Starts a bus that must not come up, and tells why it did not. No socket may have been opened. */
async function refusalOf(plugins: readonly unknown[], settings: Partial<Settings> = {}): Promise<SlipstreamError> {
  const network = socket()
  const bus = createBus({ plugins: [network.plugin, ...(plugins as Plugin[])], settings })
  const error = await failureOf(SlipstreamError, () => bus.start())
  expect(network.seen.opened, 'sockets').to.equal(0)
  await bus.stop()
  return error
}

describe('plugins', () => {
  for (const { what, plugins, settings, code, names } of wrong) {
    it(`${what}: refused with ${code} before a socket opens`, async () => {
      const error = await refusalOf(plugins, settings)
      expect(error.code).to.equal(code)
      for (const name of names) expect(error.message).to.contain(name)
    })
  }

  it('that fail name themselves on the error, with the cause', async () => {
    const cause = new Error('no licence')
    const error = await refusalOf([
      storing,
      plugin('broken', () => {
        throw cause
      }),
    ])
    expect([error.plugin, error.hook, error.cause]).to.deep.equal(['broken', 'apply', cause])
  })

  it('are checked all before the first of them is applied', async () => {
    let applied = false
    const first = plugin('first', () => {
      applied = true
    })
    await refusalOf([storing, first, plugin('dashboard', undefined, { requires: ['http'] })])
    expect(applied).to.equal(false)
  })

  it('that register anything after the start are refused with SLP_PLUGIN_LATE', async () => {
    let kernel: Kernel | undefined
    const keeping = plugin('keeping', (given) => {
      kernel = given
    })
    const bus = createBus({ plugins: [storing, keeping] })
    await bus.start()
    const late: readonly ((kernel: Kernel) => unknown)[] = [
      type('fx.rate'),
      (it) => it.store(new MemoryStore()),
      (it) => it.hooks.onReceive.tap(() => undefined),
      (it) => it.hooks.ack.tapPromise(async () => {}),
      (it) => it.hooks.ack.tapAsync((_, done) => done()),
      (it) => it.healthCheck({ name: 'x', probe: 'info', check: () => ({ ok: true }) }),
      (it) => it.logSink(() => {}),
      (it) => it.provide('test.clock', Date),
      (it) => it.transport({} as Transport),
    ]
    for (const register of late) {
      const error = await failureOf(SlipstreamError, () => register(kernel as Kernel))
      expect([error.code, error.plugin]).to.deep.equal(['SLP_PLUGIN_LATE', 'keeping'])
    }
    await bus.stop()
  })

  it('are applied in order and closed in reverse, once', async () => {
    const steps: string[] = []
    const named = (name: string) =>
      plugin(name, () => steps.push(`+${name}`), { close: () => void steps.push(`-${name}`) })
    const bus = createBus({ plugins: [named('a'), storing, named('b'), named('c')] })
    await bus.start()
    await Promise.all([bus.stop(), bus.stop()])
    await bus.stop()
    expect(steps).to.deep.equal(['+a', '+b', '+c', '-c', '-b', '-a'])
  })

  it('are closed in reverse when one fails, that one included; later ones are left alone', async () => {
    const steps: string[] = []
    const named = (name: string, apply = () => {}) =>
      plugin(name, apply, { close: async () => void steps.push(`-${name}`) })
    const failing = () => {
      throw new Error('halfway')
    }
    await refusalOf([named('a'), storing, named('b'), named('broken', failing), named('never')])
    expect(steps).to.deep.equal(['-broken', '-b', '-a'])
  })

  it('that cannot be closed do not keep the others open', async () => {
    const steps: string[] = []
    const named = (name: string) => plugin(name, undefined, { close: () => void steps.push(name) })
    const failing = plugin('failing', undefined, { close: () => Promise.reject(new Error('stuck')) })
    const hanging = plugin('hanging', undefined, { close: () => new Promise(() => {}) })
    const bus = createBus({
      plugins: [named('a'), failing, hanging, named('b'), storing],
      settings: { tapBudgetMs: 20 },
    })
    await bus.start()
    await bus.stop()
    expect(steps).to.deep.equal(['b', 'a'])
  })

  it('learn of the life of the bus in its order', async () => {
    const steps: string[] = []
    const watching = plugin('watching', ({ hooks }) => {
      hooks.start.tapPromise(async () => void steps.push('start'))
      hooks.ready.tap(() => void steps.push('ready'))
      hooks.drain.tapPromise(async () => void steps.push('drain'))
      hooks.stop.tapPromise(async () => void steps.push('stop'))
    })
    const bus = createBus({ plugins: [watching, storing] })
    await bus.start()
    await bus.stop()
    expect(steps).to.deep.equal(['start', 'ready', 'drain', 'stop'])
  })

  it('find services of earlier ones', async () => {
    const offering = plugin('offering', (kernel) => kernel.provide('test.clock', { now: () => 7 }))
    let seen: number | undefined
    const using = plugin('using', (kernel) => {
      seen = kernel.use('test.clock').now()
    })
    let missing: unknown = 'not asked'
    const early = plugin('early', (kernel) => {
      missing = kernel.find('test.clock')
    })
    const bus = createBus({ plugins: [early, offering, using, storing] })
    await bus.start()
    await bus.stop()
    expect([seen, missing]).to.deep.equal([7, undefined])
  })

  it('are reported with what they cost', async () => {
    const bus = createBus({ plugins: [storing, plugin('rates', undefined, { version: '1.2.3' })] })
    await bus.start()
    expect(bus.plugins()[1]).to.deep.equal({ name: 'rates', version: '1.2.3', milliseconds: 0, calls: 0, faults: 0 })
    await bus.stop()
  })
})
