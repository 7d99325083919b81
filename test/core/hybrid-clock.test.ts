import { expect } from 'chai'
import fc from 'fast-check'
import { HybridClock, MAX_CLOCK_AHEAD_MS } from '../../core/hybrid-clock.ts'
import { ManualRuntime } from './manual-runtime.ts'

const NOW = 1_700_000_000_000

describe('the hybrid clock', () => {
  it('writes milliseconds, counter and name, so that strings compare as the writes do', () => {
    const clock = new HybridClock(new ManualRuntime(NOW), 'aws-1')
    expect(clock.stamp()).to.equal('1700000000000-00000-aws-1')
    expect(clock.stamp()).to.equal('1700000000000-00001-aws-1')
  })

  it('never goes back nor repeats itself, whatever happens to the clock and whomever it hears', () => {
    const step = fc.oneof(
      fc.record({ clock: fc.integer({ min: NOW - 100_000, max: NOW + 100_000 }) }),
      fc.record({ ms: fc.integer({ min: NOW - 200_000, max: NOW + 200_000 }), counter: fc.nat({ max: 99_999 }) }),
      fc.constant('stamp' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const runtime = new ManualRuntime(NOW)
        const clock = new HybridClock(runtime, 'a')
        let last = ''
        for (const one of [...steps, 'stamp' as const]) {
          if (one === 'stamp') {
            const stamp = clock.stamp()
            expect(stamp > last, `${stamp} after ${last}`).to.equal(true)
            last = stamp
          } else if ('clock' in one) {
            runtime.setClock(one.clock)
          } else {
            clock.observe(`${one.ms}-${String(one.counter).padStart(5, '0')}-b`)
          }
        }
      }),
    )
  })

  it('stamps behind everything it has heard', () => {
    const clock = new HybridClock(new ManualRuntime(NOW), 'a')
    const heard = `${NOW + 59_000}-00041-b`
    clock.observe(heard)
    expect(clock.stamp()).to.equal(`${NOW + 59_000}-00042-a`)
  })

  it('follows a stamp that is ahead by the bound, and ignores one that is further', () => {
    const clock = new HybridClock(new ManualRuntime(NOW), 'a')
    clock.observe(`${NOW + MAX_CLOCK_AHEAD_MS + 1}-00000-b`)
    expect(clock.stamp()).to.equal(`${NOW}-00000-a`)
    clock.observe(`${NOW + MAX_CLOCK_AHEAD_MS}-00000-b`)
    expect(clock.stamp()).to.equal(`${NOW + MAX_CLOCK_AHEAD_MS}-00001-a`)
  })

  it('goes on after a restart behind the last stamp, even when the wall clock stepped back', () => {
    const clock = new HybridClock(new ManualRuntime(NOW - 3_600_000), 'a', `${NOW}-00007-a`)
    expect(clock.stamp()).to.equal(`${NOW}-00008-a`)
  })

  it('takes the next millisecond when the counter is full', () => {
    const clock = new HybridClock(new ManualRuntime(NOW), 'a', `${NOW}-99999-a`)
    expect(clock.stamp()).to.equal(`${NOW + 1}-00000-a`)
  })

  it('starts to count anew with each millisecond', async () => {
    const runtime = new ManualRuntime(NOW)
    const clock = new HybridClock(runtime, 'a')
    clock.stamp()
    clock.stamp()
    await runtime.advance(1)
    expect(clock.stamp()).to.equal(`${NOW + 1}-00000-a`)
  })
})
