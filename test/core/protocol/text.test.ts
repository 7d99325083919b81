import { expect } from 'chai'
import fc from 'fast-check'
import { fingerprint } from '../../../core/protocol/fingerprint.ts'
import { scanMembers } from '../../../core/protocol/scan.ts'
import { member, withMembers, withoutMembers } from '../../../core/protocol/text.ts'

const without = (text: string, ...names: string[]) => withoutMembers(text, scanMembers(text, 32), new Set(names))
const print = (text: string) => fingerprint(text, scanMembers(text, 32))

describe('the text of a message', () => {
  it('loses members wherever they stand', () => {
    const text = '{"a":1,"b":2,"c":3}'
    expect(without(text, 'a')).to.equal('{"b":2,"c":3}')
    expect(without(text, 'b')).to.equal('{"a":1,"c":3}')
    expect(without(text, 'c')).to.equal('{"a":1,"b":2}')
    expect(without(text, 'a', 'b')).to.equal('{"c":3}')
    expect(without(text, 'a', 'c')).to.equal('{"b":2}')
    expect(without(text, 'b', 'c')).to.equal('{"a":1}')
    expect(without(text, 'a', 'b', 'c')).to.equal('{}')
    expect(without(text, 'd')).to.equal(text)
  })

  it('keeps the bytes of all others: numbers, escapes, order, and the space between them', () => {
    const kept = '"n":9007199254740993, "m" : 1.10,"e":1E+2 ,\n"s":"\\u0041\\/"'
    expect(without(`{"x":[1,{"y":2}],${kept}}`, 'x')).to.equal(`{${kept}}`)
    expect(without(`{${kept},"x":"}"}`, 'x')).to.equal(`{${kept}}`)
  })

  it('loses and keeps exactly what JSON.parse would, of any object', () => {
    const input = fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.func(fc.boolean()))
    fc.assert(
      fc.property(input, ([object, isCut]) => {
        const cut = Object.keys(object).filter((name) => isCut(name))
        const kept = Object.entries(object).filter(([name]) => !cut.includes(name))
        const text = without(JSON.stringify(object), ...cut)
        expect(text).to.equal(JSON.stringify(Object.fromEntries(kept)))
      }),
    )
  })

  it('is given members behind its own', () => {
    const added = member('messageId', 'm-1') + member('version', 'v')
    expect(withMembers('{"a":1.10}', added)).to.equal('{"a":1.10,"messageId":"m-1","version":"v"}')
    expect(withMembers('{}', added)).to.equal('{"messageId":"m-1","version":"v"}')
  })

  it('escapes what it is given', () => {
    expect(withMembers('{}', member('orderingKey', '"\n'))).to.equal('{"orderingKey":"\\"\\n"}')
  })
})

describe('the fingerprint of a message', () => {
  it('is the same whatever the bus has added', () => {
    const own = '{"type":"SK","key":"k","value":1.10}'
    const grown = '{"sourceInstanceId":"b","messagePath":["a","b"],"type":"SK","key":"k","value":1.10,"messageId":"m",'
    const added = '"originInstanceId":"a","originSequence":"e.1","clusterGroupId":"g","version":"v","orderingKey":"k"}'
    expect(print(grown + added)).to.equal(print(own))
  })

  it('tells apart what JSON.parse takes for the same', () => {
    expect(print('{"value":9007199254740993}')).not.to.equal(print('{"value":9007199254740992}'))
  })

  it('tells apart another value, another tag, another member', () => {
    const prints = ['{"v":1}', '{"v":2}', '{"w":1}', '{"v":1,"targetedTags":["a"]}', '{}'].map(print)
    expect(new Set(prints).size).to.equal(prints.length)
  })
})
