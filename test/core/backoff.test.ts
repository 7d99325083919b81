import { expect } from 'chai'
import { backoff } from '../../core/backoff.ts'

const FIRST_MS = 5_000
const ALMOST_1 = 1 - Number.EPSILON

describe('backoff', () => {
  it('doubles with each failure from the first delay, up to a minute', () => {
    const delays = [1, 2, 3, 4, 5, 6, 1_000, 100_000].map((failures) => backoff(failures, FIRST_MS, ALMOST_1))
    expect(delays.map(Math.round)).to.deep.equal([5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000])
  })

  it('leaves half of the delay to chance', () => {
    for (const failures of [1, 2, 3, 10]) {
      const most = backoff(failures, FIRST_MS, ALMOST_1)
      expect(backoff(failures, FIRST_MS, 0)).to.be.closeTo(most / 2, 1)
      expect(backoff(failures, FIRST_MS, 0.5)).to.be.closeTo((most * 3) / 4, 1)
    }
  })

  it('never waits longer than a minute, even if the first delay is longer', () => {
    expect(backoff(1, 600_000, ALMOST_1)).to.be.at.most(60_000)
  })
})
