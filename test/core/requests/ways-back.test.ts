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
  /** Whether something that comes of the message finds its way back. */
  const leadsBack = (messageId: string) => {
    const before = near.sent.length
    subject.answer({ messageId, via: undefined }, { value: '1' })
    return near.sent.length > before
  }
  return { subject, runtime, link, arrival, neighbour, sent, leadsBack }
}

describe('the ways back of messages that are answered', () => {
  it('are 10,000: of more, the oldest is forgotten', () => {
    const { subject, arrival, leadsBack } = ways()
    for (let n = 0; n <= 10_000; n++) subject.opened(arrival(`m-${n}`))
    expect(['m-0', 'm-1', 'm-10000'].map(leadsBack)).to.deep.equal([false, true, true])
  })

  it('are forgotten 10 minutes after the time of their message, or 24 hours after one without an end came in', () => {
    const { subject, runtime, arrival, leadsBack } = ways()
    for (const id of ['ends', 'ended']) subject.opened(arrival(id, runtime.now() + 1_000))
    for (const id of ['endless', 'endlessly']) subject.opened(arrival(id))
    runtime.setClock(runtime.now() + 600_999)
    expect(leadsBack('ends')).to.equal(true)
    runtime.setClock(runtime.now() + 1)
    expect(leadsBack('ended')).to.equal(false)
    runtime.setClock(runtime.now() + 86_400_000 - 601_000 - 1)
    expect(leadsBack('endless')).to.equal(true)
    runtime.setClock(runtime.now() + 1)
    expect(leadsBack('endlessly')).to.equal(false)
  })

  it('are those of types that declare it, and of messages that came in', () => {
    const { subject, arrival, leadsBack } = ways()
    const { received: _, ...released } = arrival('released')
    subject.opened(released)
    subject.opened({ ...arrival('other'), message: message({ type: 'SK', messageId: 'other' }) })
    expect(['released', 'other'].map(leadsBack)).to.deep.equal([false, false])
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
    subject.again(link, 'm', [], false)
    subject.again(link, 'm', [], true)
    expect(said()).to.deep.equal([nothing, nothing])
  })

  it('is told by nobody whom it did not go to', () => {
    const { neighbour, said } = toTarget()
    expect(neighbour('liar').hear({ instanceId: 'far', value: 'lie' })).to.equal(false)
    expect(said()).to.deep.equal([])
  })
})

describe('what is told again of a message', () => {
  const value = (instanceId: string) => ({ instanceId, outcome: { value: `"${instanceId}"` } })

  /** Here and at two neighbours something has come of it, and nothing behind the third one. */
  function told() {
    const given = ways()
    const [left, right, gone] = [given.neighbour('left'), given.neighbour('right'), given.neighbour('gone')]
    const recipients = [self, left.recipient, right.recipient, gone.recipient]
    given.subject.opened({ ...given.arrival('m'), route: new Route(recipients as never) })
    given.subject.answer({ messageId: 'm', via: undefined }, { value: '"here"' })
    left.hear({ value: 'left', complete: true })
    gone.giveUp('REJECTED')
    const before = given.sent().length
    const said = () =>
      given
        .sent()
        .slice(before)
        .map(({ instanceId, complete }) => `${instanceId} ${complete}`)
    return { ...given, right, said }
  }

  it('is complete when all have answered that it went to, and all of that is there again', () => {
    const { subject, link, right, said } = told()
    subject.again(link, 'm', [value('here'), value('left')], true)
    expect(said()).to.deep.equal(['here false', 'left false', 'gone false'])
    right.hear({ value: 'right', complete: true })
    subject.again(link, 'm', [value('here'), value('left'), value('right')], true)
    expect(said().slice(3)).to.deep.equal(['right true', 'here false', 'left false', 'right false', 'gone true'])
  })

  it('is not complete as long as some of it cannot be reached, or is still being done', () => {
    const { subject, link, right, said } = told()
    right.hear({ complete: true })
    subject.again(link, 'm', [value('here')], true)
    subject.again(link, 'm', [value('here'), value('left')], false)
    expect(said()).to.deep.equal([
      'undefined true',
      'here false',
      'gone false',
      'here false',
      'left false',
      'gone false',
    ])
  })

  it('is nothing when nobody can be reached who was told of, and when nobody remembers', () => {
    const { subject, link, arrival, leadsBack, sent } = ways()
    subject.opened(arrival('m'))
    expect(leadsBack('m')).to.equal(true)
    subject.again(link, 'm', [], true)
    subject.again(link, 'unknown', [], true)
    expect(sent()).to.have.length(1)
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
