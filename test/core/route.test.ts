import { expect } from 'chai'
import type { Recipient } from '../../core/index.ts'
import { Route } from '../../core/route.ts'

const recipient = (name: string): Recipient => ({
  name,
  role: 'instance',
  tags: new Set(),
  durable: true,
  connected: true,
  circuit: undefined,
  pending: 0,
  inFlight: 0,
  deferred: 0,
  lastSeenAt: undefined,
  clockAheadMs: undefined,
  key: 1,
})

const [a, b, c] = ['a', 'b', 'c'].map(recipient) as [Recipient, Recipient, Recipient]

describe('a route', () => {
  it('loses recipients with a reason', () => {
    const route = new Route([a, b, c]).without('tags', ({ name }) => name === 'b')
    expect(route.recipients).to.deep.equal([a, c])
    expect(route.excluded).to.deep.equal([{ recipient: b, reason: 'tags' }])
  })

  it('remembers who left first, and why', () => {
    const route = new Route([a, b, c]).without('passed', (one) => one === a).without('tags', () => true)
    expect(route.excluded.map(({ recipient: { name }, reason }) => [name, reason])).to.deep.equal([
      ['a', 'passed'],
      ['b', 'tags'],
      ['c', 'tags'],
    ])
  })

  it('stays the same object when nobody leaves or is added', () => {
    const route = new Route([a])
    expect(route.without('tags', () => false)).to.equal(route)
    expect(route.with(a)).to.equal(route)
  })

  it('takes back whom an earlier tap excluded', () => {
    const route = new Route([a, b]).without('tags', (one) => one === b).with(b)
    expect(route.recipients).to.deep.equal([a, b])
    expect(route.excluded).to.deep.equal([])
  })

  it('is never changed itself', () => {
    const route = new Route([a, b])
    route.without('tags', () => true)
    route.with(c)
    expect(route.recipients).to.deep.equal([a, b])
    expect(route).to.satisfy(Object.isFrozen)
  })
})
