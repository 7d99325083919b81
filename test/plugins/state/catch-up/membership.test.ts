import { expect } from 'chai'
import { type Claim, MAX_MEMBERS, readClaim, writeClaim } from '../../../../plugins/state/catch-up/membership/claim.ts'
import { Registry } from '../../../../plugins/state/catch-up/membership/registry.ts'

/** Sessions in which both get everything: what each says is kept before. */
function meet(one: Registry, other: Registry, [name, otherName]: readonly [string, string], now: number): void {
  for (const registry of [one, other]) registry.save().kept()
  const [said, heard] = [one.claim(now), other.claim(now)]
  one.hear(otherName, heard, now)
  other.hear(name, said, now)
  one.completed(otherName, said, heard, heard.floor, now)
  other.completed(name, heard, said, said.floor, now)
  for (const registry of [one, other]) registry.save().kept()
}

/** Each with everybody else, often enough that everybody knows what everybody has. */
function meetAll(registries: Readonly<Record<string, Registry>>, now: number): void {
  const all = Object.entries(registries)
  for (let times = 0; times < 3; times++) {
    for (const [name, one] of all) {
      for (const [otherName, other] of all) if (name < otherName) meet(one, other, [name, otherName], now)
    }
  }
}

function members(...names: readonly string[]): Readonly<Record<string, Registry>> {
  const registries = Object.fromEntries(names.map((name) => [name, new Registry(name)]))
  meetAll(registries, 1)
  return registries
}

const rowOf = (has: Readonly<Record<string, number>>, at = 1) => ({
  at,
  waits: false,
  has: new Map(Object.entries(has)),
})

describe('what instances say of each other', () => {
  it('is read as it was written, members first', () => {
    const claim: Claim = {
      floor: 7,
      rows: new Map([
        ['a', { ...rowOf({ a: 9, b: 8, gone: 0 }, 5), waits: true }],
        ['b', rowOf({ b: 9, a: 7 })],
      ]),
      gone: new Map([['gone', 3]]),
    }
    const written = writeClaim(claim)
    expect(written.ids).to.deep.equal(['a', 'b', 'gone'])
    expect(written.rows).to.deep.equal([
      [5, 1, 9, 8, 0],
      [1, 0, 7, 9, -1],
    ])
    expect(writeClaim(readClaim(JSON.parse(JSON.stringify(written))))).to.deep.equal(written)
  })
})

