import { expect } from 'chai'
import { Ledger } from '../../../bin/demo/ledger.ts'

describe('the demo counts', () => {
  let ledger: Ledger
  beforeEach(() => {
    ledger = new Ledger(['aws', 'azure', 'gcp'])
    ledger.published('m', 'aws', ['azure', 'gcp'], 0)
  })

  it('how long a message was on its way', () => {
    expect(ledger.received('m', 'azure', 1, 25)).to.equal(25)
  })

  it('as waiting what is acknowledged and has not arrived, whichever comes first', () => {
    ledger.received('m', 'azure', 1, 1)
    ledger.acknowledged('m')
    expect([ledger.counts('azure').waiting, ledger.counts('gcp').waiting]).to.deep.equal([0, 1])
    ledger.received('m', 'gcp', 1, 2)
    expect(ledger.counts('gcp').waiting).to.equal(0)
    expect(ledger.settled).to.equal(true)
  })

  it('as missing what is acknowledged and never arrives', () => {
    ledger.acknowledged('m')
    ledger.received('m', 'azure', 1, 1)
    expect(ledger.verdict()).to.include({ due: 2, missing: 1 })
    expect(ledger.settled).to.equal(false)
  })

  it('as unanswered what is not acknowledged', () => {
    expect(ledger.verdict()).to.include({ due: 0, missing: 0, unanswered: 1 })
  })

  it('as twice what comes again on the same connection', () => {
    ledger.received('m', 'azure', 1, 1)
    expect(ledger.received('m', 'azure', 1, 2)).to.equal(undefined)
    expect(ledger.verdict()).to.include({ twice: 1, recognised: 0 })
  })

  it('as recognised what comes again after a new connection, whose acknowledgement a crash may have lost', () => {
    ledger.received('m', 'azure', 1, 1)
    ledger.received('m', 'azure', 2, 2)
    expect(ledger.verdict()).to.include({ twice: 0, recognised: 1 })
    expect(ledger.counts('azure').received).to.equal(1)
  })

  it('as astray what reaches a region that it is not for', () => {
    ledger.received('m', 'aws', 1, 1)
    ledger.received('unknown', 'gcp', 1, 1)
    expect(ledger.verdict().astray).to.equal(2)
  })
})
