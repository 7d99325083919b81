import { expect } from 'chai'
import type { Kernel, Plugin, Recipient } from '../../core/index.ts'
import { bench, RETRY_DELAY_MS } from '../plugins/delivery/support.ts'
import { applying } from './applying.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    'test.other': { key: string }
  }
}

const RETRYABLE = { code: 'INTERNAL', retryable: true }
const merged = (messageId: string, more: object = {}) => ({ type: 'test.merged', messageId, key: messageId, ...more })
const ordered = (messageId: string, key: string) => ({ type: 'test.ordered', messageId, key })
const other = (messageId: string, key: string) => ({ type: 'test.other', messageId, key })

/** A bus whose deliveries a test decides on: what fails waits, and is counted nowhere. */
async function subject() {
  const seen = applying()
  /** Of each failure, whether it was that of a probe. */
  const probes: boolean[] = []
  let kernel: Kernel | undefined
  const deciding: Plugin = {
    name: 'deciding',
    apply(given) {
      kernel = given
      const schema = { type: 'object', required: ['key'], properties: { key: { type: 'string' } } } as const
      const apply = (messages: readonly { readonly messageId: string }[]) =>
        void seen.applied.push(...messages.map(({ messageId }) => messageId))
      given.messageType('test.other', { schema, orderingKey: ({ key }) => key, order: 'strict', apply })
      given.hooks.republish.tap((all) => {
        for (const one of all) {
          probes.push(given.deliveries.isProbe(one))
          if (one.cause === 'expiry') given.deliveries.deadLetter(one, 'EXPIRED')
          else given.deliveries.wait(one)
        }
      })
    },
  }
  const bus = await bench({ republishes: false, plugins: [seen.plugin, deciding] })
  const recipient = (name: string) => bus.bus.recipients().find((one) => one.name === name) as Recipient
  return { bus, seen, probes, recipient, deliveries: (kernel as Kernel).deliveries }
}

describe('deliveries of a type that is held', () => {
  it('wait for everybody for whom something is kept, and for nobody else', async () => {
    const { bus, recipient, deliveries } = await subject()
    await bus.connect('app')
    await bus.publish('m-1')
    const live = bus.bus.recipients().find(({ durable }) => !durable) as Recipient
    const held = [recipient('app'), recipient('@self'), live].map((one) => deliveries.hold(one, 'SK'))
    expect(held).to.deep.equal([true, true, false])
    expect(deliveries.probe(live, 'SK')).to.equal(false)
    await bus.publish('m-2')
    expect([deliveries.waiting(recipient('app'), 'SK'), deliveries.waiting(live, 'SK')]).to.deep.equal([1, 0])
  })

  it('are applied by this instance one at each probe, and all when they are released', async () => {
    const { bus, seen, recipient, deliveries } = await subject()
    deliveries.hold(recipient('@self'), 'test.merged')
    await bus.publish(...['m-1', 'm-2', 'm-3', 'm-4'].map((id) => merged(id)))
    expect(seen.applied).to.deep.equal([])
    for (const expected of [['m-1'], ['m-1', 'm-2']]) {
      deliveries.probe(recipient('@self'), 'test.merged')
      await bus.rest()
      expect(seen.applied).to.deep.equal(expected)
    }
    deliveries.release(recipient('@self'), 'test.merged')
    await bus.rest()
    expect(seen.applied).to.deep.equal(['m-1', 'm-2', 'm-3', 'm-4'])
  })

  it('make room for another probe when that has expired', async () => {
    const { bus, seen, recipient, deliveries } = await subject()
    deliveries.hold(recipient('@self'), 'test.merged')
    await bus.publish(merged('m-1', { expiresAt: bus.runtime.now() + 1 }), merged('m-2'), merged('m-3'))
    await bus.pass(1)
    deliveries.probe(recipient('@self'), 'test.merged')
    await bus.rest()
    expect(seen.applied).to.deep.equal(['m-2'])
    expect((await bus.dead()).map(({ messageId }) => messageId)).to.deep.equal(['m-1'])
  })

  it('keep their strict key busy for other types, where this instance applies them', async () => {
    const { bus, seen, recipient, deliveries } = await subject()
    deliveries.hold(recipient('@self'), 'test.ordered')
    await bus.publish(ordered('a-1', 'a'), other('a-2', 'a'), other('b-1', 'b'))
    expect(seen.applied).to.deep.equal(['b-1'])
    deliveries.release(recipient('@self'), 'test.ordered')
    await bus.rest()
    expect(seen.applied).to.deep.equal(['b-1', 'a-1', 'a-2'])
  })

  it('keep it busy though they had been taken when their type was held', async () => {
    const { bus, seen, recipient, deliveries } = await subject()
    let goOn = () => {}
    seen.before = () => new Promise<void>((resolve) => (goOn = resolve))
    await bus.publish(merged('first'))
    await bus.publish(merged('second'), ordered('a-1', 'a'), other('a-2', 'a'), other('b-1', 'b'))
    goOn()
    await bus.rest()
    // All of them are taken by now, and the second one is being applied.
    seen.before = () => undefined
    deliveries.hold(recipient('@self'), 'test.ordered')
    goOn()
    await bus.rest()
    expect(seen.applied).to.deep.equal(['first', 'second', 'b-1'])
    deliveries.release(recipient('@self'), 'test.ordered')
    await bus.rest()
    expect(seen.applied).to.deep.equal(['first', 'second', 'b-1', 'a-1', 'a-2'])
  })
})

describe('a delivery that failed and waits', () => {
  it('goes again after the retry delay when its type is not held, and nothing is counted', async () => {
    const { bus, seen } = await subject()
    let isDown = true
    const app = await bus.connect('app', () => (isDown ? RETRYABLE : 'ACK'))
    seen.act = () => {
      if (isDown) throw new Error('connection refused')
    }
    await bus.publish(merged('m-1'))
    await bus.pass(RETRY_DELAY_MS - 1)
    expect([app.got.length, seen.calls.length]).to.deep.equal([1, 1])
    const nothing = { sends: 0, nacks: 0, timeouts: 0, disconnects: 0 }
    expect(await bus.attempts()).to.deep.equal(nothing)
    isDown = false
    await bus.pass(1)
    await bus.pass(10)
    expect([app.got, seen.applied]).to.deep.equal([['m-1', 'm-1'], ['m-1']])
    expect([bus.sums(), bus.sums('@self')].map(({ acked, pending }) => [acked, pending])).to.deep.equal([
      [1, 0],
      [1, 0],
    ])
  })

  it('is a probe only when it was let go as one', async () => {
    const { bus, probes, recipient, deliveries } = await subject()
    await bus.connect('app', () => RETRYABLE)
    await bus.publish('m-1')
    deliveries.hold(recipient('app'), 'SK')
    await bus.pass(RETRY_DELAY_MS)
    expect(probes).to.deep.equal([false])
    deliveries.probe(recipient('app'), 'SK')
    await bus.rest()
    expect(probes).to.deep.equal([false, true])
  })
})
