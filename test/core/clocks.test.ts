import { expect } from 'chai'
import { Clocks } from '../../core/clocks.ts'
import { HybridClock } from '../../core/hybrid-clock.ts'
import type { Link } from '../../core/links.ts'
import { clockLab } from './clock-lab.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { client, failureOf, instance, message } from './support.ts'

const HOUR_MS = 3_600_000
/** Each peer is told the time that often. */
const TELL_TIME_MS = 15_000
const MESH = ['a-b', 'b-c', 'a-c'] as const
const STAR = ['a-hub', 'b-hub', 'c-hub'] as const

describe('the clocks of linked instances', () => {
  it('are compared from the start of a link, and again and again', async () => {
    const lab = await clockLab('a-b')
    expect([lab.at('a').aheadSeconds('b'), lab.at('b').aheadSeconds('a')]).to.deep.equal([0, 0])
    await lab.step('b', 30_000)
    expect(lab.at('b').aheadSeconds('a'), 'one knows at once that its own was set').to.equal(-30)
    await lab.pass(TELL_TIME_MS)
    expect(lab.at('a').aheadSeconds('b')).to.equal(30)
    await lab.step('b', -60_000)
    await lab.pass(5 * TELL_TIME_MS)
    expect([lab.at('a').aheadSeconds('b'), lab.at('b').aheadSeconds('a')]).to.deep.equal([-30, 30])
    expect(lab.at('a').clockCheck).to.deep.equal({ ok: true })
  })

  it('are unknown of whoever is away', async () => {
    const lab = await clockLab('a-b')
    await lab.stop('b')
    await lab.pass(1_000)
    expect(lab.at('a').aheadSeconds('b')).to.equal(undefined)
  })

  for (const [where, by] of [
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ] as const) {
    it(`let the one of three that is an hour ${where} refuse what is published, and only that, until it is right again`, async () => {
      const lab = await clockLab(...MESH)
      await lab.step('c', by)
      await lab.pass(1_000)
      const refused = await lab.publish('c', 'm-1')
      expect(refused).to.include({ type: 'NACK', code: 'CLOCK_SKEW', retryable: true })
      expect(refused?.reason).to.match(/a is 3600 s (ahead|behind), b is 3600 s (ahead|behind); correct it \(NTP\)/)
      expect(lab.at('c').clockCheck).to.include({ ok: false })
      await lab.pass(5 * TELL_TIME_MS)
      expect((await lab.publish('a', 'm-2'))?.type).to.equal('ACK')
      expect((await lab.publish('b', 'm-3'))?.type).to.equal('ACK')
      expect(lab.at('a').clockCheck).to.deep.equal({ ok: true, detail: `clocks differ: c is 3600 s ${where}` })
      await lab.step('c', -by)
      await lab.pass(1_000)
      const isRight = where === 'behind'
      expect((await lab.publish('c', 'm-1'))?.type, 'its stamps go on from where they were').to.equal(
        isRight ? 'ACK' : 'NACK',
      )
      expect(lab.at('c').clockCheck?.ok).to.equal(isRight)
      await lab.pass(HOUR_MS)
      expect(lab.at('c').clockCheck).to.deep.equal({ ok: true })
      expect((await lab.publish('c', 'm-4'))?.type).to.equal('ACK')
      await lab.pass(10_000)
      for (const name of ['a', 'b', 'c']) expect(lab.at(name).applied, name).to.include.members(['m-2', 'm-3', 'm-4'])
    })
  }

  it('stay wrong across a restart, which is noticed when the links are up', async () => {
    const lab = await clockLab(...MESH)
    await lab.step('c', HOUR_MS)
    await lab.stop('c')
    await lab.start('c')
    await lab.pass(10_000)
    expect((await lab.publish('c', 'm-1'))?.code).to.equal('CLOCK_SKEW')
  })

  it('that two alone disagree about stop neither: both say so, and go on', async () => {
    const lab = await clockLab('a-b')
    await lab.step('b', HOUR_MS)
    await lab.pass(TELL_TIME_MS)
    expect((await lab.publish('a', 'm-1'))?.type).to.equal('ACK')
    expect((await lab.publish('b', 'm-2'))?.type).to.equal('ACK')
    expect(lab.at('a').clockCheck).to.deep.equal({ ok: true, detail: 'clocks differ: b is 3600 s ahead' })
    expect(lab.at('b').clockCheck).to.deep.equal({ ok: true, detail: 'clocks differ: a is 3600 s behind' })
  })

  it('stop the arm of a star that is off: its only peer agrees with a third', async () => {
    const lab = await clockLab(...STAR)
    await lab.step('b', -HOUR_MS)
    await lab.pass(2 * TELL_TIME_MS)
    expect((await lab.publish('b', 'm-1'))?.code).to.equal('CLOCK_SKEW')
    for (const name of ['a', 'c', 'hub']) expect((await lab.publish(name, `m-${name}`))?.type, name).to.equal('ACK')
  })

  it('stop the middle of a star that is off, and none of its arms', async () => {
    const lab = await clockLab(...STAR)
    await lab.step('hub', HOUR_MS)
    await lab.pass(6 * TELL_TIME_MS)
    expect((await lab.publish('hub', 'm-1'))?.code).to.equal('CLOCK_SKEW')
    for (const name of ['a', 'b', 'c']) expect((await lab.publish(name, `m-${name}`))?.type, name).to.equal('ACK')
  })

  it('let messages over links pass, whatever they show', async () => {
    const lab = await clockLab('a-hub', 'hub-b')
    await lab.step('hub', HOUR_MS)
    await lab.pass(TELL_TIME_MS)
    expect((await lab.publish('a', 'm-1'))?.type).to.equal('ACK')
    await lab.pass(5_000)
    expect(lab.at('hub').applied).to.deep.equal(['m-1'])
    expect(lab.at('b').applied).to.deep.equal(['m-1'])
  })

  it('let pass what an instance of the deployed system sends, though it is stamped here', async () => {
    const lab = await clockLab(...MESH)
    await lab.step('c', -HOUR_MS)
    await lab.pass(1_000)
    expect((await lab.publish('c', 'm-1'))?.code).to.equal('CLOCK_SKEW')
    expect((await lab.relay('c', 'old', { messageId: 'm-2', key: 'k' }))?.type).to.equal('ACK')
  })

  it('are guessed from the stamps of peers that do not tell their time', async () => {
    const lab = await clockLab('a-b')
    await lab.stop('b')
    for (const peer of ['x', 'y']) {
      const version = `${lab.now('a') + HOUR_MS}-00000-${peer}`
      const origin = { originInstanceId: peer, originSequence: 'e.1', version }
      expect((await lab.relay('a', peer, { messageId: `from-${peer}`, key: 'k', ...origin }))?.type).to.equal('ACK')
    }
    await lab.pass(1_000)
    expect((await lab.publish('a', 'm-1'))?.code).to.equal('CLOCK_SKEW')
  })

  it('hold back scheduled messages that are due while their instance is off', async () => {
    const lab = await clockLab(...MESH)
    const notBefore = lab.now('c') + 20_000
    expect((await lab.publish('c', 'm-1', { notBefore }))?.type).to.equal('ACK')
    await lab.step('c', -2 * HOUR_MS)
    await lab.step('c', 4 * HOUR_MS)
    await lab.pass(60_000)
    for (const name of ['a', 'c']) expect(lab.at(name).applied, name).to.deep.equal([])
    await lab.step('c', -2 * HOUR_MS)
    await lab.pass(3 * HOUR_MS)
    for (const name of ['a', 'b', 'c']) expect(lab.at(name).applied, name).to.deep.equal(['m-1'])
  })
})

