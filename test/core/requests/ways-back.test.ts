import { expect } from 'chai'
import type { Arrival, DeadLettered } from '../../../core/events.ts'
import { createHooks } from '../../../core/hooks.ts'
import type { Recipients } from '../../../core/recipients.ts'
import { Unsent } from '../../../core/requests/unsent.ts'
import { WaysBack } from '../../../core/requests/ways-back.ts'
import { Route } from '../../../core/route.ts'
import type { DeadReason } from '../../../core/store.ts'
import type { TypeRegistry } from '../../../core/type-registry.ts'
import { ManualRuntime } from '../manual-runtime.ts'
import { linkTo, message, receivedFrom } from '../support.ts'

const self = { role: 'self', name: '@self' }

/** Ways back at an instance that knows nobody. */
function ways() {
  const runtime = new ManualRuntime()
  const recipients = { self, durable: () => undefined } as unknown as Recipients
  const types = { isAnswered: (type: string) => type === 'CMD' } as unknown as TypeRegistry
  const { link, near } = linkTo()
  const hooks = createHooks()
  const subject = new WaysBack({ instanceId: 'here', hooks, runtime, types, recipients })
  const arrival = (messageId: string, expiresAt?: number): Arrival => ({
    received: receivedFrom(link, { type: 'CMD', messageId }),
    message: message({ type: 'CMD', messageId, expiresAt }),
    route: new Route([self as never]),
  })
  /** A neighbour, and what it says. */
  const neighbour = (name: string) => {
    const recipient = { role: 'instance', name }
    const sender = Object.assign(linkTo({ instanceId: name, role: 'instance' }).link, { recipient })
    const hear = (reply: object) => subject.heard(receivedFrom(sender, { type: 'REPLY', correlationId: 'm', ...reply }))
    const giveUp = (reason: DeadReason) => {
      const dead = { recipient, message: { messageId: 'm' }, reason } as unknown as DeadLettered
      hooks.deadLetter.call(dead)
    }
    return { recipient, hear, giveUp }
  }
  const sent = () => near.sent.map((text) => JSON.parse(text) as Record<string, unknown>)
  return { subject, runtime, link, arrival, neighbour, sent }
}

describe('the ways back of messages that are answered', () => {
  it('are 10,000: of more, the oldest is forgotten', () => {
    const { subject, arrival, sent } = ways()
    for (let n = 0; n <= 10_000; n++) subject.opened(arrival(`m-${n}`))
    expect([subject.awaits('m-0'), subject.awaits('m-1'), subject.awaits('m-10000')]).to.deep.equal([false, true, true])
    subject.answer({ messageId: 'm-0', via: undefined }, { value: '1' })
    expect(sent()).to.deep.equal([])
    subject.answer({ messageId: 'm-1', via: undefined }, { value: '1' })
    expect(sent()).to.have.length(1)
  })

  it('are forgotten 10 minutes after the time of their message, or 24 hours after one without an end came in', () => {
    const { subject, runtime, arrival } = ways()
    subject.opened(arrival('ends', runtime.now() + 1_000))
    subject.opened(arrival('endless'))
    runtime.setClock(runtime.now() + 600_999)
    expect(subject.awaits('ends')).to.equal(true)
    runtime.setClock(runtime.now() + 1)
    expect(subject.awaits('ends')).to.equal(false)
    runtime.setClock(runtime.now() + 86_400_000 - 601_000 - 1)
    expect(subject.awaits('endless')).to.equal(true)
    runtime.setClock(runtime.now() + 1)
    expect(subject.awaits('endless')).to.equal(false)
  })

  it('are those of types that declare it, and of messages that came in', () => {
    const { subject, arrival } = ways()
    const { received: _, ...released } = arrival('released')
    subject.opened(released)
    subject.opened({ ...arrival('other'), message: message({ type: 'SK', messageId: 'other' }) })
    expect([subject.awaits('released'), subject.awaits('other')]).to.deep.equal([false, false])
  })

  it('lead each outcome back once: when all have answered, nothing more is said', () => {
    const { subject, arrival, sent } = ways()
    subject.opened(arrival('m'))
    subject.answer({ messageId: 'm', via: undefined }, { error: { code: 'FAILED', message: 'no' } })
    subject.answer({ messageId: 'm', via: undefined }, { value: '2' })
    const error = { code: 'FAILED', message: 'no' }
    const reply = { type: 'REPLY', correlationId: 'm', sourceInstanceId: 'here', messagePath: ['here'] }
    expect(sent()).to.deep.equal([{ ...reply, instanceId: 'here', error, complete: true }])
  })
})

