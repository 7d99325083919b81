import { expect } from 'chai'
import { errorText } from '../../core/error-text.ts'
import { readStored } from '../../core/stored-message.ts'
import { delivery } from './support.ts'

const messageOf = (value: unknown) => {
  const envelope = { type: 'fx.rate', messageId: 'm-1', originInstanceId: 'aws', originSequence: 'e.1', key: 'EUR/USD' }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return readStored(delivery(1, { text: `${JSON.stringify(envelope).slice(0, -1)},"value":${text}}` }).message)
}

describe('the text of an error with a message', () => {
  it('is what it is when it holds no value', () => {
    const text = 'WRONGTYPE Operation against key EUR/USD of fx.rate in m-1 (see "man redis")'
    expect(errorText(text, messageOf({ amount: 12 }))).to.equal(text)
  })

  it('is masked where it quotes the message, whole or in part', () => {
    const message = messageOf({ iban: 'DE02 1203 0000', note: 'say "hi"' })
    expect(errorText('bad "DE02 1203 0000"', message)).to.equal('bad "…"')
    expect(errorText("bad 'DE02 12...'", message)).to.equal("bad '…'")
    expect(errorText('Unexpected token in `{"iban":"DE02`', message)).to.equal('Unexpected token in `…`')
  })

  it('is masked where a word of a value stands, in whatever case', () => {
    const message = messageOf({ names: ['Ada Lovelace'], nested: { code: 'X-1' } })
    expect(errorText('no account of lovelace, ADA (x-1)', message)).to.equal('no account of …, … (…)')
  })

  it('is masked where a number stands, as it was published', () => {
    expect(errorText('9007199254740993 > 1.10', messageOf('[9007199254740993,1.10]'))).to.equal('… > …')
  })

  it('is one line of three hundred characters at most', () => {
    const text = errorText(`first\n\tsecond ${'x'.repeat(1_000)}`, messageOf(1))
    expect(text).to.match(/^first second x+…$/)
    expect(text).to.have.length(300)
  })
})
