import { expect } from 'chai'
import fc from 'fast-check'
import { change, join, membersOf } from './or-set.ts'

describe('slipstream-plugin-or-set', () => {
  const add = (name: string, member: string) => change(name, { key: 'k', add: member })
  const remove = (...names: string[]) => change('removal', { key: 'k', remove: names })
  const all = (...texts: string[]) => texts.reduce(join)

  it('has a member that was added, by the names of its additions', () => {
    expect(membersOf(all(add('m-1', 'vip'), add('m-3', 'vip'), add('m-2', 'eu')))).to.deep.equal({
      eu: ['m-2'],
      vip: ['m-1', 'm-3'],
    })
  })

  it('has it no more when all additions that hold it are taken back', () => {
    expect(membersOf(all(add('m-1', 'vip'), add('m-3', 'vip'), remove('m-1', 'm-3')))).to.deep.equal({})
  })

  it('has it still when one was added at the same time: an addition wins over a removal that has not seen it', () => {
    const [one, other] = [all(add('m-1', 'vip'), remove('m-1')), all(add('m-1', 'vip'), add('m-2', 'vip'))]
    expect(membersOf(join(one, other))).to.deep.equal({ vip: ['m-2'] })
    expect(join(one, other)).to.equal(join(other, one))
  })

  it('does not get back what was taken back before it came', () => {
    expect(membersOf(all(remove('m-1'), add('m-1', 'vip')))).to.deep.equal({})
  })

  it('gets a member again that is added again', () => {
    expect(membersOf(all(add('m-1', 'vip'), remove('m-1'), add('m-2', 'vip')))).to.deep.equal({ vip: ['m-2'] })
  })

  it('joins commutatively, associatively and idempotently, to the byte', () => {
    const name = fc.constantFrom('m-1', 'm-2', 'm-3', 'm-4')
    // A name stands for one addition.
    const added = name.map((one) => add(one, `member ${Number(one.slice(2)) % 2}`))
    const some = fc.array(
      fc.oneof(
        added,
        name.map((one) => remove(one)),
      ),
      { minLength: 1, maxLength: 6 },
    )
    const set = some.map((texts) => all(...texts))
    const property = fc.property(set, set, set, (one, other, third) => {
      expect(join(one, other)).to.equal(join(other, one))
      expect(join(join(one, other), third)).to.equal(join(one, join(other, third)))
      expect(join(one, one)).to.equal(one)
    })
    fc.assert(property)
  })
})
