import { expect } from 'chai'
import type { HealthCheck, HealthReport, Plugin } from '../../../core/index.ts'
import { health } from '../../../plugins/admin/health/index.ts'
import { addressOf, ask, closeAll, eventually, makeBus, startBus } from './support.ts'

type Reports = Partial<Record<HealthCheck['probe'], () => HealthReport>>

/** A check of each of these probes, named after it. */
function checks(reports: Reports): Plugin {
  return {
    name: 'checks',
    apply(kernel) {
      for (const [probe, check] of Object.entries(reports) as [HealthCheck['probe'], () => HealthReport][]) {
        kernel.healthCheck({ name: `a ${probe} check`, probe, check })
      }
    },
  }
}

const well = () => ({ ok: true })
const ill = () => ({ ok: false, detail: 'the disk is full' })
const started = (reports: Reports) => startBus({ plugins: [health(), checks(reports)] })

describe('health', () => {
  afterEach(closeAll)

  for (const [what, reports, live, ready, all] of [
    ['everything well', { live: well, ready: well, info: well }, 200, 200, 200],
    ['a failing live check', { live: ill, ready: well, info: well }, 503, 503, 503],
    ['a failing ready check', { live: well, ready: ill, info: well }, 200, 503, 503],
    ['a failing check that only informs', { live: well, ready: well, info: ill }, 200, 200, 200],
    ['no checks but its own', {}, 200, 200, 200],
  ] as const) {
    it(`with ${what}: livez ${live}, readyz ${ready}, healthz ${all}`, async () => {
      const { ask } = await started(reports)
      expect((await ask('/livez')).status).to.equal(live)
      expect((await ask('/readyz')).status).to.equal(ready)
      expect((await ask('/healthz')).status).to.equal(all)
    })
  }

  it('has a line for each check', async () => {
    const { ask } = await started({ live: well, ready: ill, info: well })
    const store = { name: 'store', probe: 'ready', ok: true }
    const apply = { name: 'apply', probe: 'ready', ok: true }
    const clock = { name: 'clock', probe: 'ready', ok: true }
    const bus = { name: 'bus', probe: 'ready', ok: true }
    const live = { name: 'a live check', probe: 'live', ok: true }
    const ready = { name: 'a ready check', probe: 'ready', ok: false, detail: 'the disk is full' }
    const info = { name: 'a info check', probe: 'info', ok: true }
    expect((await ask('/livez')).body).to.deep.equal({ status: 'ok', checks: [live] })
    expect((await ask('/readyz')).body).to.deep.equal({
      status: 'failing',
      checks: [store, bus, live, ready, apply, clock],
    })
    expect((await ask('/healthz')).body).to.deep.equal({
      status: 'failing',
      checks: [store, bus, live, ready, info, apply, clock],
    })
  })

  it('counts a check that throws as failed, tells the log once why, and the probe not', async () => {
    const lines: (string | undefined)[] = []
    const sink: Plugin = {
      name: 'sink',
      apply: (kernel) => kernel.logSink((_, event, { reason }) => event.startsWith('health') && lines.push(reason)),
    }
    const live = () => {
      throw new Error('the secret of the house')
    }
    const { ask } = await startBus({ first: [sink], plugins: [health(), checks({ live })] })
    const { status, text } = await ask('/livez')
    await ask('/livez')
    expect(status).to.equal(503)
    expect(text).not.to.contain('secret')
    expect(lines).to.deep.equal(['the secret of the house'])
  })

  it('is not ready before the bus is', async () => {
    let meanwhile = 0
    const early: Plugin = {
      name: 'early',
      apply(kernel) {
        kernel.hooks.start.tapPromise(async () => {
          meanwhile = (await ask(addressOf(kernel), '/readyz')).status ?? 0
        })
      },
    }
    const { ask: askLater } = await startBus({ plugins: [health(), early] })
    expect(meanwhile).to.equal(503)
    expect((await askLater('/readyz')).status).to.equal(200)
  })

  it('is not ready while the bus drains, and still alive', async () => {
    let finish = () => {}
    const slow: Plugin = {
      name: 'slow',
      apply: (kernel) =>
        kernel.hooks.drain.tapPromise(
          () =>
            new Promise((resolve) => {
              finish = resolve
            }),
        ),
    }
    const { bus, kernel } = makeBus({ plugins: [health(), slow] })
    await bus.start()
    const address = addressOf(kernel())
    const stopped = bus.stop()
    await eventually(async () => (await ask(address, '/readyz')).status === 503)
    expect((await ask(address, '/livez')).status).to.equal(200)
    expect((await ask(address, '/readyz')).text).to.contain('shutting down')
    finish()
    await stopped
  })

  it('answers those who come from elsewhere and bear no token', async () => {
    const { ask } = await started({})
    expect((await ask('/healthz', { headers: { host: 'bus.example' } })).status).to.equal(200)
  })
})