describe('a registry', () => {
  it('lets everybody forget what everybody has, and no more', () => {
    const { a, b, c } = members('a', 'b', 'c') as { a: Registry; b: Registry; c: Registry }
    for (const [registry, time] of [
      [a, 30],
      [b, 20],
      [c, 40],
    ] as const) {
      registry.promise(time)
    }
    meet(a, b, ['a', 'b'], 2)
    a.raiseFloor()
    expect([a.floor, a.last]).to.deep.equal([0, 'c'])
    meetAll({ a, b, c }, 3)
    for (const registry of [a, b, c]) registry.raiseFloor()
    expect([a.floor, b.floor, c.floor, a.last]).to.deep.equal([20, 20, 20, 'b'])
    expect([a.isBehind, c.isBehind]).to.deep.equal([true, false])
  })

  it('tells nobody what is not kept', () => {
    const { a } = members('a', 'b') as { a: Registry }
    a.promise(5)
    const promised = () => a.claim(9).rows.get('a')?.has.get('a')
    expect(promised()).to.equal(0)
    const { text, kept } = a.save()
    a.promise(6)
    kept()
    expect(promised()).to.equal(5)
    const restored = new Registry('a', text)
    expect([restored.promised, restored.members]).to.deep.equal([5, ['a', 'b']])
  })

  it('waits as long as somebody gives no word, wherever that one is linked', () => {
    const { a, b } = members('a', 'b') as { a: Registry; b: Registry }
    for (const registry of [a, b]) registry.promise(9)
    b.hear('old', undefined, 2)
    meetAll({ a, b }, 3)
    expect([a.stable, b.stable, a.last, b.last]).to.deep.equal([0, 0, 'b', 'old'])
    expect(b.giveUp(3)).to.deep.equal(['old'])
    meetAll({ a, b }, 4)
    expect([a.stable, b.stable]).to.deep.equal([9, 9])
  })

  it('waits when there are more than it can tell of', () => {
    const names = Array.from({ length: MAX_MEMBERS }, (_, n) => `m${n}`)
    const self = new Registry('a')
    const ours = self.claim(1)
    const theirs = {
      floor: 0,
      gone: new Map<string, number>(),
      rows: new Map(names.map((name) => [name, rowOf(Object.fromEntries(names.map((n) => [n, 9])))])),
    }
    self.completed('m0', ours, theirs, 0, 1)
    expect(self.members).to.have.length(MAX_MEMBERS)
    self.promise(9)
    expect(self.stable).to.equal(0)
  })

  it('gives up those who are silent when it is with the greater part, and all who see it do so', () => {
    const { a, b, c } = members('a', 'b', 'c') as { a: Registry; b: Registry; c: Registry }
    meet(b, c, ['b', 'c'], 50)
    expect(a.giveUp(40), 'one of three').to.deep.equal([])
    expect(b.giveUp(40), 'two of three').to.deep.equal(['a'])
    meet(b, c, ['b', 'c'], 51)
    expect([b.members, c.members]).to.deep.equal([
      ['b', 'c'],
      ['c', 'b'],
    ])
    expect(b.standingOf('a', { claim: a.claim(60), away: false })).to.include({ kind: 'returning' })
    expect(a.standingOf('b', { claim: b.claim(60), away: true })).to.include({ kind: 'member' })
  })

  it('of two halves, gives up by the one with the smallest name', () => {
    const { a, b } = members('a', 'b') as { a: Registry; b: Registry }
    expect([b.giveUp(40), a.giveUp(40)]).to.deep.equal([[], ['b']])
  })

  it('gives up nobody with the help of one who has lost what it knew', () => {
    const { a, b } = members('a', 'b', 'c') as { a: Registry; b: Registry }
    const wiped = new Registry('c')
    meet(b, wiped, ['b', 'c'], 50)
    meet(b, wiped, ['b', 'c'], 51)
    expect(b.giveUp(40)).to.deep.equal([])
    expect(wiped.giveUp(90), 'whom it never heard').to.deep.equal([])
    expect(a.members).to.include('b')
  })

  it('takes one that was never one of them for a newcomer, and one that has lost its promise as well', () => {
    const { a, b } = members('a', 'b') as { a: Registry; b: Registry }
    for (const registry of [a, b]) registry.promise(9)
    meetAll({ a, b }, 2)
    const stranger = new Registry('z')
    expect(a.standingOf('z', { claim: stranger.claim(3), away: false })).to.deep.equal({ kind: 'newcomer', bound: 9 })
    const wiped = new Registry('b')
    expect(a.standingOf('b', { claim: wiped.claim(3), away: false })).to.deep.equal({ kind: 'newcomer', bound: 9 })
    a.raiseFloor()
    expect(a.standingOf('b', { claim: wiped.claim(3), away: false })).to.deep.equal({ kind: 'returning', bound: 9 })
    expect(a.standingOf('z', undefined)).to.deep.equal({ kind: 'returning', bound: 9 })
    wiped.promise(9)
    a.clear('b', 9)
    wiped.save().kept()
    expect(a.standingOf('b', { claim: wiped.claim(4), away: false })).to.include({ kind: 'member' })
  })

  it('takes over no floor that rose while the other one was asked', () => {
    const { a, b } = members('a', 'b') as { a: Registry; b: Registry }
    const [ours, theirs] = [a.claim(2), b.claim(2)]
    expect(a.completed('b', ours, theirs, 5, 2)).to.equal(false)
    expect(a.completed('b', ours, { ...theirs, floor: 5 }, 5, 2)).to.equal(true)
    expect(a.floor).to.equal(5)
  })
})