describe('the way back of a message that is for one instance', () => {
  function toTarget() {
    const given = ways()
    const [left, right] = [given.neighbour('left'), given.neighbour('right')]
    const { received } = given.arrival('m')
    given.subject.opened({
      ...(received && { received }),
      message: message({ type: 'CMD', messageId: 'm', targetInstanceId: 'far' }),
      route: new Route([left.recipient, right.recipient] as never),
    })
    const said = () =>
      given.sent().map(({ instanceId, value, error, complete }) => {
        return { instanceId, value, code: (error as { code?: string } | undefined)?.code, complete }
      })
    return { ...given, left, right, said }
  }

  it('ends with its outcome, whatever else is still awaited', () => {
    const { left, right, said } = toTarget()
    left.hear({ instanceId: 'far', value: 1, complete: false })
    right.hear({ complete: true })
    left.hear({ complete: true })
    expect(said()).to.deep.equal([{ instanceId: 'far', value: 1, code: undefined, complete: true }])
  })

  it('does not end because it came to nothing in one direction', () => {
    const { left, right, said } = toTarget()
    left.giveUp('REJECTED')
    right.hear({ instanceId: 'other', error: { code: 'UNDELIVERED', message: 'no' }, complete: false })
    expect(said()).to.deep.equal([])
    right.hear({ instanceId: 'far', value: 1, complete: true })
    expect(said()).to.deep.equal([{ instanceId: 'far', value: 1, code: undefined, complete: true }])
  })

  it('ends with why it came to nothing, when it has in all directions', () => {
    const { left, right, said, subject, link } = toTarget()
    right.hear({ complete: true })
    left.giveUp('EXPIRED')
    left.giveUp('EXPIRED')
    const nothing = { instanceId: 'left', value: undefined, code: 'EXPIRED', complete: true }
    expect(said()).to.deep.equal([nothing])
    subject.conclude(link, 'm')
    expect(said()).to.deep.equal([nothing, nothing])
  })

  it('is told by nobody whom it did not go to', () => {
    const { neighbour, said } = toTarget()
    expect(neighbour('liar').hear({ instanceId: 'far', value: 'lie' })).to.equal(false)
    expect(said()).to.deep.equal([])
  })
})

describe('answers for those who are away', () => {
  it('are given to whom they are for, once, in their order', () => {
    const unsent = new Unsent()
    unsent.keep('a', '1')
    unsent.keep('b', '2')
    unsent.keep('a', '3')
    expect(unsent.take(undefined)).to.deep.equal([])
    expect(unsent.take('a')).to.deep.equal(['1', '3'])
    expect(unsent.take('a')).to.deep.equal([])
    expect(unsent.take('b')).to.deep.equal(['2'])
  })

  it('are 1,000 and 4 MiB at most: the oldest are dropped', () => {
    const many = new Unsent()
    for (let n = 0; n <= 1_000; n++) many.keep('a', String(n))
    expect(many.take('a')).to.have.length(1_000).and.include('1000').and.not.include('0')
    const large = new Unsent()
    for (let n = 0; n < 17; n++) large.keep('a', String(n % 10).repeat(256 * 1024))
    expect(large.take('a').map((frame) => frame[0])).to.deep.equal([...'1234567890123456'])
    large.keep('a', 'x')
    expect(large.take('a')).to.deep.equal(['x'])
  })
})
