import { expect } from 'chai'
import fc from 'fast-check'
import { ProtocolFault } from '../../../core/index.ts'
import { findMember, scanItems, scanMembers } from '../../../core/protocol/scan.ts'

const MAX_DEPTH = 32

const scan = (text: string) => scanMembers(text, MAX_DEPTH)

/** Name and value of each member, read from the very ranges that the scan found. */
function read(text: string): Record<string, unknown> {
  const found: [string, unknown][] = []
  for (const [name, { start, valueStart, end }] of scan(text)) {
    const whole = JSON.parse(`{${text.slice(start, end)}}`) as Record<string, unknown>
    expect(Object.keys(whole)).to.deep.equal([name])
    const value: unknown = JSON.parse(text.slice(valueStart, end))
    expect(value).to.deep.equal(whole[name])
    found.push([name, value])
  }
  return Object.fromEntries(found)
}

function faultOf(text: string): ProtocolFault {
  try {
    scan(text)
  } catch (error) {
    if (error instanceof ProtocolFault) return error
    throw error
  }
  throw new Error(`was taken: ${text.slice(0, 80)}`)
}

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)

/** An object's JSON as a person or another language may write it: any white space, any character escaped or not. */
const spelled = fc
  .tuple(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.array(space, { minLength: 8 }), fc.boolean())
  .map(([object, spaces, escaped]) => {
    let at = 0
    const gap = () => spaces[at++ % spaces.length] as string
    const members = Object.entries(object).map(
      ([name, value]) => `${gap()}${spell(name, escaped)}${gap()}:${gap()}${JSON.stringify(value)}${gap()}`,
    )
    return { object, text: `${gap()}{${gap()}${members.join(',')}${gap()}}${gap()}` }
  })

function spell(name: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(name)
  const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at).toString(16).padStart(4, '0'))
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}

const nested = (depth: number) => `{"v":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`

describe('the scan of a message', () => {
  it('finds each top-level member of any object by its exact range, as JSON.parse would read it', () => {
    fc.assert(
      fc.property(spelled, ({ object, text }) => {
        expect(read(text)).to.deep.equal(JSON.parse(text))
        expect([...scan(text).keys()].sort()).to.deep.equal(Object.keys(object).sort())
      }),
    )
  })

  it('never takes what JSON.parse reads as other members than the scan found', () => {
    const fragments = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a', '"a"', '"b":', '1', ' ', '\\u0061')
    const soup = fc.array(fragments, { maxLength: 14 }).map((parts) => `{${parts.join('')}}`)
    fc.assert(
      fc.property(soup, (text) => {
        let members: readonly string[]
        try {
          members = [...scan(text).keys()]
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolFault)
          return
        }
        let parsed: object
        try {
          parsed = JSON.parse(text) as object
        } catch {
          return // the scan trusts its caller to parse the text as well
        }
        expect(members.slice().sort()).to.deep.equal(Object.keys(parsed).sort())
      }),
      { numRuns: 2_000 },
    )
  })

  it('reads names with escapes by their meaning', () => {
    expect([...scan('{"\\u0074ype":"SK","a\\"b":1,"c\\\\":2,"\\/":3}').keys()]).to.deep.equal([
      'type',
      'a"b',
      'c\\',
      '/',
    ])
  })

  it('is not misled by brackets, commas and quotes within strings', () => {
    const object = { a: '}],"b":{', b: ['"', '\\', '\\"', ']}'], c: { '}': '{' } }
    expect(read(JSON.stringify(object))).to.deep.equal(object)
  })

  it('refuses a member that stands twice, without saying which', () => {
    const fault = faultOf('{"type":"SK","secret":1,"secret":2}')
    expect(fault.code).to.equal('INVALID_MESSAGE')
    expect(fault.message).not.to.contain('secret')
  })

  it('refuses a member that stands twice, once written with escapes', () => {
    expect(faultOf('{"value":1,"v\\u0061lue":2}').code).to.equal('INVALID_MESSAGE')
    expect(faultOf('{"__proto__":1,"\\u005f_proto__":2}').code).to.equal('INVALID_MESSAGE')
  })

  it('leaves members of nested objects to themselves', () => {
    expect([...scan('{"a":{"x":1,"x":2},"x":3}').keys()]).to.deep.equal(['a', 'x'])
  })

  it('takes 32 levels, the message being the first, and refuses the 33rd', () => {
    expect([...scan(nested(32)).keys()]).to.deep.equal(['v'])
    expect(faultOf(nested(33)).code).to.equal('TOO_DEEP')
    expect(faultOf(`{"v":${'{"a":'.repeat(32)}1${'}'.repeat(32)}}`).code).to.equal('TOO_DEEP')
  })

  it('refuses endless nesting before any parser sees it, and does not count siblings', () => {
    expect(faultOf(`{"v":${'['.repeat(100_000)}`).code).to.equal('TOO_DEEP')
    expect([...scan(`{"v":[${'[],'.repeat(1_000)}[]]}`).keys()]).to.deep.equal(['v'])
  })

  for (const text of [
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{a:1}',
    '{"a" 1}',
    '{"a":}',
    '{"a":"x',
  ]) {
    it(`refuses ${text} as broken JSON`, () => {
      expect(faultOf(text).code).to.equal('INVALID_JSON')
    })
  }

  for (const text of ['{}x', '{} {}', '{"a":1}}', '{"a":1},', '{"a":[1]']) {
    it(`refuses ${text}: what stands behind or is missing`, () => {
      expect(faultOf(text).code).to.equal('INVALID_JSON')
    })
  }

  for (const text of ['[]', '"a"', '1', 'null', 'true', ' [ {} ] ']) {
    it(`refuses ${text}: JSON, and no message`, () => {
      expect(faultOf(text).code).to.equal('INVALID_MESSAGE')
    })
  }

  for (const text of ['', ' ', 'hello', "{'type':'SK'}", '\u{feff}{}', '<message/>', 'type=SK']) {
    it(`refuses ${JSON.stringify(text)}: no JSON at all`, () => {
      expect(faultOf(text).code).to.equal('INVALID_JSON')
    })
  }

  it('tells the place of the fault, never the text around it', () => {
    const { message } = faultOf('{"card":"4111111111111111"x}')
    expect(message).to.equal('not valid JSON at character 26')
  })
})

