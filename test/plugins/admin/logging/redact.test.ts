import { expect } from 'chai'
import { redact } from '../../../../plugins/admin/logging/redact.ts'

const PEM = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----'

describe('redaction of log text', () => {
  for (const [what, text, masked] of [
    ['a card number', 'card 4111111111111111 refused', 'card 411111******1111 refused'],
    ['a card number of 13 digits', '4222222222222', '422222******2222'],
    ['a card number of 19 digits', '6304000000000000000', '630400******0000'],
    ['a card number within quotes', '"5555555555554444"', '"555555******4444"'],
    ['a card number after a letter', 'x4111111111111111', 'x411111******1111'],
    ['a card number in groups', '4111 1111 1111 1111.', '411111******1111.'],
    ['a card number in groups, then another number', '4111-1111-1111-1111 12', '411111******1111 12'],
    ['an American Express number in groups', '3782 822463 10005', '378282******0005'],
    ['two card numbers', '4111111111111111,5555555555554444', '411111******1111,555555******4444'],
    ['a bearer token', 'authorization: Bearer abc.DEF-123_~+/= failed', 'authorization: Bearer [secret] failed'],
    ['basic credentials', 'basic dXNlcjpwYXNz', 'basic [secret]'],
    ['credentials in a URL', 'redis://user:pass@host:6379/0', 'redis://[secret]@host:6379/0'],
    ['PEM', `key: ${PEM} end`, 'key: [PEM] end'],
    ['PEM that was cut off', PEM.slice(0, 40), '[PEM]'],
    ['two blocks of PEM', `${PEM}\n${PEM}`, '[PEM]\n[PEM]'],
    ['what steers a terminal', 'a\u009b31mred', 'a\ufffd31mred'],
  ] as const) {
    it(`masks ${what}`, () => {
      expect(redact(text, 500)).to.equal(masked)
    })
  }

  for (const [what, text] of [
    ['an id', '018f3a2b-1c4d-7e5f-8a9b-0c1d2e3f4a5b'],
    ['a time in milliseconds', 'm-1700000000000'],
    ['a number that is no card number', '9007199254740993'],
    ['a shorter number', '411111111111'],
    ['a longer number', '41111111111111111111'],
    ['an address', 'wss://gcp.example:7070/?a=b@c'],
    ['plain words', '/value/0/weight must be number'],
  ] as const) {
    it(`leaves ${what} as it is`, () => {
      expect(redact(text, 500)).to.equal(text)
    })
  }

  it('cuts what is longer than allowed, after masking', () => {
    expect(redact('x'.repeat(10), 10)).to.equal('x'.repeat(10))
    expect(redact('x'.repeat(11), 10)).to.equal(`${'x'.repeat(9)}…`)
    expect(redact(`ab ${PEM}`, 8)).to.equal('ab [PEM]')
  })

  it('takes no longer than its text is long', () => {
    const began = performance.now()
    for (const hostile of ['-----BEGIN ', '://', 'Bearer ', '4111 1111 ', '1']) redact(hostile.repeat(20_000), 500)
    expect(performance.now() - began).to.be.below(2_000)
  })
})