describe('a message from an instance whose clock is an hour ahead', () => {
  it('is applied there at once, and at the others when it is due', async () => {
    const lab = await clockLab('a-b')
    await lab.step('b', HOUR_MS)
    await lab.publish('b', 'm-1')
    await lab.pass(10_000)
    expect([lab.at('b').applied, lab.at('a').applied]).to.deep.equal([['m-1'], []])
    await lab.pass(HOUR_MS - 60_000 - 10_000)
    expect(lab.at('a').applied).to.deep.equal(['m-1'])
  })
})

describe('an instance whose clock is an hour behind', () => {
  it('applies what others stamp when its clock is right again, within seconds', async () => {
    const lab = await clockLab('a-b')
    await lab.step('b', -HOUR_MS)
    await lab.stop('b')
    await lab.start('b')
    await lab.pass(5_000)
    await lab.publish('a', 'm-1')
    await lab.pass(60_000)
    expect([lab.at('a').applied, lab.at('b').applied]).to.deep.equal([['m-1'], []])
    await lab.step('b', HOUR_MS)
    await lab.pass(10_000)
    expect(lab.at('b').applied).to.deep.equal(['m-1'])
  })
})

describe('an instance that compares its clock', () => {
  const NOW = 1_700_000_000_000

  function comparing(...links: readonly Link[]) {
    const runtime = new ManualRuntime(NOW)
    const clocks = new Clocks({ runtime, clock: new HybridClock(runtime, 'here'), links: () => links })
    const stampedAt = (link: Link, by: number, who = link.peer) => {
      const version = `${NOW + by}-00000-${who}`
      clocks.passed(message({ version, originInstanceId: link.peer ?? '' }), link)
    }
    return { runtime, clocks, stampedAt }
  }

  const tells = (clocks: Clocks, link: Link, time: number) => clocks.told(link, time, 0)

  it('counts more than half of those whose clocks are known', () => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(instance) as [Link, Link, Link, Link]
    const { clocks } = comparing(a, b, c, d, instance('unknown'))
    tells(clocks, a, NOW + HOUR_MS)
    tells(clocks, b, NOW)
    expect(clocks.isOff, 'one of two').to.equal(false)
    tells(clocks, c, NOW - HOUR_MS)
    expect(clocks.isOff, 'two of three').to.equal(true)
    tells(clocks, d, NOW + 60_000)
    expect(clocks.isOff, 'two of four').to.equal(false)
    expect([clocks.agreeingBeside(a), clocks.agreeingBeside(b)]).to.deep.equal([2, 1])
  })

  it('asks no client', () => {
    const [shop, till] = [client('shop'), client('till')]
    const { clocks } = comparing(shop, till)
    tells(clocks, shop, 0)
    tells(clocks, till, 0)
    expect(clocks.isOff).to.equal(false)
  })

  it('guesses from what peers have stamped themselves that do not tell their time', async () => {
    const [a, b] = [instance('a'), instance('b')] as const
    const { clocks, stampedAt } = comparing(a, b)
    stampedAt(a, HOUR_MS)
    stampedAt(b, HOUR_MS)
    expect(clocks.isOff).to.equal(true)
    const fault = await failureOf(Error, () => clocks.assertAgree())
    expect(fault).to.include({ code: 'CLOCK_SKEW' })
    expect(fault.message).to.include('a is 3600 s ahead, b is 3600 s ahead')
  })

  it('learns nothing from stamps that are old, that others gave, or of whoever tells its time', () => {
    const [a, b, c] = [instance('a'), instance('b'), instance('c')] as const
    const { clocks, stampedAt, runtime } = comparing(a, b, c)
    stampedAt(a, -HOUR_MS)
    stampedAt(b, HOUR_MS, 'shop')
    tells(clocks, c, NOW)
    stampedAt(c, HOUR_MS)
    const known = [a, b, c].map(({ clock }) => clock.aheadOf(NOW, runtime.monotonic()))
    expect(known).to.deep.equal([undefined, undefined, 0])
  })

  it('names three of many', () => {
    const links = ['a', 'b', 'c', 'd', 'e'].map(instance)
    const { clocks } = comparing(...links)
    for (const link of links) tells(clocks, link, NOW - HOUR_MS)
    expect(clocks.check.check().detail).to.match(/: a is 3600 s behind, b .*, c is 3600 s behind and 2 more; nothing/)
  })

  it('notices within a moment that its own clock was set', () => {
    const [a, b] = [instance('a'), instance('b')] as const
    const { clocks, runtime } = comparing(a, b)
    for (const link of [a, b]) tells(clocks, link, NOW)
    expect(clocks.isOff).to.equal(false)
    runtime.step(-HOUR_MS)
    expect(clocks.isOff).to.equal(true)
    runtime.step(HOUR_MS)
    expect(clocks.isOff).to.equal(false)
  })
})