describe('the search for one member', () => {
  it('finds what the scan finds, whatever the object, and nothing else', () => {
    const property = fc.property(spelled, fc.string({ unit: 'binary' }), ({ text }, other) => {
      const members = scan(text)
      for (const name of [...members.keys(), other, 'value']) {
        expect(findMember(text, name, MAX_DEPTH)).to.deep.equal(members.get(name))
      }
    })
    fc.assert(property)
  })

  it('tells a backslash in a name from the one that escapes', () => {
    const text = '{"a\\n":1,"a\\\\n":2,"\\u0061":3}'
    const valueText = (name: string) => {
      const { valueStart, end } = findMember(text, name, MAX_DEPTH) ?? { valueStart: 0, end: 0 }
      return text.slice(valueStart, end)
    }
    expect(['a\n', 'a\\n', 'a', 'b'].map(valueText)).to.deep.equal(['1', '2', '3', ''])
  })
})

describe('the scan of an array', () => {
  it('finds each item of any array by its exact text, as JSON.parse would read it', () => {
    const property = fc.property(fc.array(fc.jsonValue()), fc.array(space, { minLength: 4 }), (items, spaces) => {
      const texts = items.map((item) => JSON.stringify(item))
      const [before, behind] = [spaces[0], spaces[1]]
      const text = `${spaces[2]}[${texts.map((item) => `${before}${item}${behind}`).join(',')}${spaces[3]}]${before}`
      expect(scanItems(text, MAX_DEPTH)).to.deep.equal(texts)
    })
    fc.assert(property)
  })

  it('keeps what a parser would print otherwise', () => {
    const text = '[9007199254740993, 1.10 ,-0,"\\u00e9",{"a" : 1e2}]'
    expect(scanItems(text, MAX_DEPTH)).to.deep.equal(['9007199254740993', '1.10', '-0', '"\\u00e9"', '{"a" : 1e2}'])
  })

  for (const text of ['', '{}', '1', '[', '[1', '[1,', '[1,]', '[,]', '[1]]', '[1] 2', '["x]']) {
    it(`refuses ${text || 'nothing'}`, () => {
      expect(() => scanItems(text, MAX_DEPTH))
        .to.throw(ProtocolFault)
        .with.property('code', 'INVALID_JSON')
    })
  }
})
