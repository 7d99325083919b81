import { expect } from 'chai'
import { Seen } from '../../../core/client/index.ts'

describe('what was seen', () => {
  const nobody = () => {}

  it('is claimed by one, and told to all others when that has ended', () => {
    const seen = new Seen()
    const told: string[] = []
    expect(seen.claim('m', {}, () => told.push('first'))).to.equal(true)
    const other = {}
    expect(seen.claim('m', other, () => told.push('outdated'))).to.equal(false)
    expect(seen.claim('m', other, () => told.push('other'))).to.equal(false)
    expect(told).to.deep.equal([])
    seen.settle('m', { kept: true })
    expect(told).to.deep.equal(['first', 'other'])
    expect(seen.claim('m', {}, () => told.push('again'))).to.equal(false)
    expect(told).to.deep.equal(['first', 'other', 'again'])
  })

  it('is free again when handling failed', () => {
    const seen = new Seen()
    seen.claim('m', {}, nobody)
    seen.settle('m', { kept: false, reason: '', retryable: true })
    expect(seen.claim('m', {}, nobody)).to.equal(true)
  })

  it('forgets the oldest of what was handled, and nothing that is being handled', () => {
    const seen = new Seen(2)
    seen.claim('open', {}, nobody)
    for (const key of ['a', 'b', 'c']) {
      seen.claim(key, {}, nobody)
      seen.settle(key, { kept: true })
    }
    expect(['open', 'b', 'c', 'a'].map((key) => seen.claim(key, {}, nobody))).to.deep.equal([false, false, false, true])
  })
})
